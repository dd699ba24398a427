"""Records of older versions in today's form: one small step of plain values for each version, in one table.

A step is a pure function of the values that one JSON file held. What a step cannot know stays absent. The versions of specs are
part of a run's digest: raise one when the same settings would be written, or computed, differently.
"""

import re
from collections.abc import Callable

from bertft_core.storage.summary_upgrade import Values, comparison_1_to_2, older, summary_1_to_2

Step = Callable[[Values], Values]


def _stopping(training: Values) -> tuple[Values, list[Values]]:
    """Training settings without early stopping, and the strategy that it is since version 2."""
    rest = {name: value for name, value in training.items() if name != "early_stopping"}
    given = training.get("early_stopping")
    return rest, [] if given is None else [{"kind": "early_stopping", **given}]


def spec_1_to_2(values: Values) -> Values:
    """Early stopping is a strategy of the arm, no training setting."""
    training, more = _stopping(values["training"])
    return values | {"version": 2, "training": training, "strategies": [*values["strategies"], *more]}


def record_1_to_2(values: Values) -> Values:
    """As its spec."""
    return values | {"version": 2, "spec": spec_1_to_2(values["spec"])}


def study_1_to_2(values: Values) -> Values:
    """Early stopping is a strategy of every arm that had it or took it from the study."""
    training, of_study = _stopping(values.get("training", {}))
    arms = {}
    for name, arm in values["arms"].items():
        rest, own = _stopping(arm)
        strategies = [*rest.get("strategies", [{"kind": "full"}]), *(own or of_study)]
        arms[name] = rest | {"strategies": strategies}
    return values | {"training": training, "arms": arms}


CHANGED_PARTS = {
    "processor": "processor", "device": "device", "vector instructions": "cpu_capability", "threads per run": "threads",
    "GPU driver": "gpu_driver", "code of bertft": "bertft_code", "Python": "python", "system": "platform",
    "lock file": "lock_file", "host": "host",
}  # fmt: skip
DIFFERENCES = {
    "head before the first step": "initial_head", "order of the batches": "batch_order", "weights of the last step": "weights",
    "validations during training": "evaluations", "metrics": "metrics", "status": "status", "steps": "n_steps",
    "best step": "best_step", "the stored file is gone": "file_missing", "not written again": "file_not_written",
    "the stored file is not the one that the run wrote": "file_changed",
}  # fmt: skip
"""Words of version 1 of a verification → codes."""


def _environment_change(text: str) -> Values:
    """'torch: 2.13 → 2.14' as a part with its two values."""
    name, _, values = text.partition(": ")
    a, _, b = (None if value in ("not installed", "unset") else value for value in values.partition(" → "))
    for prefix, part in (("setting of torch ", "torch_setting"), ("variable ", "variable")):
        if name.startswith(prefix):
            return {"part": part, "name": name.removeprefix(prefix), "a": a, "b": b}
    part = CHANGED_PARTS.get(name, "package")
    return {"part": part, "name": name if part == "package" else None, "a": a, "b": b}


def _difference(text: str) -> Values:
    """A named difference, a changed value ('best step: 5 → 10') or a file, with what is wrong with it."""
    name, _, rest = text.partition(": ")
    if rest in DIFFERENCES:
        return {"code": DIFFERENCES[rest], "path": name}
    if name not in DIFFERENCES:
        return {"code": "file", "path": text}
    a, _, b = rest.partition(" → ")
    return {"code": DIFFERENCES[name], "a": _changed(a), "b": _changed(b)}


def _changed(text: str) -> str | int | None:
    """A value that changed; steps are numbers, and a run without one had None."""
    return int(text) if text.isdecimal() else None if text in ("", "None") else text


def _run_verdict(verdict: Values) -> Values:
    finding = dict(verdict["finding"])
    reason = finding.pop("reason", None)
    differences = [_difference(text) for text in finding.get("differences", ())]
    environment = [_environment_change(text) for text in finding.get("environment", ())]
    error = None if differences else reason  # with differences, the reason was the environment
    return verdict | {"finding": finding | {"differences": differences, "environment": environment, "error": error}}


