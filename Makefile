# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-all bench tiny smollm2 clean

demo: $(INSTALLED)
	$(BIN)/frontune run demo --workspace runs
	$(BIN)/frontune pareto demo --workspace runs --csv runs/demo.csv
	$(BIN)/frontune plot demo --workspace runs --out runs/demo.html

# What a file's tests share is made by one process: --dist loadfile.
test: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -m "not slow"

test-all: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

bench: $(INSTALLED) smollm2
	$(BIN)/python -m tests.benchmarks.all

tiny: $(INSTALLED)
	$(BIN)/python -m methods.tiny.pretrain

smollm2: $(INSTALLED)
	$(BIN)/python -m methods.smollm2

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
