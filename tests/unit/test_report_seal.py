"""Summary and report are made again only when something they were made from, or they themselves, have changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertft_core.report import report_seal
from bertft_core.report.report_seal import SEAL_FILE, sealed_summary
from bertft_core.report.statistics_sections import WRITTEN_FILE, WrittenFiles, gather, write_extras
from bertft_core.report.study_report import write_report_once
from bertft_core.storage.study_dir import read_record, write_record
from bertft_core.storage.study_results import StudyResults
from tests.helpers.evaluated_studies import make_results, sealed_results

pytestmark = pytest.mark.usefixtures("blank_pictures")


def test_the_summary_is_taken_from_disk_and_no_file_is_written(tmp_path):
    results = sealed_results(tmp_path)
    page = results.study_dir.report_dir / "report.html"
    before = page.stat().st_mtime_ns
    assert sealed_summary(results) == results.summary
    assert write_report_once(results) == page
    assert page.stat().st_mtime_ns == before


def _other_record(results, monkeypatch):
    record = next(iter(results.records.values()))
    write_record(results.run_dir_of(record.digest) / "record.json", record.model_copy(update={"train_seconds": 99.0}))


def _other_page(results, monkeypatch):
    (results.study_dir.report_dir / "report.html").write_text("changed")


def _lost_table(results, monkeypatch):
    (results.study_dir.report_dir / "runs.csv").unlink()


def _other_code(results, monkeypatch):
    monkeypatch.setattr(report_seal, "_code", lambda: "other")


def _damaged_summary(results, monkeypatch):
    results.study_dir.summary_path.write_text("{")


def _lost_seal(results, monkeypatch):
    (results.study_dir.path / SEAL_FILE).unlink()


@pytest.mark.parametrize("change", [_other_record, _other_page, _lost_table, _other_code, _damaged_summary, _lost_seal])
def test_after_a_change_they_are_made_again(tmp_path, monkeypatch, change):
    results = sealed_results(tmp_path)
    change(results, monkeypatch)
    assert sealed_summary(results) is None


def test_a_study_with_other_seeds_is_evaluated_again(tmp_path):
    results = sealed_results(tmp_path)
    fewer = StudyResults(results.study, results.card, results.study_dir, results.records, results.planned[:-2])
    assert sealed_summary(fewer) is None


def test_records_without_checksums_are_evaluated_every_time(tmp_path):
    results = make_results(tmp_path, {"low": [0.6, 0.65, 0.7]})
    write_report_once(results)
    assert sealed_summary(results) is None
    assert not (results.study_dir.path / SEAL_FILE).exists()


def test_a_new_report_removes_what_an_earlier_one_wrote_and_nothing_else(tmp_path):
    results = sealed_results(tmp_path)
    folder, known = results.study_dir.report_dir, results.study_dir.path / WRITTEN_FILE
    before = read_record(known, WrittenFiles)
    assert before is not None
    assert {name.partition("/")[0] for name in before.names} == {"tables", "figures"}
    for name in ("tables/mine.tex", "figures/mine.pdf", "figures/outdated.svg"):
        (folder / name).write_text("x")
    write_record(known, before.model_copy(update={"names": (*before.names, "figures/outdated.svg")}))
    extras = gather(results)
    extras = replace(extras, pictures=dict([*extras.pictures.items()][:1]), tables=extras.tables[:1])
    write_extras(extras, folder, paper=False)
    assert (folder / "tables" / "mine.tex").exists()
    assert not (folder / "figures" / "outdated.svg").exists()
    assert [path.name for path in folder.glob("figures/*.pdf")] == ["mine.pdf"], "the user's PDF asks for none of ours"
    write_extras(extras, folder, paper=True)
    drawn = set(folder.glob("figures/*.pdf")) - {folder / "figures" / "mine.pdf"}
    assert drawn
    for path in drawn:
        path.write_bytes(b"outdated")
    write_extras(extras, folder, paper=False)
    assert {path for path in folder.glob("figures/*.pdf") if path.stat().st_size > 100} == drawn, "a paper shows today's numbers"
    for path in drawn:
        path.unlink()
    write_extras(extras, folder, paper=False)
    assert not any(path.exists() for path in drawn)
