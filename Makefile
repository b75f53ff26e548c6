# Every target says what it does; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup demo up test probes chaos-crash check fuzz bench openapi format clean

BIN := .venv/bin
# KEEP=1 leaves the demo running. ARGS goes to pytest or to the benchmarks, e.g.
# make test ARGS="-k phone -x".
KEEP ?=
ARGS ?=
# Parsing reads the profile and connects nowhere.
PARSE_ENV := DBT_WAREHOUSE_HOST=127.0.0.1 DBT_WAREHOUSE_PORT=5432 DBT_WAREHOUSE_USER=nobody \
    DBT_WAREHOUSE_DATABASE=nothing
# Another project's activated environment must not leak into ours.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup:  ## Build .venv from uv.lock (quick when nothing changed)
	@.ci/setup

demo: setup  ## Tell the whole story on embedded servers; KEEP=1 leaves it running
	@$(BIN)/carteiro demo $(if $(KEEP),--keep)

up: setup  ## Run the stack in the foreground; data survive in .carteiro/
	@$(BIN)/carteiro up

test: setup  ## Run the tests, also on the RabbitMQ, Redis and PostgreSQL found here
	@$(BIN)/python -m tests.support.services \
	    $(BIN)/python -m pytest -n 2 --dist loadgroup -m "not benchmark" \
	    $(if $(ARGS),$(ARGS),--cov --cov-config=tests/coverage.toml --cov-report=)
	$(if $(ARGS),,@$(BIN)/python -m tests.support.coverage_gate)

check: setup  ## Everything short of the slow tests: format, lint, types, imports, SQL, dbt, Dagster
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --strict docs/api/carteiro_client.py
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.lint_queries
	cd dbt_project && ../$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar models tests functions
	$(PARSE_ENV) $(BIN)/dbt parse --quiet --project-dir dbt_project --profiles-dir dbt_project
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dagster definitions validate -m orchestration.definitions
	$(BIN)/python -m tests.contracts
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not slow and not benchmark and not spark" $(ARGS)

probes: setup  ## Ask 10,000 times for another tenant's things; ARGS="--probes 50000 --probe-seed 7"
	@$(BIN)/python -m pytest -q -s -p no:xdist tests/api/test_probes.py --probes 10000 $(ARGS)

chaos-crash: setup  ## Kill every program 200 times, both brokers (20 min); ARGS="--kills 40 --seed 1"
	@$(BIN)/python -m tests.chaos $(ARGS)

fuzz: setup  ## Try the API at random by its document; ARGS="--examples 10000 --minutes 60 --seed 2"
	@$(BIN)/python -m tests.fuzz $(ARGS)

bench: setup  ## Measure against targets and peers; ARGS=--json, ARGS="--only worker"
	@$(BIN)/python -m tests.load $(ARGS)

openapi: setup  ## Write docs/api/openapi-<version>.json from the code (docs/versioning.md)
	@$(BIN)/carteiro openapi --write docs/api

format: setup  ## Format Python and fix what can be fixed
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean:  ## End a running stack; delete its data, the environments and what the tools left
	@if [ -x $(BIN)/carteiro ]; then $(BIN)/carteiro down --purge; fi
	@rm -rf .venv .venv-tools .carteiro .coverage* htmlcov .hypothesis .mypy_cache .pytest_cache \
	    .ruff_cache .import_linter_cache dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
