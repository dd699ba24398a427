"""Sentences about forgetting and calibration: one for each arm and probe with something to say. All are clauses."""

from collections.abc import Callable, Mapping

import numpy as np

from bertft_core.evaluation.probe_scores import (
    DISSIMILAR_CKA,
    FORGOTTEN_NATS,
    VANISHING_RATIO,
    Rows,
    rising_shares,
    rows_of,
    vanishing_ratios,
)
from bertft_core.records.probe_summary import ProbeFinding, ProbeRow, ProbeSummary
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import grammar, missing_text

TITLES = {
    "masked_lm": ("Masked language modelling", "The encoder under the pre-trained masked-LM head, with fixed masks, and with its "
    "top layers reset to the pre-trained ones (Mosbach et al. 2021). The embeddings stay fine-tuned."),
    "drift": ("Drift of the weights", "‖W − W₀‖ / ‖W₀‖ of each layer: how far its weights moved from the pre-trained ones."),
    "similarity": ("Similarity of hidden states", "Unbiased linear CKA of each layer's states before and after, over the tokens "
    "of validation examples: 1 is identical up to rotation and scale."),
    "gradients": ("Gradients in the first steps", "L2 norm of each layer's gradient before clipping, mean of the watched steps."),
    "calibration": ("Calibration", "Expected calibration error in 15 right-closed bins; scaled: after dividing the logits by the "
    "temperature with the lowest validation loss."),
    "out_of_domain": ("Out-of-domain scores", "How much worse each seed scores out of the domain than in it."),
    "overfitting": ("Validation loss", "Loss per validation target over the epochs; one line per run."),
}  # fmt: skip
"""Probe → title and explanation."""
NAMES = {
    "masked_lm": "masked language modelling",
    "similarity": "the similarity of hidden states",
    "gradients": "the first gradients",
    "overfitting": "the validation loss",
}
"""The probes that can show a sign."""


def verdict(found: ProbeSummary) -> str:
    """Whether there is any sign, which probes could have shown one, and which could not be computed."""
    arms = list(dict.fromkeys(finding.arm for finding in found.findings if finding.is_sign))
    measured = {row.probe for row in found.rows}
    seen = [name for probe, name in NAMES.items() if probe in measured]
    if arms:
        first = f"There are signs that fine-tuning went too far or wrong in {grammar.listed(arms)}"
    elif seen:
        first = f"No sign of forgetting was found in {grammar.listed(seen)}"
    else:
        first = "No probe that could show forgetting has a result"
    unseen = {a.probe: a.why for a in found.absences if a.probe in NAMES and a.probe not in measured}
    return "; ".join([first, *(f"no result for {NAMES[probe]} ({missing_text.why(why)})" for probe, why in unseen.items())])


def finding(one: ProbeFinding, found: ProbeSummary, metric: str) -> str:
    """One arm and probe; `metric` is the headline's."""
    return DESCRIBE[one.probe](one.arm, rows_of(found.rows, one.arm, one.probe), metric)


def _masked_lm(arm: str, rows: Rows, metric: str) -> str:
    row = rows["loss_rise", None]
    start = f"after fine-tuning, the masked-LM loss of the encoder of {arm}"
    if abs(row.mean) <= FORGOTTEN_NATS:
        over = "" if row.n == 1 else f", mean of {row.n} seeds"
        return f"{start} is almost unchanged ({numbers.decimals(row.mean, 2, sign=True)} nats{over}): no forgetting"
    if row.mean < 0:
        return f"{start} is {-row.mean:.2f} nats lower{_range(-row.max, -row.min, row)}: it models these texts better"
    forgotten = f"{start} is {row.mean:.2f} nats higher{_range(row.min, row.max, row)}: it has forgotten some language modelling"
    return forgotten + _undone(rows)


def _undone(rows: Rows) -> str:
    """How few top layers need to be put back to undo half of the rise."""
    after = {int(where.split()[1]): row.mean for (measure, where), row in rows.items() if measure == "loss_put_back" and where}
    if not after:
        return ""
    half = (after[0] + rows["loss_before", None].mean) / 2
    k = next((k for k, loss in sorted(after.items()) if loss <= half), None)
    if k is None:
        return "; putting all its layers back does not undo half of the rise, so most of it is in the embeddings"
    return f"; putting back its top {'layer' if k == 1 else f'{k} layers'} of {max(after)} undoes at least half of the rise"


