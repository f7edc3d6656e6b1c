# The environment is made anew when what it is made from changes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
SOURCES := bge_rerank langchain_bge_rerank llamaindex_bge_rerank
INPUTS := pyproject.toml mini/pyproject.toml constraints.txt
# Folders of wheels that pip knows of hold for uv too.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# Without bytecode, each of the many processes that tests start would compile torch anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo quick test test-all check docs docs-links format build notebooks clean options

demo: $(VENV)/.demo  ## set everything up, then retrieve, rerank and measure
	$(BIN)/bge-rerank demo

quick: $(VENV)/.dev  ## the tests that load no trained model and start no server
	$(BIN)/python -m pytest --quick -m "not long" --numprocesses 2 --dist load --maxschedchunk 4

test: $(VENV)/.dev  ## set everything up, then pass the tests
	$(BIN)/python -m pytest -m "not long" --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-all: $(VENV)/.dev  ## the tests that take minutes too
	$(BIN)/python -m pytest

check: $(VENV)/.dev docs  ## linters, types and the documentation site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typing/api.py
	cd mini && ../$(BIN)/mypy

docs: $(VENV)/.dev  ## the documentation site, in build/docs; a dead link fails
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs build/docs

docs-links: $(VENV)/.dev  ## whether the links to other sites still lead somewhere
	$(BIN)/python -m sphinx --quiet --builder linkcheck docs build/docs-links

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(VENV)/.dev  ## wheels and sdists of both distributions, in dist/
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m build --outdir dist mini

options: $(VENV)/.dev  ## write docs/options.md from the declarations
	$(BIN)/python tools/options.py

notebooks: $(VENV)/.dev  ## run the notebooks and save what they show
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.demo: $(INPUTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(UV) --editable ./mini --editable ".[demo]"
	touch $@

$(VENV)/.dev: $(INPUTS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(UV) --compile-bytecode --editable ./mini --editable ".[dev]"
	touch $@ $(VENV)/.demo

.PHONY: house words
words: $(VENV)/.dev  ## sentences that are hard to read
	$(BIN)/python tools/words.py

house: $(VENV)/.dev  ## the measures of the house: files, rooms, imports, functions, options
	$(BIN)/python tools/house.py
