# Two commands: `make demo` (the whole chain on the simulated rig) and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEMO_OUTPUT ?= demo-output
BENCH ?=
PYTEST_FLAGS ?= -n 3 --dist worksteal

export OMP_NUM_THREADS ?= 1
export OPENCV_FOR_THREADS_NUM ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup prerequisites demo test lint types imports unit bench docs clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

prerequisites:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install it with: sudo apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is $$($(PYTHON) -V 2>&1), mavfer needs Python 3.11 or newer; run: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: the venv module is missing; install it with: sudo apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libGL.so.1")' 2>/dev/null || { echo "error: libGL.so.1 is missing (OpenCV links it); install it with: sudo apt install libgl1" >&2; exit 1; }
	@$(PYTHON) -c 'import ctypes; ctypes.CDLL("libgthread-2.0.so.0")' 2>/dev/null || { echo "error: libgthread-2.0.so.0 is missing (OpenCV links it); install it with: sudo apt install libglib2.0-0" >&2; exit 1; }

setup: $(INSTALLED) ## create .venv and install everything (once)

$(INSTALLED): pyproject.toml constraints.txt | prerequisites
	@echo "installing into $(VENV) (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train]' --group dev
	@if pkg-config --exists gobject-introspection-1.0 cairo 2>/dev/null; then \
	  $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[a65]' \
	    || echo "note: PyGObject could not be built: the a65 sensor cannot use Aravis, its tests are skipped (docs/how-to/sensor-a65.md)" >&2; \
	fi
	@touch $@

demo: $(INSTALLED) ## record, calibrate, annotate, build, train and report, on the simulated rig
	@$(BIN)/mavfer demo --output $(DEMO_OUTPUT)

test: lint types imports unit ## lint, types, import contracts, then the test suite

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports --no-logo

unit: $(INSTALLED)
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

bench: $(INSTALLED) ## all benchmarks, or one: make bench BENCH=sim
	$(BIN)/python -m benchmarks $(BENCH)

docs: $(INSTALLED) ## the documentation site, into site/
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	$(BIN)/mkdocs build --strict

clean: ## remove what the targets made (recordings elsewhere are never touched)
	rm -rf $(VENV) site $(DEMO_OUTPUT) .pytest_cache .ruff_cache .mypy_cache .hypothesis
