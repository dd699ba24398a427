"""Every refusal has a row, names its place, gives a hint, and is worded as the snapshot says.

`python -m tests.helpers.refusals.write_snapshot` writes the snapshot anew; it is read as a whole before it is committed.
"""

import pytest

from tests.helpers.refusals.codes import codes_in_product, positional_codes, refusals_without
from tests.helpers.refusals.refusal import link, make_shared, place_of, provoked, shown
from tests.helpers.refusals.snapshot import SNAPSHOT, block, blocks
from tests.helpers.refusals.table import REFUSALS


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What the refusals of all rows read."""
    directory = tmp_path_factory.mktemp("refusals")
    make_shared(directory)
    return directory


@pytest.fixture
def folder(shared, tmp_path, monkeypatch):
    """The current folder of the command."""
    link(shared, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BERTFT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_a_refusal_has_its_code_its_place_a_hint_and_its_wording(refusal, folder):
    error = provoked(refusal, folder)
    assert (error.code, place_of(error, folder)) == (refusal.code, refusal.place)
    assert error.hint
    assert block(refusal, shown(str(error), folder)) == blocks(SNAPSHOT.read_text(encoding="utf-8"))[refusal.code]


@pytest.mark.parametrize("field", ["code", "hint"])
def test_every_refusal_has_a_code_and_a_hint(field):
    assert refusals_without(field) == []


def test_every_code_has_one_row_and_one_wording():
    codes = [refusal.code for refusal in REFUSALS]
    assert sorted(codes) == sorted(codes_in_product())
    assert sorted(blocks(SNAPSHOT.read_text(encoding="utf-8"))) == sorted(codes)


def test_every_code_is_where_it_is_found():
    assert positional_codes() == []
