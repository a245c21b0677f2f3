# Two images from one file:
#
#   docker build -t digits .                                        serves on port 8000; the trained model is inside
#   docker build -t digits-training --target training .            python -m training
#
# and their CUDA twins, which differ in the lock that they are installed from:
#
#   docker build -t digits-cuda --build-arg EXTRA=serve-cuda .
#   docker build -t digits-training-cuda --build-arg EXTRA=train-cuda --target training .

FROM python:3.13-slim AS base
# The root file system may be read-only, so no byte code is written at run time: it is compiled into the image, by
# hashes in place of times (pip does so where SOURCE_DATE_EPOCH is set), so that two builds give the same files. The code
# stays root's; `chmod` below makes it readable whatever the umask of the checkout was.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app


# The environments are made in stages of their own: what pip leaves behind stays there. They hold no pip either.
# Wheels only: a package that wants a compiler stops the build here, where there is none.
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


# Who runs, and where the models are. One user in both images, because they share the models' volume: training
# publishes into it, the service reads it. A number, because file permissions and `runAsNonRoot` know no names.
FROM base AS runtime
# Given with a build that is to be repeated: useradd notes the day.
ARG SOURCE_DATE_EPOCH
RUN groupadd --gid 10001 digits && \
    useradd --uid 10001 --gid digits --no-log-init --no-create-home --home-dir /tmp --shell /usr/sbin/nologin digits && \
    install --directory --owner digits --group digits models runs
# Harmless without a GPU; the NVIDIA container toolkit mounts what is named here into the CUDA images.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
# A volume that is mounted here for the first time is filled with these models, owner included.
COPY --chown=10001:10001 models models


FROM runtime AS training
LABEL org.opencontainers.image.title="digits-training" \
      org.opencontainers.image.description="Trains and publishes the model of the handwritten-digit service" \
      org.opencontainers.image.licenses="MIT"
# Keras keeps its download here, in the volume of the runs.
ENV KERAS_HOME=/app/runs/keras
COPY --from=training-environment /opt/venv /opt/venv
COPY service service
COPY training training
RUN chmod -R a+rX service training && python -m compileall -q --invalidation-mode unchecked-hash service training
USER 10001:10001
ENTRYPOINT ["python", "-m", "training"]


# The last stage, so that it is what a plain `docker build .` makes.
FROM runtime AS service
LABEL org.opencontainers.image.title="digits" \
      org.opencontainers.image.description="Reads handwritten digits over HTTP" \
      org.opencontainers.image.licenses="MIT"
ENV DIGITS_BIND=0.0.0.0:8000
COPY --from=service-environment /opt/venv /opt/venv
COPY service service
RUN chmod -R a+rX service && python -m compileall -q --invalidation-mode unchecked-hash service
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Ready, not merely alive: a server with no usable model has to show as unhealthy, so that nothing is sent to it. Docker
# and Compose only report this state. Swarm replaces what is unhealthy, and takes an update back with it: deploy/swarm/.
# http.client rather than urllib.request, which would ask a proxy that the environment may name.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["python", "-c", "import http.client, sys; server = http.client.HTTPConnection('127.0.0.1', 8000, timeout=2); server.request('GET', '/readyz'); sys.exit(server.getresponse().status != 200)"]
CMD ["python", "-m", "service"]
