# What people type. The logic lives in the programs that these lines call.
.PHONY: setup check test demo up down bench golden

PY := .venv/bin/python
BIN := .venv/bin

setup:
	@./setup.sh

# Static checks and the tests of the pure core: seconds, no root, no network.
check: setup
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@mkdir -p build
	@$(BIN)/lint-imports --no-cache >build/lint-imports.log 2>&1 || { cat build/lint-imports.log; exit 1; }
	@$(BIN)/pytest -q tests/core tests/fault_table tests/test_repo.py

# Everything; booted machines are skipped with one line where they can't run.
test: setup
	@$(MAKE) --no-print-directory check
	@$(PY) -m tests.prepared
	@$(BIN)/pytest tests --ignore tests/core --ignore tests/fault_table --ignore tests/test_repo.py

demo: setup
	@$(PY) -m demo

up: setup
	@$(PY) -m demo up

down: setup
	@$(PY) -m demo down

bench: setup
	@$(PY) -m benchmarks

# Rewrites the golden transcripts of the scenarios; read the difference before you commit it.
golden: setup
	@$(PY) -m tests.scenario.golden
