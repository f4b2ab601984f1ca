# Everything a contributor does. Needs Python >= 3.11 with venv, and make; `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
PYTEST := $(RUN) -m pytest
# Of the oldest versions that are declared; they install on Python 3.11 and 3.12.
MINIMUM := $(VENV)-minimum

# One BLAS thread: the same sums in the same order everywhere, and test processes that do not
# compete for cores.
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

# Results that SymPy remembers: many derivations are run in one process.
export SYMPY_CACHE_SIZE ?= 50000

# The build for the CPU alone: the default one brings gigabytes.
TORCH ?= torch==2.13.0+cpu
TORCH_INDEX ?=

# Of `make mutation`: about an hour on one core.
SIZE ?= 300
SEED ?= 0

.DEFAULT_GOAL := help
.PHONY: help verify test test-minimum test-all interop lint format types docs
.PHONY: mutants mutation margins bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

verify: $(VENV)/.installed-validation ## check every claim against an independent transformer
	$(RUN) -m validation --workers $$($(RUN) -c 'import os; print(os.cpu_count())')

test: $(VENV)/.installed-test ## run the tests, except the slow ones
	$(PYTEST) -n auto --maxprocesses 4 --dist worksteal -m "not slow"

test-minimum: $(MINIMUM)/.installed-test ## run them, or TESTS=..., with the oldest versions allowed
	$(MINIMUM)/bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal -m "not slow" $(TESTS)

test-all: $(VENV)/.installed-test ## run all tests
	$(PYTEST) -n auto --maxprocesses 4 --dist worksteal

interop: $(VENV)/.installed-test ## run the tests with torch and TransformerLens, where these install
	@if $(RUN) -m pip install --quiet --disable-pip-version-check $(TORCH_INDEX) "$(TORCH)"; then \
	  $(RUN) -m pip install --quiet --disable-pip-version-check --editable ".[interop]" && \
	  $(PYTEST) tests/library/test_heads_export.py tests/library/test_heads_torch.py; \
	else echo 'interop: no $(TORCH) here, the tests that need it did not run; give its index by' \
	  'TORCH_INDEX="--extra-index-url https://download.pytorch.org/whl/cpu"'; fi

lint: $(VENV)/.installed-dev ## check style and formatting
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(VENV)/.installed-dev ## repair style and formatting
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

types: $(VENV)/.installed-dev ## check the type hints
	$(RUN) -m mypy

docs: $(VENV)/.installed-docs docs/_build/node_modules ## build the site, all its examples executed (needs npm)
	$(RUN) -m sphinx -W --keep-going -q -b doctest -d docs/_build/doctrees docs docs/_build/doctest
	$(RUN) -m sphinx -W --keep-going -d docs/_build/doctrees -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

mutants: $(VENV)/.installed-test ## plant the errors of our list in the library; the tests must catch each
	$(RUN) tests/mutants.py

margins: $(VENV)/.installed-test ## measure how surely each seeded test sees what it must (an hour)
	$(RUN) tests/margins.py

mutation: $(VENV)/.installed-mutation ## draw SIZE changes of the library at random, by SEED: how many do tests catch?
	$(RUN) tests/mutation.py --size $(SIZE) --seed $(SEED)

bench: $(VENV)/.installed-validation ## measure speed and memory as ratios
	@set -e; for script in benchmarks/*.py; do \
	  echo "$$script"; $(RUN) -m "benchmarks.$$(basename "$$script" .py)"; done

clean: ## remove what builds, tools and runs leave behind, except the virtual environment
	rm -rf build dist out *.egg-info .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf docs/_build docs/claims docs/gallery docs/sg_execution_times.rst
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

# MathJax, from its npm package at the locked version.
docs/_build/node_modules: docs/package.json docs/package-lock.json
	mkdir -p docs/_build
	cp docs/package.json docs/package-lock.json docs/_build
	npm ci --prefix docs/_build --no-audit --no-fund
	touch $@

# One stamp per extra: a second call installs nothing, a changed setup.cfg installs again.
$(VENV)/.installed-%: setup.cfg | $(RUN)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	touch $@

# Each "name>=version" of setup.cfg as "name==version".
$(MINIMUM)/.installed-test: setup.cfg
	$(PYTHON) -m venv $(MINIMUM)
	sed -nE 's/^ *([A-Za-z0-9_-]+)>=([0-9][0-9a-z.]*).*/\1==\2/p' setup.cfg | sort -u > $(MINIMUM)/constraints.txt
	$(MINIMUM)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint $(MINIMUM)/constraints.txt --editable ".[test]"
	touch $@

$(RUN):
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "assocmem needs Python >= 3.11: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
