"""The report's section on reproducibility: what was proved, what was not, and nothing that speaks of other runs."""

from __future__ import annotations

import re

import pytest

from bertft_core.evaluation.certificate_checks import CHECKS, NOT_APPLICABLE
from bertft_core.records import RunRecord, StudySummary
from bertft_core.records.verification_record import (
    CheckResult,
    EnvironmentChange,
    RunDifference,
    RunVerdict,
    VerdictFinding,
    Verification,
)
from bertft_core.report.prose.verification_text import TITLES
from bertft_core.report.reproducibility_section import section
from bertft_core.storage.study_dir import StudyDir, read_verification, write_verification
from tests.helpers.report_pages import Page, write_small_report

pytestmark = pytest.mark.usefixtures("blank_pictures")


class Written:
    """A report with its study's folder."""

    def __init__(self, tmp_path):
        self.folder = tmp_path
        self.path, self.summary, self.study = write_small_report(tmp_path)
        self.dir = StudyDir(tmp_path, self.study.name)
        self.records: dict[str, RunRecord] = {record.digest: record for record in self.dir.records()}

    def verdict(self, index: int = 0, **changes) -> RunVerdict:
        record = next(r for r in self.records.values() if (r.spec.arm, r.spec.index) == ("full", index))
        values = {
            "run_digest": record.digest,
            "title": record.spec.title,
            "recorded_at": record.ended_at,
            "how": "verify",
            "finding": VerdictFinding(verdict="bitwise"),
            "checked_at": "2026-02-03T04:05:06+00:00",
            "machine": "made-up CPU on h",
        }
        return RunVerdict.model_validate(values | changes)

    def check(self, name: str, passed: bool | None, **changes) -> CheckResult:
        values = {"check": name, "passed": passed, "finding": VerdictFinding(verdict="bitwise"), "n_steps": 20} | changes
        fields = {name: getattr(self.verdict(), name) for name in ("run_digest", "title", "checked_at", "machine")}
        return CheckResult.model_validate(fields | values)

    def shown(self, verification: Verification) -> str:
        """The section in words, as the report has it."""
        write_verification(self.dir.path, verification)
        write_small_report(self.folder)
        page = self.path.read_text()
        Page(page)
        return " ".join(re.sub("<[^>]+>", " ", page[page.index('id="reproducibility"') : page.index('id="again"')]).split())


@pytest.fixture
def written(tmp_path) -> Written:
    return Written(tmp_path)


def test_nothing_verified_is_said_with_the_commands_and_every_check_as_not_done(written):
    shown = written.shown(Verification())
    assert "None of the 6 finished report runs has been trained again yet." in shown
    assert f"bertft verify small --home {written.folder} --runs all" in shown
    assert f"bertft verify small --home {written.folder} --certify" in shown
    for name in CHECKS:
        assert f"{' '.join(TITLES[name])} {'not applicable' if name == NOT_APPLICABLE else 'not done'}" in shown


def test_verdicts_are_counted_and_shown_with_what_differs(written):
    apart = VerdictFinding(
        verdict="equal within",
        largest_difference=0.0125,
        first_step=3,
        differences=(
            RunDifference(code="weights"),
            RunDifference(code="metrics"),
            *(RunDifference(code="file", path=name) for name in "abcd"),
        ),
    )
    elsewhere = VerdictFinding(
        verdict="not reproducible here",
        differences=(RunDifference(code="best_step", a=5, b=10),),
        environment=(
            EnvironmentChange(part="package", name="torch", a="2.13.0", b="2.14.0"),
            EnvironmentChange(part="host", a="g", b="h"),
        ),
    )
    verification = Verification(
        runs=(written.verdict(), written.verdict(1, finding=apart), written.verdict(2, finding=elsewhere))
    )
    shown = written.shown(verification)
    assert "3 of 6 finished report runs were trained again" in shown
    assert "1 of 3 are bitwise equal" in shown
    assert "full · seed 000 bitwise – 2026-02-03 04:05 UTC, made-up CPU on h" in shown
    assert "equal within 0.0125 different: final weights, metrics, a, b and 2 more; from step 3 on" in shown
    assert "not reproducible here reason: torch: 2.13.0 → 2.14.0; different: best step: 5 → 10" in shown


def test_a_run_trained_anew_since_and_a_run_of_another_study_do_not_count(written):
    stale = written.verdict(recorded_at="2025-01-01T00:00:00Z")
    foreign = written.verdict(run_digest="0" * 64)
    shown = written.shown(Verification(runs=(stale, foreign), checks=(written.check("same_seed", True, run_digest="0" * 64),)))
    assert "None of the 6 finished report runs" in shown
    assert "passed" not in shown


def test_checks_show_their_result_and_the_command_stays_until_all_are_done(written):
    done = tuple(written.check(name, True) for name in CHECKS if name != NOT_APPLICABLE)
    shown = written.shown(Verification(checks=done))
    assert "checked on full · seed 000 (first 20 steps, made-up CPU on h)" in shown
    assert shown.count("passed 2026-02-03 bitwise") == 6
    assert "--certify" not in shown
    apart = VerdictFinding(
        verdict="equal within", largest_difference=0.1, differences=(RunDifference(code="metrics"),), first_step=11
    )
    failed = written.check("kill_and_resume", False, finding=apart)
    shown = written.shown(Verification(checks=done).with_checks((failed,)))
    assert shown.count("passed 2026-02-03") == 5
    assert "failed 2026-02-03 equal within 0.1: metrics, from step 11 on" in shown
    assert "--certify" in written.shown(Verification(checks=done[:3]))


def test_newer_results_take_the_place_of_older_ones_on_the_same_machine(written, tmp_path):
    old, new = written.verdict(), written.verdict(how="replay", checked_at="2026-03-03T00:00:00+00:00")
    there = written.verdict(machine="another CPU on g")
    verification = Verification().with_run(old).with_run(there).with_run(new)
    assert verification.runs == (there, new)
    checks = Verification().with_checks((written.check("same_seed", False),)).with_checks((written.check("same_seed", True),))
    assert [check.passed for check in checks.checks] == [True]
    assert read_verification(write_verification(tmp_path, verification).parent) == verification
    (tmp_path / "verification.json").write_text("{}torn")
    assert read_verification(tmp_path) == Verification()


def test_no_verdict_is_lost_in_the_section(written):
    write_verification(written.dir.path, Verification(runs=(written.verdict(),)))
    summary: StudySummary = written.summary
    laid_out = section(summary, written.records, written.dir)
    assert len(laid_out["checks"]) == len(CHECKS)
    assert [row["words"] for row in laid_out["verdicts"]] == ["bitwise"]
