# make demo, make test: each makes .venv if it is missing, and installs what it needs. CI runs make check and make test-full.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
CORE := .venv/.core
PROCESSES ?= 2
# Each process computes in one thread, or two of them would wait for each other. Bytecode is kept whatever the
# environment says: tests start hundreds of processes, which would compile the package again.
PYTEST = OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist worksteal

.PHONY: demo test test-full check lint audit fuzz bench docs clean own

$(READY): pyproject.toml | own
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(READY) $(CORE)

$(CORE): pyproject.toml | own
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	touch $(CORE)

own:
	@$(if $(shell test -L .venv && echo link),$(error .venv is a link: remove it, or what is installed there for another checkout would become this one))

demo: $(CORE)  ## the main job on a real scan with a known lesion
	$(BIN)/sanum demo -o demo

test: $(READY)  ## the tests but for the heaviest proofs; minutes
	$(PYTEST)

test-full: $(READY)  ## the rest: dozens of scans, runs killed again and again, hundreds of damaged files
	$(PYTEST) -m full

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck containers/sanum .ci/run
	$(BIN)/hadolint containers/Dockerfile
	$(BIN)/python .ci/licences.py

check: lint test  ## linters, licences of the dependencies, and tests

audit: $(READY)  ## known vulnerabilities of what is installed (needs the network), and CITATION.cff
	test -x .venv-audit/bin/pip-audit || $(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet pip-audit cffconvert
	.venv-audit/bin/cffconvert --validate
	$(BIN)/python -m pip list --format freeze --exclude-editable >.venv-audit/installed.txt
	sed 's/+.*//' .venv-audit/installed.txt >.venv-audit/released.txt  # PyTorch's "2.9.0+cpu" is in no database
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip --requirement .venv-audit/released.txt

fuzz: $(READY)  ## ten thousand damaged scans
	$(BIN)/python bench/fuzz.py --inputs 10000

bench: $(READY)  ## speed and memory of the shipped model (needs the data folder)
	$(BIN)/python bench/inference.py --data ../shared/data

docs: $(READY)  ## the site, from docs/ and the docstrings, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html"

clean:
	rm -rf .venv .venv-audit demo build dist site
