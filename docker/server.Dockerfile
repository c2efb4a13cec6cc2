# The server: answers queries and accepts jobs for workers. It needs no PyTorch.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim

FROM ${BASE_IMAGE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_FIND_LINKS
# For `strip` in install.sh; not in the final image.
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils >/dev/null
WORKDIR /build
COPY docker/install.sh pyproject.toml constraints.txt ./
RUN ./install.sh libraries server,cluster,s3,tracing
COPY . .
RUN ./docker/install.sh project service.cli.commands service.cli.databases service.cli.keys service.cli.serve service.app service.jobs \
      uvicorn.protocols.http.httptools_impl uvicorn.lifespan.on uvicorn.loops.uvloop
# The synthetic sample, which is served while the data volume is empty. Hardware costs are left out: they are 8 of its
# 11 MB, because their sample is as long as the table.
RUN /opt/nbs/bin/nbs sample /tmp/raw --architectures 50 --convert /opt/sample && rm -r /tmp/raw /opt/sample/hw-nas-bench.db

# The guide at /guide; its tools are not in the final image. --force-reinstall restores the lexers of Pygments, which
# install.sh removes.
FROM build AS guide
RUN python3 -m pip --python /opt/nbs/bin/python3 --no-cache-dir --disable-pip-version-check install \
      --quiet --force-reinstall --constraint constraints.txt mkdocs 'mkdocstrings[python]' pygments \
 && /opt/nbs/bin/python -m mkdocs build --quiet --site-dir /opt/guide

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="nas-bench-service server" \
      org.opencontainers.image.description="Answers queries about the tables of NAS benchmarks" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --gid 10001 nbs \
 && useradd --uid 10001 --gid nbs --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin nbs \
 && install -d -o nbs -g nbs /access /data /jobs
COPY docker/serve.sh /usr/local/bin/nbs-serve
COPY docker/healthy.py /usr/local/lib/nbs/healthy.py
COPY --from=build /opt/sample /opt/sample
COPY --from=guide /opt/guide /opt/guide
COPY --from=build /opt/nbs /opt/nbs
ENV PATH=/opt/nbs/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    NASBENCHMARK_DIR=/data \
    NASBENCH_JOBS_DIR=/jobs \
    NASBENCH_GUIDE_DIR=/opt/guide \
    NASBENCH_LOG_JSON=1
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["/opt/nbs/bin/python", "-IS", "/usr/local/lib/nbs/healthy.py"]
ENTRYPOINT ["/usr/local/bin/nbs-serve"]
CMD ["--host", "0.0.0.0", "--port", "8000"]
