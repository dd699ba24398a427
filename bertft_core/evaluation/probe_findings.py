"""What the probes come to, in one plain sentence for each arm and probe; the limits of what counts as a sign are here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bertft_core.config.study_config import StudyConfig
from bertft_core.records.probe_summary import ProbeAbsence, ProbeFinding, ProbeRow

FORGOTTEN_NATS = 0.1
"""Rise of the masked-LM loss from which on language modelling was lost."""
RISE_RATIO = 0.05
"""Rise of the validation loss after its minimum, as a share of it, from which on it is told."""
VANISHING_RATIO = 0.01
"""Gradient norm of the lowest layer, as a share of the top one's, under which gradients vanish."""
UNLIKE_CKA = 0.5
"""Unbiased CKA under which states have little in common."""

WORDS = {
    "masked_lm": "masked language modelling",
    "drift": "the drift of the weights",
    "similarity": "the likeness of the states",
    "gradients": "the first gradients",
    "calibration": "calibration",
    "out_of_domain": "out-of-domain scores",
    "overfitting": "the validation loss",
}
SIGNS = ("masked_lm", "similarity", "gradients", "overfitting")
"""Probes that can show a sign."""

Rows = Mapping[tuple[str, str | None], ProbeRow]
"""Measure and where → the row of one arm and probe."""
Told = tuple[str, bool] | None
"""A sentence, and whether it is a sign."""


def findings(arms: Sequence[str], rows: Sequence[ProbeRow], study: StudyConfig) -> list[ProbeFinding]:
    """Arm by arm, the signs first."""
    found = []
    for arm in arms:
        for probe, tell in TELL.items():
            mine = {(row.measure, row.where): row for row in rows if (row.arm, row.probe) == (arm, probe)}
            told = tell(arm, mine, study) if mine else None
            if told is not None:
                found.append(ProbeFinding(arm=arm, probe=probe, sentence=told[0], is_sign=told[1]))
    return sorted(found, key=lambda finding: not finding.is_sign)


def verdict(told: Sequence[ProbeFinding], rows: Sequence[ProbeRow], absences: Sequence[ProbeAbsence]) -> str:
    """Whether there is any sign, where it was looked for, and where it could not be."""
    arms = list(dict.fromkeys(finding.arm for finding in told if finding.is_sign))
    seen = [WORDS[probe] for probe in SIGNS if any(row.probe == probe for row in rows)]
    if arms:
        first = (
            f"There are signs that fine-tuning went too far or wrong in the arm{'' if len(arms) == 1 else 's'} {_listed(arms)}"
        )
    elif seen:
        first = f"No sign of forgetting was found in {_listed(seen)}"
    else:
        first = "Nothing could be looked at that would show forgetting"
    blind = {probe: a.reason for a in absences if (probe := a.probe) in SIGNS and not any(row.probe == probe for row in rows)}
    return "; ".join([first, *(f"{WORDS[probe]} could not be looked at ({reason})" for probe, reason in blind.items())])


def _masked_lm(arm: str, rows: Rows, study: StudyConfig) -> Told:
    row = rows["loss_rise", None]
    start = f"after fine-tuning, the masked-LM loss of the encoder of {arm} is"
    if abs(row.mean) <= FORGOTTEN_NATS:
        change = f"{row.mean:+.2f}".replace("-", "−")
        return f"{start} about what it was ({change} nats{_over(row)}): it has kept its language modelling", False
    if row.mean < 0:
        return f"{start} {-row.mean:.2f} nats lower{_between(-row.max, -row.min, row)}: it models these texts better", False
    told = f"{start} {row.mean:.2f} nats higher{_between(row.min, row.max, row)}: it has forgotten some of its language modelling"
    return told + _mended(rows), True


def _mended(rows: Rows) -> str:
    """How few top layers need to be put back to undo half of the rise."""
    after = {int(where.split()[1]): row.mean for (measure, where), row in rows.items() if measure == "loss_put_back" and where}
    before = rows["loss_before", None].mean
    if not after:
        return ""
    half = (after[0] + before) / 2
    k = next((k for k, loss in sorted(after.items()) if loss <= half), None)
    if k is None:
        return "; putting all its layers back does not undo half of that, so most of it is in the embeddings"
    return f"; putting back its top {'layer' if k == 1 else f'{k} layers'} of {max(after)} undoes half of that or more"


