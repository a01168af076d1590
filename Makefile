# The commands a person types are the commands CI runs. Needs Python 3.11, pip and make; nothing else.
# Another interpreter: make install PYTHON=/path/to/python3.11

PYTHON ?= python3.11
BENCH ?= --quick
TWO := --numprocesses 2 --dist loadfile
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo up ui test test-full test-again lint docs bench lock clean

help: ## say what there is
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

install: $(STAMP) ## create .venv from requirements.lock (quick when it is up to date)

demo: install ## take the digits recipe from data to a champion
	$(RUN)/evergreen run digits

up: install ## schedules, triggers and pages of every recipe, until Ctrl-C
	$(RUN)/evergreen up

ui: install ## the pages of Prefect and MLflow on the home, until Ctrl-C
	$(RUN)/python -m flows.pages

test: install ## the tests: ten minutes on two cores
	$(RUN)/python -m pytest -q $(TWO)

test-full: install ## the long suites: faults, simulations, pages in a browser
	$(RUN)/python -m pytest -q $(TWO) -m "slow or browser"

test-again: install ## the files in which a long test failed last time, one at a time
	$(RUN)/python infra/again.py

lint: install ## style, import directions, types
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/lint-imports
	$(RUN)/mypy

docs: install ## write docs/reference anew from the recipe's schema and the command line
	$(RUN)/python infra/reference.py

bench: install ## every benchmark; BENCH= for the full length
	@set -e; for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(RUN)/python $$file $(BENCH); done

lock: install ## write requirements.lock anew from what is installed
	$(RUN)/python infra/lock.py > requirements.lock.new && mv requirements.lock.new requirements.lock

clean: ## remove caches and builds; .venv and the home .evergreen stay
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
