# Everything on a machine with python3 (3.11+, with venv) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: setup quickstart test check bench clean

setup: $(VENV)/base.stamp

$(VENV)/base.stamp: pyproject.toml constraints/base.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "winnow needs python 3.11 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 lacks venv: on Debian, apt-get install python3-venv"; exit 1; }
	$(PIP) install --quiet --constraint constraints/base.txt --editable .
	touch $@

$(VENV)/dev.stamp: $(VENV)/base.stamp constraints/dev.txt
	$(PIP) install --quiet --constraint constraints/base.txt --constraint constraints/dev.txt --editable '.[dev]'
	touch $@

quickstart: setup
	$(BIN)/winnow run examples/quickstart.yaml
	$(BIN)/winnow verify examples/work/mixtures/main

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

test: check
	$(BIN)/python -m pytest

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) examples/work
