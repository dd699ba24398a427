"""The examples in the docstrings of the library and in its guide, on stored studies."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pandas as pd
import pytest

import bertft_core as bertft
from bertft_core import library
from tests.helpers.markdown import ROOT, blocks
from tests.helpers.stored_studies import unpack

MODULES = ["bertft_core", *(f"bertft_core.library.{found.name}" for found in pkgutil.iter_modules(library.__path__))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return unpack(tmp_path_factory.mktemp("stored"))


@pytest.fixture
def tests_of(home):
    finder = doctest.DocTestFinder(exclude_empty=True)
    names = {"bertft": bertft, "home": home}
    return lambda module: finder.find(importlib.import_module(module), extraglobs=names)


@pytest.mark.parametrize("module", MODULES)
def test_an_example_gives_what_it_shows(module, tests_of):
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in tests_of(module):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_what_the_library_offers_has_examples(tests_of):
    assert sum(len(test.examples) for module in MODULES for test in tests_of(module)) >= 7


def test_the_guide_runs_on_a_stored_study(home, tmp_path, monkeypatch):
    """Blocks in their order; what would train or load a model is only called with its parameters."""
    found = blocks(ROOT / "docs" / "guides" / "library.md", "python")
    assert len(found) >= 8
    monkeypatch.setenv("BERTFT_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    study = bertft.load_study("claims")
    frame = pd.DataFrame({"text": ["good"], "label": ["up"]})
    names = {"my_predictions": study.predictions, "frame": frame, "train": frame, "test": frame}
    for function in (bertft.run, bertft.predict):
        signature = inspect.signature(function)
        monkeypatch.setattr(bertft, function.__name__, lambda *a, _of=signature, **k: _of.bind(*a, **k) and study)
    for block in found:
        exec(block.text.replace("tickets-large", "claims").replace('"tickets"', '"claims"'), names)
    assert (tmp_path / "scores.pdf").read_bytes().startswith(b"%PDF")