def _certificate_check(check: Values) -> Values:
    """The sentence of a check is dropped; its verdict and numbers are kept."""
    rest = {name: value for name, value in check.items() if name != "found"}
    error = re.match(r"largest difference (\S+) of", check["found"])
    if error:
        return rest | {"gradient_error": float(error[1])}
    ended = re.fullmatch(r"nothing to compare: the runs ended (\w+) and (\w+)", check["found"])
    if ended:
        difference = {"code": "no_weights", "a": ended[1], "b": ended[2]}
        return rest | {"finding": {"verdict": "different", "differences": [difference]}}
    largest = re.match(r"equal within ([^\s:]+)", check["found"])
    verdict = "bitwise" if check["passed"] else "equal within" if largest else "different"
    finding = {"verdict": verdict, "largest_difference": float(largest[1]) if largest else None}
    return rest | ({} if check["passed"] is None else {"finding": finding})


def verification_1_to_2(values: Values) -> Values:
    """Differences, changes of the environment and checks are codes and numbers rather than sentences."""
    runs = [_run_verdict(verdict) for verdict in values.get("runs", ())]
    return values | {"version": 2, "runs": runs, "checks": [_certificate_check(check) for check in values.get("checks", ())]}


def card_1_to_2(values: Values) -> Values:
    """Findings hold numbers and codes instead of a message; 'unknown_pieces' are 'unknown_tokens'."""
    splits = {}
    for name, split in values["splits"].items():
        rest = {key: value for key, value in split.items() if key != "unknown_piece_ratio"}
        splits[name] = rest | {"unknown_token_ratio": split["unknown_piece_ratio"]}
    findings = [{key: value for key, value in finding.items() if key != "message"} for finding in values.get("findings", ())]
    for finding in findings:
        finding["check"] = finding["check"].replace("unknown_pieces", "unknown_tokens")
    return values | {"version": 2, "splits": splits, "findings": findings}


def _origin(text: str) -> Values:
    """'half of validation.csv, subsampled to 100' as the place and what was done; of a cut split the place is not known."""
    found = re.fullmatch(r"(half of )?(.*?)(?:, subsampled to (\d+))?(, in both orders)?", text, re.DOTALL)
    assert found is not None, "every text matches"
    halved, path, n, both = found.groups()
    done = {"cut_from_train": path == "cut from train", "halved": halved is not None, "both_orders": both is not None}
    return {"path": "train" if done["cut_from_train"] else path, "subsampled_to": None if n is None else int(n), **done}


def card_2_to_3(values: Values) -> Values:
    """The origin of a split was text."""
    splits = {name: split | {"origin": _origin(split["origin"])} for name, split in values["splits"].items()}
    return values | {"version": 3, "splits": splits}


def probe_1_to_2(values: Values) -> Values:
    """Why a probe has no result was text."""
    return values | {"version": 2, "absent": {probe: older(why) for probe, why in values.get("absent", {}).items()}}


STEPS: dict[str, tuple[Step, ...]] = {
    "StudyConfig": (study_1_to_2,),
    "RunSpec": (spec_1_to_2,),
    "RunRecord": (record_1_to_2,),
    "Verification": (verification_1_to_2,),
    "ProbeRecord": (probe_1_to_2,),
    "DatasetCard": (card_1_to_2, card_2_to_3),
    "Comparison": (comparison_1_to_2,),
    "StudySummary": (summary_1_to_2,),
}
"""Kind of a record → its steps, from version 1 on; a kind that is not here has had one version only."""


def version_of(kind: str) -> int:
    """The version that this code writes."""
    return 1 + len(STEPS.get(kind, ()))


def upgraded(values: Values, kind: str, version: int) -> Values:
    """The values of a record that was written as this version, in today's form."""
    for step in STEPS.get(kind, ())[version - 1 :]:
        values = step(values)
    return values
