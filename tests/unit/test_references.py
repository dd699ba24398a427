"""The BibTeX beside a paper's text has what the study used, each once, and an entry for everything that there is."""

import pytest

from bertft_core.config.strategy_settings import KINDS
from bertft_core.report import references
from tests.helpers.report_pages import write_small_report
from tests.helpers.small_records import make_study

pytestmark = pytest.mark.usefixtures("blank_pictures")


def keys_beside(page) -> list[str]:
    return references.KEY.findall((page.parent / "references.bib").read_text(encoding="utf-8"))


def test_every_strategy_has_entries_and_every_entry_is_used():
    assert references.OF_STRATEGIES.keys() == set(KINDS)
    known = {key for keys in references.OF_STRATEGIES.values() for key in keys}
    assert known <= references.entries().keys()
    code = references.Path(references.__file__).read_text(encoding="utf-8")
    assert [key for key in references.entries() if f'"{key}"' not in code] == []


def test_a_report_names_the_methods_of_its_study_and_no_others(tmp_path):
    page, *_ = write_small_report(tmp_path)
    found = keys_beside(page)
    assert {*references.ALWAYS, "peters2019tune", "akiba2019optuna"} <= set(found)
    assert not {"lee2020mixout", "nadeau2003inference", "lafferty2001conditional", "starr1966performance"} & set(found)
    assert len(found) == len(set(found))


def test_strategies_and_their_sources_come_with_their_arms(tmp_path):
    arms = {"full": {}, "mixed": {"strategies": [{"kind": "mixout", "p": 0.7}, {"kind": "llrd", "decay": 0.9}]}}
    page, *_ = write_small_report(tmp_path, study=make_study(arms=arms))
    assert {"lee2020mixout", "howard2018universal", "zhang2021revisiting"} <= set(keys_beside(page))
