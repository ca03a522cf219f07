# `make demo` and `make test` set up all that they need; `make setup` prepares .venv with `sagebrush` in it and no more.
# What is done already is not done again: a file in .venv/made/ stands for each step.

SHELL := /bin/bash
PYTHON ?= $(or $(shell command -v python3.11),python3)
BIN := .venv/bin
ENVS := v2 v3 awscli

export PIP_DISABLE_PIP_VERSION_CHECK := 1
QUIET := $(shell test -t 2 || echo -qq)
INSTALL := install $(QUIET) --require-hashes --no-deps --only-binary :all: --requirement
LOCK := $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-annotate --python-version 3.11 \
	--python-platform linux --custom-compile-command 'make lock'

.PHONY: setup images envs demo test check bench lock clean
.DELETE_ON_ERROR:

setup: .venv/made/server

images: setup
	@$(BIN)/sagebrush images build

envs: $(ENVS:%=.envs/%/made)

demo: setup .envs/v2/made
	@$(BIN)/sagebrush demo

test: check images envs
	$(BIN)/pytest -n 2

check: .venv/made/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/made/dev images
	@for one in $(filter-out %/harness.py,$(wildcard benchmarks/*.py)); do echo "== $$one"; $(BIN)/python $$one || exit 1; done

# Resolves anew, from the package index alone; the locks are what every other target installs from.
lock: .venv/made/server
	$(LOCK) pyproject.toml --group build --output-file requirements.lock
	$(LOCK) pyproject.toml --group build --group dev --output-file requirements-dev.lock
	for name in $(ENVS); do $(LOCK) examples/requirements/$$name.in --output-file examples/requirements/$$name.txt; done

clean:
	rm -rf .venv .envs

.venv/made/python:
	@bash .ci/prepare $(PYTHON)
	$(PYTHON) -m venv .venv
	@mkdir -p $(@D) && touch $@

.venv/made/server: requirements.lock pyproject.toml .venv/made/python
	$(BIN)/python -m pip $(INSTALL) requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

.venv/made/dev: requirements-dev.lock .venv/made/server
	$(BIN)/python -m pip $(INSTALL) requirements-dev.lock
	@touch $@

# The SDKs, each in an environment of its own, as a user has them: none of them sees the server's packages.
.envs/%/made: examples/requirements/%.txt | .venv/made/python
	@rm -rf .envs/$*
	$(PYTHON) -m venv --without-pip .envs/$*
	$(BIN)/python -m pip --python .envs/$*/bin/python $(INSTALL) $<
	@touch $@