def _similarity(arm: str, rows: Rows, metric: str) -> str:
    least = min((row for (measure, _), row in rows.items() if measure == "cka_unbiased"), key=lambda row: row.mean)
    if least.min == 1:
        return f"the hidden states of {arm} are those of the pre-trained encoder"
    spread = (
        "" if least.n == 1 else f", {numbers.decimals(least.min, 2)} to {numbers.decimals(least.max, 2)} over {least.n} seeds"
    )
    cka, where = (
        f"CKA {numbers.decimals(least.mean, 2)}{spread}",
        "the embeddings" if least.where == "embeddings" else least.where,
    )
    if least.mean < DISSIMILAR_CKA:
        return f"the hidden states of {arm} after {where} have little in common with the pre-trained ones ({cka})"
    return f"the hidden states of {arm} changed most after {where} ({cka})"


def _drift(arm: str, rows: Rows, metric: str) -> str:
    layers = [row for (measure, _), row in rows.items() if measure == "relative_l2"]
    most, least = max(layers, key=lambda row: row.mean), min(layers, key=lambda row: row.mean)
    if most.mean == 0:
        return f"the encoder weights of {arm} have not changed"
    ends = [f"{numbers.percent(row.mean, 2)} ({row.where})" for row in (least, most)]
    return f"the weights of {arm} moved by {ends[0]} to {ends[1]} of their norm"


def _gradients(arm: str, rows: Rows, metric: str) -> str:
    vanishing, limit = vanishing_ratios(rows), numbers.percent(VANISHING_RATIO)
    return (
        f"in the first steps the gradient norm of the lowest layer of {arm} is below {limit} of the top layer's in "
        f"{_seeds(len(vanishing), rows['lowest_over_top', None])}, {numbers.percent(min(vanishing), 2)} at the lowest: gradients "
        "vanish on the way down"
    )


def _calibration(arm: str, rows: Rows, metric: str) -> str:
    split = next(where for measure, where in rows if measure == "ece")
    right, wrong = rows.get(("confidence_right", split)), rows.get(("confidence_wrong", split))
    text = f"on {split} the confidence of {arm} is off by {rows['ece', split].mean:.3f} on average (ECE)"
    if right is not None and wrong is not None:
        text += f", with a mean confidence of {right.mean:.2f} when right and {wrong.mean:.2f} when wrong"
    fitted, scaled = rows.get(("temperature", None)), rows.get(("ece_scaled", split))
    if fitted is not None and scaled is not None:
        text += _scaled(rows["ece", split].values, fitted.values, scaled.values)
    return text


def _scaled(before: Mapping[int, float], temperatures: Mapping[int, float], after: Mapping[int, float]) -> str:
    """What the temperature does to the error, over the seeds that have all three; each maps a seed index to its value."""
    shared = sorted(before.keys() & temperatures.keys() & after.keys())
    if not shared:
        return ""
    was, temperature, is_now = (float(np.mean([each[seed] for seed in shared])) for each in (before, temperatures, after))
    found = f"a temperature of {temperature:.2f}, fitted on validation, brings it"
    if len(shared) == len(before):
        return f"; {found} to {is_now:.3f}"
    return f"; over the {grammar.several(len(shared), 'seed')} with one, {found} from {was:.3f} to {is_now:.3f}"


def _out_of_domain(arm: str, rows: Rows, metric: str) -> str:
    parts = []
    for where in (where for measure, where in rows if measure == "drop"):
        inside, outside, drop = (rows[measure, where] for measure in ("in_domain", "out_of_domain", "drop"))
        spread = _range(drop.min, drop.max, drop, "drop ")
        parts.append(f"{numbers.score(outside.mean)} on {where} against {numbers.score(inside.mean)} in its domain{spread}")
    return f"the {metric} of {arm} is {grammar.listed(parts)}"


def _overfitting(arm: str, rows: Rows, metric: str) -> str:
    rising = rising_shares(rows)
    epochs = rows["minimum_epoch", None].values
    epoch = numbers.setting(round(float(np.mean([epochs[index] for index in rising])), 1))
    return (
        f"the validation loss of {arm} rises after its minimum in {_seeds(len(rising), rows['rise', None])}, by "
        f"{100 * np.mean(list(rising.values())):.0f} % on average, from epoch {epoch} on: it overfits"
    )


DESCRIBE: dict[str, Callable[[str, Rows, str], str]] = {
    "masked_lm": _masked_lm,
    "overfitting": _overfitting,
    "similarity": _similarity,
    "gradients": _gradients,
    "drift": _drift,
    "calibration": _calibration,
    "out_of_domain": _out_of_domain,
}


def _seeds(n: int, row: ProbeRow) -> str:
    return f"{n} of {grammar.several(row.n, 'seed')}"


def _range(low: float, high: float, row: ProbeRow, what: str = "") -> str:
    """' (0.90 to 1.50 over 5 seeds)', nothing for one seed."""
    ends = f"{numbers.decimals(low, 2)} to {numbers.decimals(high, 2)}"
    return "" if row.n == 1 else f" ({what}{ends} over {row.n} seeds)"
