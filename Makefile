# `make help` lists the targets. PYTHON=… chooses the interpreter, ARGS=… goes to the tool behind a target.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
LOCK := pyproject.toml constraints.txt
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
JOBS ?= 2
ARGS ?=

.PHONY: help setup run demo test lint fuzz faults soak bench bench-full lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do \
		printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: $(VENV)/.run ## Make .venv and install Dashi into it

run: $(VENV)/.run ## Start the server on 127.0.0.1:3000, its data under ./data
	@exec $(BIN)/dashi serve $(ARGS)

demo: $(VENV)/.run ## Fill three sites with a year of traffic, then serve them
	@exec $(BIN)/dashi demo $(ARGS)

test: $(VENV)/.test ## Run the tests on all stores (one: ARGS='--store duckdb')
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

faults: $(VENV)/.test ## Kill, stop, fill and damage it for longer, about half an hour (root, faketime)
	CI=1 FAULT_ROUNDS=200 FAULT_OUTAGE_SECONDS=60 $(BIN)/python -m pytest -n $(JOBS) tests/faults $(ARGS)

lint: $(VENV)/.lint ## Check format, style, types, imports and the committed schema
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	set -o pipefail; $(BIN)/dashi print-schema | diff graphql_schema/schema.graphql -

fuzz: $(VENV)/.test ## Send 100,000 odd inputs to both doors (others: ARGS=5000, SEED=7)
	$(BIN)/python -m tests.fuzz $(ARGS)

soak: $(VENV)/.test ## Run an hour of everyday load (SOAK_MINUTES=10; one store: ARGS=duckdb)
	$(BIN)/python -m tests.soak $(ARGS)

bench: $(VENV)/.test ## Run the benchmarks, a quarter of an hour or so (benchmarks/README.md)
	$(BIN)/python -m benchmarks $(ARGS)

bench-full: $(VENV)/.test ## The same with up to 50 million events, about an hour
	$(BIN)/python -m benchmarks --full $(ARGS)

lock: $(VENV)/bin/python ## Write constraints.txt anew from pyproject.toml (with uv)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	head -n 1 constraints.txt > constraints.new
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet >> constraints.new
	mv constraints.new constraints.txt

clean: ## Remove .venv, caches and builds; ./data stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What is installed is remembered in files, so that a second `make` starts at once.
$(VENV)/.run: $(BIN)/python $(LOCK)
	@echo "Installing Dashi into $(VENV) (once, takes about a minute) …"
	@$(INSTALL) .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	@echo "Installing what the tests need …"
	@$(INSTALL) '.[test]'
	@touch $@

$(VENV)/.lint: $(VENV)/.run
	@echo "Installing what the checks need …"
	@$(INSTALL) '.[lint]'
	@touch $@

# The interpreter is tried, not looked up: version managers put a `python3.11` on the PATH that may not run.
$(BIN)/python:
	@for python in $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python3.14); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
			echo "$$python has no venv. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; fi; \
		"$$python" -m venv --clear $(VENV) && exit 0 || exit 1; \
	done; \
	echo "Dashi needs Python 3.11 or newer. Name one: make PYTHON=/path/to/python3.11 …" >&2; exit 1
