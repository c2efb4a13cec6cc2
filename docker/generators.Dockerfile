# The generators: convert a raw archive into a database, then exit. Needs no network.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim

FROM ${BASE_IMAGE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
WORKDIR /build
COPY docker/install.sh pyproject.toml constraints.txt ./
RUN ./install.sh libraries generate
COPY . .
RUN ./docker/install.sh project service.cli.commands service.cli.databases generators.registry generators.fetch benchmark_db.verify

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="nas-bench-service generators" \
      org.opencontainers.image.description="Converts raw archives of NAS benchmarks into databases" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 nbs \
 && useradd --uid 10001 --gid nbs --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin nbs \
 && install -d -o nbs -g nbs /data
COPY --from=build /opt/nbs /opt/nbs
ENV PATH=/opt/nbs/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    NASBENCHMARK_DIR=/data
USER 10001:10001
STOPSIGNAL SIGINT
ENTRYPOINT ["nbs", "generate"]
CMD ["--help"]
