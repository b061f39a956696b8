# Everything a contributor or CI runs. `make` alone lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup tools engines demo test check format lint types docs ledger crash mutants model bench lock clean

PYTHON ?= python3.11
BIN := .venv/bin
STAMP := .venv/.locked

# make ledger
RUNS ?= 25
SEED ?=

# make crash
ROW ?=
SHARD ?= 1/1
SAMPLE ?=
TRIAL ?=

# make bench
ONLY ?=
CUTOVERS ?= 100
WRITE ?=
PEERS := .venv-bench/.locked

# the documentation check, where there is one
DOCS := $(if $(wildcard tests/docs_check.py),docs)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tools:
	@missing=""; for tool in $(PYTHON) java npm; do command -v "$$tool" >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then echo "missing on PATH:$$missing. Needed: Python 3.11, Java 17 or later, npm." >&2; exit 1; fi

setup: tools $(STAMP) ## make .venv from the lock, hashes required

$(STAMP): requirements/dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

engines: setup ## fetch DynamoDB Local into .engines/, integrity checked
	$(BIN)/python -m tests.support.dynamodb_local

demo: setup ## run the built-in demonstration
	$(BIN)/portability demo

test: engines check ## what CI runs: set up, fetch the engines, check

check: setup lint types $(DOCS) ## the one gate: format, lint, types, imports, tests, docs
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: setup ## ruff and import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: setup ## mypy --strict
	$(BIN)/mypy

ifneq ($(DOCS),)
docs: setup ## every documented command, example and generated page is current
	$(BIN)/python -m tests.docs_check
endif

format: setup ## rewrite the sources the way lint wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

ledger: engines ## the long ledger campaign: make ledger RUNS=25 SEED=7
	$(BIN)/python -m pytest -n 2 tests/engines/test_ledger.py -k random_moments --runs $(RUNS) $(if $(SEED),--seed $(SEED))

crash: engines ## kill, cut, freeze and race at every point: make crash ROW=R2 SHARD=3/20 SEED=7, or SAMPLE=1
	$(BIN)/python -m tests.crash --shard $(SHARD) $(if $(ROW),--row $(ROW)) $(if $(SAMPLE),--sample) \
		$(if $(SEED),--seed $(SEED)) $(if $(TRIAL),--trial '$(TRIAL)')

mutants: engines ## the tests are tested: each small edit of the product is found by its test; make mutants ONLY=doubt
	$(BIN)/python -m tests.mutants $(if $(ONLY),--only $(ONLY))

model: setup ## explore the protocol's models, the large spaces too; print each counterexample, write docs/reference/model.md
	$(BIN)/python -m tests.model --deep

bench: engines $(PEERS) ## measure everything and hold it to the targets: make bench ONLY=client WRITE=1
	$(BIN)/python -m tests.benchmarks --cutovers $(CUTOVERS) $(if $(ONLY),--only $(ONLY)) $(if $(WRITE),--write)

$(PEERS): requirements/bench.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --require-hashes -r requirements/bench.txt
	touch $@

lock: setup ## write requirements/dev.txt and bench.txt anew
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip install --quiet uv
	.venv/lock/bin/uv pip compile --quiet --upgrade pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --strip-extras --no-emit-index-url --no-emit-find-links \
		-o requirements/dev.txt
	.venv/lock/bin/uv pip compile --quiet --upgrade requirements/bench.in --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --strip-extras --no-emit-index-url --no-emit-find-links \
		-o requirements/bench.txt

clean: ## remove what make made
	rm -rf .venv .venv-bench .engines dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
