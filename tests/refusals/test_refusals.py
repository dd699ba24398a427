"""Every refusal has a row, names its place, gives a hint, and is worded as the snapshot says.

`python -m tests.refusals.write_snapshot` writes the snapshot anew; it is read as a whole before it is committed.
"""

import pytest

from tests.refusals.codes import codes_in_product, refusals_without_code
from tests.refusals.refusal import place_of, provoked, shown
from tests.refusals.snapshot import SNAPSHOT, block, blocks
from tests.refusals.table import REFUSALS


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_a_refusal_has_its_code_its_place_a_hint_and_its_wording(refusal, folder):
    error = provoked(refusal, folder)
    assert (error.code, place_of(error, folder)) == (refusal.code, refusal.place)
    assert error.hint
    assert block(refusal, shown(str(error), folder)) == blocks(SNAPSHOT.read_text(encoding="utf-8"))[refusal.code]


def test_every_refusal_has_a_code():
    assert refusals_without_code() == []


def test_every_code_has_one_row_and_one_wording():
    codes = [refusal.code for refusal in REFUSALS]
    assert sorted(codes) == sorted(codes_in_product())
    assert sorted(blocks(SNAPSHOT.read_text(encoding="utf-8"))) == sorted(codes)
