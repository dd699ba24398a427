# `make quickstart` and `make test` only need Python 3.11 or newer and a package registry.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Groups and their order come from tests/conftest.py: sorted by number of tests, long files with few tests would run last, alone.
# Tests start hundreds of processes: they compile nothing twice, even where the shell turns bytecode off.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder

.PHONY: install quickstart test test-slow check docs benchmark

# `make install EXTRAS=ray` adds what runs on a Ray cluster need, on the machine of the study and on every node.
# `make install EXTRAS=s3` adds what a store at s3:// needs; several are installed by EXTRAS="ray s3".
# `make install EXTRAS=postgres` adds what `bertft server` needs.
EXTRAS ?=
install: $(INSTALLED) $(EXTRAS:%=$(INSTALLED)-%)

# torch is installed first, with its own dependencies, because they differ between its CPU and CUDA builds; the rest is in the lock.
# pip compiles on one core; all cores do it here, but not what nobody imports. Some packages ship files for other Pythons: those
# fail, now as in pip, unheard.
$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint requirements.lock torch==2.13.0
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --no-deps --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	$(BIN)/python -m compileall -qq -j 0 -x '/tests/|/transformers/models/' $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') || true
	touch $(INSTALLED)

$(INSTALLED)-%: requirements-%.lock $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --constraint requirements.lock --requirement $<
	touch $@

quickstart: install
	$(BIN)/bertft run configs/quickstart.yaml

# Four processes on two cores, because what starts commands and servers waits for them a third of its time.
test: install
	$(PYTEST) -n 4

test-slow: install $(INSTALLED)-docs $(INSTALLED)-ray $(INSTALLED)-postgres $(INSTALLED)-s3 $(INSTALLED)-slow
	$(PYTEST) -n 2 -m slow

check: install
	$(BIN)/ruff format --check bertft_core flows tasks tests benchmarks
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -n 2 tests/unit tests/architecture

# The site of the documentation, in `site/`; every warning fails.
docs: install $(INSTALLED)-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

benchmark: install
	$(BIN)/python benchmarks/against_trainer.py
