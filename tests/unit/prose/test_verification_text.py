"""The sentences about runs trained again and the checks of the certificate."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from bertft_core.records.verification_record import (
    CheckDetails,
    CheckResult,
    DifferenceCode,
    EnvironmentChange,
    EnvironmentPart,
    RunDifference,
    VerdictFinding,
)
from bertft_core.report.prose import verification_text
from bertft_core.report.prose.run_diff_text import environment_change

BITWISE = VerdictFinding(verdict="bitwise")


def found(check: str, passed: bool | None = True, finding: VerdictFinding | None = BITWISE, **values: Any) -> str:
    details = CheckDetails(**{name: values.pop(name) for name in list(values) if name in CheckDetails.model_fields})
    about = {"title": "t", "run_digest": "d", "n_steps": 20, "checked_at": "c", "machine": "m"}
    return verification_text.check_found(
        CheckResult(check=check, passed=passed, finding=finding, details=details, **about, **values)
    )


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (found("same_seed"), "bitwise"),
        (found("reused_worker"), "bitwise; after the same run and another one in the same process"),
        (found("evaluation_cadence", left_out=("swa",)), "bitwise; without swa, which depends on validation"),
        (found("beside_others", overlapped=True), "bitwise; while another run trained"),
        (found("beside_others", overlapped=False), "bitwise; the other run had ended before this one"),
        (
            found("kill_and_resume", killed_after_step=10, resumed_from_step=5),
            "bitwise; killed (SIGKILL) while saving its state after step 10, resumed from step 5",
        ),
        (found("kill_and_resume", None, None), "the run always finished before it could be killed"),
        (
            found("accumulation", True, None, gradient_error=3e-16, n_examples=5, n_passes=3),
            "largest difference 3e-16 of the largest element; the first step's 5 examples in 3 passes and in one",
        ),
        (
            found("accumulation", False, None, gradient_error=0.25),
            "largest difference 2e-01 of the largest element, which is more than rounding",
        ),
        (found("accumulation", None, None, n_examples=1, n_passes=1), "a batch of one example cannot be split"),
        (found("data_workers", None, None), verification_text.NO_DATA_WORKERS),
    ],
)
def test_the_result_of_every_check_is_a_clause(shown, words):
    assert shown == words


def test_a_verdict_for_the_terminal_has_its_reason_and_what_differs():
    change = EnvironmentChange(part="package", name="torch", a="2.13.0", b="2.14.0")
    finding = VerdictFinding(
        verdict="not reproducible here",
        largest_difference=0.5,
        first_step=3,
        differences=(RunDifference(code="n_steps", a=10, b=9),),
        environment=(change,),
    )
    assert verification_text.verdict_lines(finding) == [
        "not reproducible here",
        "reason     torch: 2.13.0 → 2.14.0",
        "metrics    differ by at most 0.5",
        "different  steps: 10 → 9",
        "curves     differ from step 3 on",
    ]
    assert verification_text.verdict_lines(BITWISE) == ["bitwise"]


def test_every_code_has_words():
    assert verification_text.DIFFERENCES.keys() == set(get_args(DifferenceCode))
    for part in get_args(EnvironmentPart):
        words = environment_change(EnvironmentChange(part=part, name="x" if part == "package" else None))
        assert "_" not in words, words


def test_curves_that_are_gone_are_not_called_equal():
    gone = VerdictFinding(
        verdict="equal within", largest_difference=0.0, differences=(RunDifference(code="file_missing", path="curves.jsonl"),)
    )
    assert verification_text.verdict_lines(gone)[1:] == ["different  curves.jsonl: the stored file is missing"]
