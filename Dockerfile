# Two images from one file:
#
#   docker build -t digits .                                        serves on port 8000; contains the trained model
#   docker build -t digits-training --target training .            python -m training
#
# and with CUDA, from other locks:
#
#   docker build -t digits-cuda --build-arg EXTRA=serve-cuda .
#   docker build -t digits-training-cuda --build-arg EXTRA=train-cuda --target training .
#
# `--build-arg REVISION=$(git rev-parse HEAD)` puts the commit into the labels.

ARG VERSION=0.2.0

FROM python:3.13-slim AS base
# Byte code is compiled into the image, because the root file system may be read-only. It holds hashes of the sources, not
# times (pip does so where SOURCE_DATE_EPOCH is set), so two builds give the same files. Root owns the code; `chmod` below
# makes it readable whatever the checkout's umask.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app


# Environments are built in separate stages, so that pip and its leftovers stay out of the image. Wheels only: there is no
# compiler.
FROM base AS service-environment
ARG EXTRA=serve
COPY requirements/${EXTRA}.txt /tmp/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv && \
    SOURCE_DATE_EPOCH=0 pip --python /opt/venv install --require-hashes --only-binary :all: -r /tmp/requirements.txt

FROM base AS training-environment
ARG EXTRA=train
COPY requirements/${EXTRA}.txt /tmp/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/venv && \
    SOURCE_DATE_EPOCH=0 pip --python /opt/venv install --require-hashes --only-binary :all: -r /tmp/requirements.txt


# Both images run as the same user, because they share the models volume: training writes it, the service reads it. The
# user is numeric, for `runAsNonRoot`.
FROM base AS runtime
# Given with a build that is to be repeated: useradd notes the day.
ARG SOURCE_DATE_EPOCH
RUN groupadd --gid 10001 digits && \
    useradd --uid 10001 --gid digits --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin digits && \
    install --directory --owner digits --group digits models runs corrections
# For the NVIDIA container toolkit; no effect without a GPU.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
# A new volume mounted here is filled with these models and their owner.
COPY --chown=10001:10001 models models


FROM runtime AS training
# Keras caches its downloads here, in the runs volume.
ENV KERAS_HOME=/app/runs/keras
COPY --from=training-environment /opt/venv /opt/venv
COPY service service
COPY training training
RUN chmod -R a+rX service training && python -m compileall -q --invalidation-mode unchecked-hash service training
USER 10001:10001
ENTRYPOINT ["python", "-m", "training"]
# Last, so that another commit rebuilds no layer.
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="digits-training" \
      org.opencontainers.image.description="Trains and publishes the model of the handwritten-digit service" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"


# The last stage, which `docker build .` builds by default.
FROM runtime AS service
ENV DIGITS_BIND=0.0.0.0:8000
COPY --from=service-environment /opt/venv /opt/venv
COPY service service
RUN chmod -R a+rX service && python -m compileall -q --invalidation-mode unchecked-hash service
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Readiness, not liveness: a server without a usable model must show as unhealthy. Docker and Compose only report it; Swarm
# replaces unhealthy replicas and rolls back updates (deploy/swarm/). http.client ignores proxy settings, urllib does not.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["python", "-c", "import http.client, sys; server = http.client.HTTPConnection('127.0.0.1', 8000, timeout=2); server.request('GET', '/readyz'); sys.exit(server.getresponse().status != 200)"]
CMD ["python", "-m", "service"]
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="digits" \
      org.opencontainers.image.description="Reads handwritten digits over HTTP" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
