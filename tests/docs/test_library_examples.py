"""The examples in the docstrings of the library, on a stored study."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import bertft_core as bertft
from bertft_core import library
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
