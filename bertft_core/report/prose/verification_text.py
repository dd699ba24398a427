"""Verdicts on runs trained again, and the checks of the certificate."""

from collections.abc import Sequence

from bertft_core.evaluation.certificate_checks import NOT_APPLICABLE
from bertft_core.records import Environment
from bertft_core.records.verification_record import CheckDetails, CheckResult, RunDifference, VerdictFinding
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import grammar, machine_text
from bertft_core.report.prose.run_diff_text import environment_change

N_NAMED = 4
TITLES = {
    "same_seed": ("Same seed again", "the same run in two fresh processes"),
    "reused_worker": ("In a reused worker", "a process that has trained other runs before"),
    "beside_others": ("Beside others", "another run trains on the same device at the same time"),
    "evaluation_cadence": (
        "Another evaluation cadence",
        "validation after every step compared with validation after the last only",
    ),
    "data_workers": ("Other data workers", "any number of processes that load data"),
    "kill_and_resume": ("After a kill and a resume", "killed while it saves its state, then resumed"),
    "accumulation": ("Accumulation instead of a large batch", "gradient of the first step, in float64, without dropout"),
}
"""Check → its title and what is done."""
NO_DATA_WORKERS = "There are none: a run reads its examples in its own process, from memory-mapped files."
OUTCOMES = {True: "passed", False: "failed", None: "not applicable"}
DIFFERENCES = {
    "initial_head": "initial head",
    "batch_order": "batch order",
    "weights": "final weights",
    "evaluations": "validations during training",
    "metrics": "metrics",
    "losses": "losses and gradient norms",
    "final_metrics": "final scores",
    "status": "status: {a} → {b}",
    "n_steps": "steps: {a} → {b}",
    "best_step": "best step: {a} → {b}",
    "no_weights": "nothing to compare: the runs ended {a} and {b}",
    "file": "{path}",
    "file_missing": "{path}: the stored file is missing",
    "file_changed": "{path}: the stored file has changed since the run",
    "file_not_written": "{path}: not written again",
}


def verdict(finding: VerdictFinding) -> str:
    """The verdict with its number: 'equal within 0.0125'."""
    return f"equal within {finding.largest_difference:.3g}" if finding.verdict == "equal within" else finding.verdict


def difference(found: RunDifference) -> str:
    """'final weights', 'best step: 5 → 10'."""
    a, b = (numbers.ABSENT if value is None else value for value in (found.a, found.b))
    return DIFFERENCES[found.code].format(a=a, b=b, path=found.path)


def differences(found: Sequence[RunDifference]) -> str:
    """The first few, and how many more there are."""
    shown = [difference(each) for each in found[:N_NAMED]]
    return grammar.listed([*shown, f"{len(found) - N_NAMED} more"] if len(found) > N_NAMED else shown)


def reason(finding: VerdictFinding) -> str | None:
    """Why the run is not reproducible here: an error, or what differs in the environment."""
    return finding.error or "; ".join(map(environment_change, finding.deciding)) or None


def verdict_lines(finding: VerdictFinding) -> list[str]:
    """A finding for the terminal, the verdict first."""
    lines = [verdict(finding)]
    if (why := reason(finding)) is not None:
        lines.append(f"reason     {why}")
    if finding.verdict == "not reproducible here" and finding.largest_difference is not None:
        lines.append(f"metrics    differ by at most {finding.largest_difference:.3g}")
    if finding.differences:
        lines.append(f"different  {differences(finding.differences)}")
        lost = ("file_missing", "file_not_written")
        if not any(each.path == "curves.jsonl" and each.code in lost for each in finding.differences):
            same = "loss and gradient norm are equal at every step"
            lines.append(f"curves     {same if finding.first_step is None else f'differ from step {finding.first_step} on'}")
    return lines


def remarks(finding: VerdictFinding) -> str:
    """A finding in one line of the report, without its verdict."""
    parts = []
    if (why := reason(finding)) is not None:
        parts.append(f"reason: {why}")
    if finding.differences:
        parts.append(f"different: {differences(finding.differences)}")
    if finding.first_step is not None:
        parts.append(f"from step {finding.first_step} on")
    if finding.verdict == "bitwise" and finding.environment:
        parts.append("in another environment: " + "; ".join(map(environment_change, finding.environment)))
    return "; ".join(parts)


def verified_runs(n_finished: int, n_verified: int, n_bitwise: int) -> str:
    """How many of the report runs were trained again, and how many of those came out the same."""
    finished = grammar.several(n_finished, "finished report run")
    if not n_verified:
        return f"None of the {finished} has been trained again yet."
    were, are = "was" if n_finished == 1 else "were", "is" if n_verified == 1 else "are"
    return (
        f"{n_verified} of {finished} {were} trained again from their records in fresh processes;"
        f" {n_bitwise} of {n_verified} {are} bitwise equal in weights, losses, metrics and predictions."
    )


def checks_passed(applied: Sequence[CheckResult]) -> str:
    """'5 of 6 checks passed', of those that apply."""
    return f"{sum(bool(check.passed) for check in applied)} of {len(applied)} checks passed"


def check_found(result: CheckResult) -> str:
    """The result of a check in a clause: the verdict, and how the check was carried out."""
    if result.check == NOT_APPLICABLE:
        return NO_DATA_WORKERS
    parts = [] if result.finding is None else [_comparison(result.finding)]
    if result.gradient_error is not None:
        beyond = "" if result.passed else ", which is more than rounding"
        parts.append(f"largest difference {result.gradient_error:.0e} of the largest element{beyond}")
    how = _how(result.check, result.details, made=bool(parts))
    return "; ".join([*parts, *([how] if how else [])])


def _comparison(finding: VerdictFinding) -> str:
    named = f": {differences(finding.differences)}" if finding.differences else ""
    return verdict(finding) + named + ("" if finding.first_step is None else f", from step {finding.first_step} on")


def _how(check: str, details: CheckDetails, *, made: bool) -> str:
    """How a check was carried out, or why it could not be; empty where nothing was recorded."""
    if check == "reused_worker":
        return "after the same run and another one in the same process"
    if check == "evaluation_cadence" and details.left_out:
        return f"without {grammar.listed(details.left_out)}, which depends on validation"
    if check == "beside_others" and details.overlapped is not None:
        return "while another run trained" if details.overlapped else "the other run had ended before this one"
    if check == "kill_and_resume":
        if not made:
            return "the run always finished before it could be killed"
        since = "the beginning" if details.resumed_from_step is None else f"step {details.resumed_from_step}"
        killed = f"killed (SIGKILL) while saving its state after step {details.killed_after_step}, resumed from {since}"
        return "" if details.killed_after_step is None else killed
    if check == "accumulation":
        if not made:
            return "a batch of one example cannot be split"
        passes = f"the first step's {details.n_examples} examples in {details.n_passes} passes and in one"
        return "" if details.n_passes is None else passes
    return ""


def environment_wanted(environment: Environment) -> str:
    """The environment that a run was recorded in."""
    where = f"{machine_text.details(environment)}, {environment.device}"
    return f"Python {environment.python}, torch {environment.packages.get('torch', '?')}, {where}"
