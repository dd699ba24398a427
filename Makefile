# `make quickstart` and `make test` need nothing but Python 3.11 or newer and the package registry.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Files in their order: reordered by their number of tests, the long ones with few tests would come last and alone.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: install quickstart test test-slow check benchmark

install: $(INSTALLED)

# torch comes first and with its own dependencies, because those differ between its CPU and CUDA builds; all else is in the lock.
$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	touch $(INSTALLED)

quickstart: install
	$(BIN)/bertft run configs/quickstart.yaml

test: install
	$(PYTEST)

test-slow: install
	$(BIN)/python -m pytest -m slow

check: install
	$(BIN)/ruff format --check bertft_core flows tasks tests benchmarks
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) tests/unit tests/architecture

benchmark: install
	$(BIN)/python benchmarks/against_trainer.py
