# Two images:
#
#   docker build -t digits .                                       serves the model in it on port 8000
#   docker build -t digits-training --target training .            runs `python -m training`
#
# With CUDA:
#
#   docker build -t digits-cuda --build-arg EXTRA=serve-cuda .
#   docker build -t digits-training-cuda --build-arg EXTRA=train-cuda --target training .
#
# `--build-arg REVISION=$(git rev-parse HEAD)` puts the commit into the labels.

ARG VERSION=0.2.0

FROM python:3.13-slim AS base
# The file system may be read-only at run time, so byte code is compiled here. It has hashes of the sources, not times
# (for pip: SOURCE_DATE_EPOCH), so that two builds give the same files.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app


# Packages are installed in stages of their own, so that pip stays out of the images. Wheels only: there is no compiler.
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


# Both images run as the same user, because they share the models volume. For Kubernetes it must be a number.
FROM base AS runtime
# useradd records the date; a reproducible build sets this.
ARG SOURCE_DATE_EPOCH
RUN groupadd --gid 10001 digits && \
    useradd --uid 10001 --gid digits --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin digits && \
    install --directory --owner digits --group digits models runs corrections
# For the NVIDIA container toolkit.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
# Docker copies these into an empty volume, owner included.
COPY --chown=10001:10001 models models


FROM runtime AS training
# Keras' downloads go into the runs volume.
ENV KERAS_HOME=/app/runs/keras
COPY --from=training-environment /opt/venv /opt/venv
COPY service service
COPY training training
# Readable for all, whatever the umask of the checkout.
RUN chmod -R a+rX service training && python -m compileall -q --invalidation-mode unchecked-hash service training
USER 10001:10001
ENTRYPOINT ["python", "-m", "training"]
# Last, so that a new revision rebuilds no layer.
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="digits-training" \
      org.opencontainers.image.description="Trains and publishes the model of the handwritten-digit service" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"


# The last stage, which `docker build .` builds.
FROM runtime AS service
ENV DIGITS_BIND=0.0.0.0:8000
COPY --from=service-environment /opt/venv /opt/venv
COPY service service
RUN chmod -R a+rX service && python -m compileall -q --invalidation-mode unchecked-hash service
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Unhealthy without a usable model. Docker and Compose only report it; Swarm rolls back updates to unhealthy replicas.
# http.client is used because urllib would obey proxy variables.
# On a busy machine starting Python may take many seconds: 3 s reported replicas that answered as unhealthy.
HEALTHCHECK --interval=5s --timeout=15s --start-period=10s --retries=3 CMD ["python", "-c", "import http.client, sys; server = http.client.HTTPConnection('127.0.0.1', 8000, timeout=10); server.request('GET', '/readyz'); sys.exit(server.getresponse().status != 200)"]
CMD ["python", "-m", "service"]
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="digits" \
      org.opencontainers.image.description="Reads handwritten digits over HTTP" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
