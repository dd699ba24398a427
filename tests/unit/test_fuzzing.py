"""The fuzzing helper tells results and refusals from every other outcome."""

from __future__ import annotations

import pytest

from bertft_core.config import UserError
from tests.helpers import fuzzing


def raising(error: Exception):
    def read(path):
        if len(path.read_bytes()) > 3:
            raise error

    return read


def refusal(**fields: str) -> UserError:
    return UserError("no", **{"code": "a.b", "hint": "change it"} | fields)


def test_results_and_refusals_pass(tmp_path):
    fuzzing.fuzz(raising(refusal()), tmp_path / "file", (b"a,b\n",))


@pytest.mark.parametrize(
    "error", [ValueError("no"), MemoryError(), RecursionError(), refusal(code=""), refusal(hint="")], ids=repr
)
def test_everything_else_fails(tmp_path, error):
    with pytest.raises((type(error), AssertionError)):
        fuzzing.fuzz(raising(error), tmp_path / "file", (b"a,b\n",))


def small() -> None:
    bytes(2**20)


def too_large() -> None:
    bytes(fuzzing.MAX_BYTES + 2**30)


def test_a_child_has_bounded_memory():
    fuzzing.fuzz_in_child(__name__, "small")
    with pytest.raises(AssertionError, match="MemoryError"):
        fuzzing.fuzz_in_child(__name__, "too_large")
