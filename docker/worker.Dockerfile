# A worker: builds, trains, evaluates and times networks with PyTorch. One file for both builds of PyTorch:
#
#   --build-arg DEVICE=cpu    pip must find PyTorch's CPU wheel (PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS)
#   --build-arg DEVICE=cuda   pip must find the CUDA wheel, which the usual index has; the host needs the driver
#                             and the container toolkit
ARG BASE_IMAGE=docker.io/library/python:3.11-slim

FROM ${BASE_IMAGE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
ARG DEVICE=cpu
WORKDIR /build
COPY docker/install.sh pyproject.toml constraints.txt ./
RUN ./install.sh libraries worker,cluster,s3
# Fail now instead of producing a CPU image with five gigabytes of CUDA, or a GPU image without CUDA.
RUN built=$(/opt/nbs/bin/python -c 'import torch; print("cuda" if torch.version.cuda else "cpu")'); \
    [ "$built" = "${DEVICE}" ] || { echo "pip found PyTorch for $built, not for ${DEVICE}: see PIP_EXTRA_INDEX_URL" >&2; exit 1; }
COPY . .
RUN ./docker/install.sh project service.cli.commands service.cli.serve service.jobs service.worker.worker service.worker.exporting \
      service.worker.measuring model_hub.zoo model_hub.evaluation torch

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG DEVICE=cpu
LABEL org.opencontainers.image.title="nas-bench-service worker (${DEVICE})" \
      org.opencontainers.image.description="Builds, evaluates and times networks" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 nbs \
 && useradd --uid 10001 --gid nbs --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin nbs \
 && install -d -o nbs -g nbs /jobs /zoo /datasets
COPY --from=build /opt/nbs /opt/nbs
# PyTorch's compiled programs and caches need a writable folder: only /tmp is.
ENV PATH=/opt/nbs/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    NASBENCH_JOBS_DIR=/jobs \
    NASBENCH_ZOO_DIR=/zoo \
    NASBENCH_DATASETS_DIR=/datasets \
    NASBENCH_LOG_JSON=1
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
  CMD ["/opt/nbs/bin/nbs", "worker", "--check"]
ENTRYPOINT ["nbs"]
CMD ["worker"]
