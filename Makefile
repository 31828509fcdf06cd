# make run   builds the environment in .venv and runs `ampl demo`
# make test  builds it and runs the tests; test-full also runs the slow ones
# make test-lowest  the quick tests of ampl, tabular and figures with every dependency as old as pyproject.toml allows
# make pictures  draws every picture in docs/images again
# make results  writes the table of all kept runs in results/README.md
# make docs  builds the documentation site in site/
# make env (the environment alone), make lint, make bench, make clean

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: run test test-full test-lowest lint docs bench pictures results clean env

run: $(STAMP)
	$(BIN)/ampl demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto -m "not slow"

test-full: $(STAMP)
	$(BIN)/python -m pytest -n auto

test-lowest:
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --constraint constraints.txt torch
	.venv-lowest/bin/pip install --quiet --constraint constraints-lowest.txt --editable ".[dev]"
	.venv-lowest/bin/python -m pytest -n auto -m "not slow" tests/ampl tests/tabular tests/figures

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/python -m mkdocs build --strict

bench: $(STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[bench]"
	$(BIN)/python -m benchmarks.occupancy
	$(BIN)/python -m benchmarks.ampl_steps
	$(BIN)/python -m benchmarks.mopo_steps
	$(BIN)/ampl bench --threads 1 --json benchmarks/results/bench.json

pictures: $(STAMP)
	$(BIN)/python -m figures.committed_pictures

results: $(STAMP)
	$(BIN)/python -m figures.results_page

env: $(STAMP)

# torch first and alone: its version decides which of its builds everything else sees.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12 ..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $(STAMP)

clean:
	rm -rf .venv .venv-lowest .pytest_cache .hypothesis .mypy_cache .ruff_cache build site *.egg-info
