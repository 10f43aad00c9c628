# Everything is set up by the target that needs it: only Python >= 3.11, make and git have to be there.
#
#   make example    train the example models, serve them, prove their contracts and how strong they are
#   make example-in-container   the same contracts, served by containers of a Docker Engine
#   make test       run the tests            (make test ARGS="-k latency")
#   make test-slow  run the tests that run pytest many times over
#   make lint       ruff and the layer rules
#   make docs       the documentation, into site/
#   make types      mypy --strict
#   make mutants    mutation tests of what decides verdicts: an hour or two (make mutants ARGS="pytest_tfsig.latency.*")
#   make clean      remove the environment, the caches and the example's models

SHELL := /bin/sh
.DEFAULT_GOAL := test

# The first interpreter that is new enough and can make virtual environments.
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for python in python3.12 python3.11 python3.13 python3 python; do \
	"$$python" -c '$(SUITABLE)' >/dev/null 2>&1 && echo "$$python" && break; done)
endif

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/.ready
TRAINED := example_project/models/.trained

# Nothing is left outside the clone.
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export KERAS_HOME := $(CURDIR)/.cache/keras
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# TensorFlow's start-up messages would bury ours.
export TF_CPP_MIN_LOG_LEVEL := 3

.PHONY: test test-slow example example-in-container lint types docs mutants clean

test: $(READY)
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow" $(ARGS)

test-slow: $(READY)
	$(BIN)/pytest -n 2 --dist worksteal -m slow $(ARGS)

example: $(READY) $(TRAINED)
	cd example_project && $(BIN)/pytest --tfsig-server=embedded --tfsig-mutate=90 $(ARGS)

# The example's contracts once more, in a real container: an image that is built on the spot around the embedded server.
example-in-container: $(READY) $(TRAINED)
	cd example_project && PYTHONPATH=$(CURDIR) PYTEST_PLUGINS=tests.container_plugin \
		$(BIN)/pytest --tfsig-server=container $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/mkdocs build --strict

types: $(READY)
	$(BIN)/mypy

mutants: $(READY)
	$(BIN)/python -m pip install --quiet --group mutants
	$(BIN)/python -m scripts.mutate run $(ARGS)
	$(BIN)/python -m scripts.mutants

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis mutants
	rm -rf example_project/models example_project/reports

# The stamps are written last: a set-up that was interrupted is done again.
$(READY): pyproject.toml example_project/pyproject.toml
	@test -n "$(PYTHON)" || { \
		echo "No Python >= 3.11 with the venv module was found: install one, or say make PYTHON=/path/to/python." >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[embedded]" --group dev \
		--group example_project/pyproject.toml:train
	touch $@

$(TRAINED): $(READY) example_project/train.py
	$(BIN)/python example_project/train.py
	touch $@