def _similarity(arm: str, rows: Rows, study: StudyConfig) -> Told:
    layers = [row for (measure, _), row in rows.items() if measure == "cka_unbiased"]
    if not layers:
        return None
    least = min(layers, key=lambda row: row.mean)
    told = f"CKA {least.mean:.2f}{_between(least.min, least.max, least).replace(' (', ', ').rstrip(')')}"
    where = "the embeddings" if least.where == "embeddings" else least.where
    if least.min == 1:
        return f"the states of {arm} are the pre-trained ones", False
    if least.mean < UNLIKE_CKA:
        return f"the states of {arm} behind {where} have little in common with the pre-trained ones ({told})", True
    return f"the states of {arm} that changed most are those behind {where} ({told})", False


def _drift(arm: str, rows: Rows, study: StudyConfig) -> Told:
    layers = [row for (measure, _), row in rows.items() if measure == "relative_l2"]
    if not layers:
        return None
    most, least = max(layers, key=lambda row: row.mean), min(layers, key=lambda row: row.mean)
    if most.mean == 0:
        return f"the encoder of {arm} has not moved at all", False
    return (
        f"the weights of {arm} moved by {100 * least.mean:.2g} % ({least.where}) to {100 * most.mean:.2g} % ({most.where}) of "
        "their norm",
        False,
    )


def _gradients(arm: str, rows: Rows, study: StudyConfig) -> Told:
    row = rows.get(("lowest_over_top", None))
    if row is None:
        return None
    vanishing = [value for value in row.values.values() if value < VANISHING_RATIO]
    if not vanishing:
        return None
    return (
        f"in the first steps the gradients of the lowest layer of {arm} are under {100 * VANISHING_RATIO:.0f} % of those of its "
        f"top one in {_seeds(len(vanishing), row)}, {100 * min(vanishing):.2g} % at the least: they vanish on the way down",
        True,
    )


def _calibration(arm: str, rows: Rows, study: StudyConfig) -> Told:
    split = next((where for measure, where in rows if measure == "ece"), None)
    if split is None:  # the predictions of the test set are gone; those on validation fitted a temperature
        return None
    right, wrong = rows.get(("confidence_right", split)), rows.get(("confidence_wrong", split))
    told = f"on {split} {arm} is off by {rows['ece', split].mean:.3f} on average in how sure it is (ECE)"
    if right is not None and wrong is not None:
        told += f", with a mean confidence of {right.mean:.2f} when right and {wrong.mean:.2f} when wrong"
    fitted, scaled = rows.get(("temperature", None)), rows.get(("ece_scaled", split))
    if fitted is not None and scaled is not None:
        told += f"; a temperature of {fitted.mean:.2f}, fitted on validation, makes that {scaled.mean:.3f}"
    return told, False


def _out_of_domain(arm: str, rows: Rows, study: StudyConfig) -> Told:
    parts = []
    for (measure, where), row in rows.items():
        if measure == "drop":
            inside, outside = rows["in_domain", where].mean, rows["out_of_domain", where].mean
            parts.append(f"{outside:.3f} on {where} against {inside:.3f} in its domain{_between(row.min, row.max, row, 'drop ')}")
    return (f"the {study.metric} of {arm} is {_listed(parts)}", False) if parts else None


def _overfitting(arm: str, rows: Rows, study: StudyConfig) -> Told:
    least, rise = rows["minimum", None].values, rows["rise", None]
    shares = [rise.values[index] / abs(least[index]) for index in rise.values if least[index]]
    rising = [share for share in shares if share > RISE_RATIO]
    if not rising:
        return None
    return (
        f"the validation loss of {arm} rises after its minimum in {_seeds(len(rising), rise)}, by {100 * np.mean(rising):.0f} % "
        f"of it on average, from epoch {rows['minimum_epoch', None].mean:.2g} on: it learns its training examples by heart",
        True,
    )


TELL: dict[str, Callable[[str, Rows, StudyConfig], Told]] = {
    "masked_lm": _masked_lm,
    "overfitting": _overfitting,
    "similarity": _similarity,
    "gradients": _gradients,
    "drift": _drift,
    "calibration": _calibration,
    "out_of_domain": _out_of_domain,
}


def _seeds(n: int, row: ProbeRow) -> str:
    return f"{n} of {row.n} seed{'' if row.n == 1 else 's'}"


def _over(row: ProbeRow) -> str:
    return "" if row.n == 1 else f", mean of {row.n} seeds"


def _between(low: float, high: float, row: ProbeRow, what: str = "") -> str:
    """' (0.90 to 1.50 over 5 seeds)', nothing for one seed."""
    return "" if row.n == 1 else f" ({what}{low:.2f} to {high:.2f} over {row.n} seeds)".replace("-", "−")


def _listed(items: Sequence[str]) -> str:
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last
