# The main targets are `make serve` and `make test`; each installs what it needs into .venv.
PYTHON ?= python3
DATA ?= data
HOST ?= 127.0.0.1
PORT ?= 8000
CORES ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check
# No compilation during the installation, which would take a third of the time: Python compiles on first import.
SERVER_PIP_FLAGS := --disable-pip-version-check --no-color --progress-bar off --no-compile

.DEFAULT_GOAL := help
.PHONY: help guide typescript serve test client check lint types imports coverage format benchmarks lock clean

help:
	@echo 'make serve   serve $(DATA)/ on http://$(HOST):$(PORT); a synthetic sample if it is empty'
	@echo 'make test    run every check: lint, types, imports, tests'
	@echo 'make coverage    run the tests with coverage, and list the lines that none reaches'
	@echo 'make guide   build the guide that the server shows at /guide'
	@echo 'make typescript   install the npm packages for the test of the TypeScript client'
	@echo 'make format  format the code with ruff'
	@echo 'make demo-plan   plan, measure, query and publish a small benchmark on digits'
	@echo 'make benchmarks  take the measurements of docs/performance.md'

# The guide: docs/ and the docstrings as pages in build/guide.
guide: $(VENV)/.guide
	@$(BIN)/mkdocs build --quiet --clean
	@echo 'build/guide/index.html; a server shows it at /guide'

serve: $(VENV)/.server
	@if ! ls $(DATA)/*.db >/dev/null 2>&1; then \
	  echo 'No database in $(DATA)/: making synthetic ones.'; \
	  $(BIN)/nbs sample $(DATA)/raw --convert $(DATA); \
	fi
	@exec $(BIN)/nbs serve --data $(DATA) --host $(HOST) --port $(PORT)

test: lint types imports pytest
	@echo 'All checks passed.'

# The client's tests with another Python: make client PYTHON=python3.13
# test_typing.py is left out: mypy checks for the oldest Python in any case, which `make test` does.
client:
	@echo "== pytest tests/bench_client, $$($(PYTHON) --version)"
	@$(PYTHON) -m venv build/client
	@build/client/bin/pip install $(PIP_FLAGS) --constraint constraints.txt \
	  --editable '.[server,cluster,optuna,pandas,polars]' pytest pytest-timeout pytest-xdist hypothesis
	@OMP_NUM_THREADS=1 build/client/bin/python -m pytest --quiet -p no:cacheprovider \
	  --numprocesses $(CORES) --ignore tests/bench_client/test_typing.py \
	  tests/bench_client tests/test_platforms.py
	@rm -rf build/client

lint: $(VENV)/.dev
	@echo '== ruff'; $(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev
	@echo '== mypy'; $(BIN)/mypy

imports: $(VENV)/.dev
	@echo '== import-linter'; $(BIN)/lint-imports --no-cache --verbose >/dev/null || $(BIN)/lint-imports --no-cache

# PYTHONDONTWRITEBYTECODE is cleared so that the many processes of the tests share compiled modules.
# Two test processes more than cores, because some wait for a server or a lease at any time.
TESTING := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
PYTEST := pytest --numprocesses $(shell expr $(CORES) + 2) --dist worksteal --durations 25

pytest: $(VENV)/.dev
	@echo '== pytest'; $(TESTING) $(BIN)/python -m $(PYTEST)

# Not a part of `make test`: coverage takes a third more processor time.
coverage: $(VENV)/.dev
	@echo '== pytest with coverage'; rm -f .coverage .coverage.*
	@$(TESTING) $(BIN)/coverage run -m $(PYTEST)
	@$(BIN)/coverage combine --quiet && $(BIN)/coverage report

format: $(VENV)/.dev
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

benchmarks: $(VENV)/.dev
	@$(BIN)/python benchmarks/nasbench101.py
	@$(BIN)/python benchmarks/nasbench201.py
	@$(BIN)/python benchmarks/nds.py
	@$(BIN)/python benchmarks/searching.py
	@$(BIN)/python benchmarks/zoo_models.py

# Write constraints.txt, the versions that everything is tested with, from a fresh environment. PyTorch's version
# is kept, because a newer one may install another build.
lock:
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@grep '^torch==' constraints.txt > build/torch.txt
	@build/lock/bin/pip install $(PIP_FLAGS) --constraint build/torch.txt '.[dev]'
	@{ grep '^#' constraints.txt; cat build/torch.txt; \
	   build/lock/bin/pip freeze --exclude nas-bench-service --exclude torch; } \
	  | sort -fu > build/lock.txt
	@mv build/lock.txt constraints.txt && rm -rf build/lock build/torch.txt

clean:
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …'; exit 1; }
	@echo 'Making $(VENV) …'; $(PYTHON) -m venv $(VENV)

$(VENV)/.server: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo 'Installing the server …'
	@{ PYTHONUNBUFFERED=1 $(BIN)/pip install $(SERVER_PIP_FLAGS) --constraint constraints.txt \
	    --editable '.[server,generate,study]' 2>&1 || echo FAILED; } | { \
	  found=0; failed=; dots=; while IFS= read -r line; do case $$line in \
	    Collecting*|Processing*|Obtaining*) found=$$((found + 1)); printf '\r  %d packages found' $$found;; \
	    Installing\ collected*) printf '; installing them '; \
	      while kill -0 $$$$ 2>/dev/null; do sleep 1; printf .; done & dots=$$!;; \
	    ERROR*|error*) printf '\n%s\n' "$$line" >&2;; \
	    FAILED) failed=1;; \
	  esac; done; test -z "$$dots" || { kill $$dots; echo; }; test -z "$$failed"; }
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo 'Installing the server and the development tools …'
	@$(BIN)/pip install $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.server

# Only the client and two tools, instead of the `dev` extra, which takes minutes and 2.5 GB with PyTorch.
$(VENV)/.guide: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo 'Installing the tools for the guide …'
	@$(BIN)/pip install $(PIP_FLAGS) --constraint constraints.txt --editable . mkdocs 'mkdocstrings[python]'
	@touch $@

# No lock file: it would contain the address of the registry in use.
typescript: build/typescript/.done

build/typescript/.done: tests/service/typescript/package.json
	@mkdir -p build/typescript && cp $< build/typescript/
	@npm install --silent --no-fund --no-audit --no-package-lock --prefix build/typescript
	@touch $@

# Takes about eleven minutes on two free cores.
demo-plan: $(VENV)/.dev
	@$(BIN)/python examples/own_benchmark.py runs/own_benchmark
