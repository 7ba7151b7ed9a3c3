# make demo, make test: each makes .venv if it is missing. make check is what CI runs.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check lint bench docs clean

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $(READY)

demo: $(READY)  ## the main job on a real scan with a known lesion
	$(BIN)/sanum demo -o demo

test: $(READY)  ## the tests
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test  ## linters and tests

bench: $(READY)  ## speed and memory of the shipped model (needs the data folder)
	$(BIN)/python bench/inference.py --data ../shared/data

docs: $(READY)  ## the site, from docs/ and the docstrings, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html, or for its search: $(BIN)/python -m http.server -d site"

clean:
	rm -rf .venv demo build dist site
