"""What was found in the saved model of a run: masked language modelling, drift, similarity."""

from __future__ import annotations

from bertft_core.evaluation.probed_run import Found, ScoredRun
from bertft_core.records.probe_record import MaskedLMScores

NO_MODEL = "its model was not kept; --force trains it again"


def masked_lm(run: ScoredRun) -> Found:
    """Loss, perplexity and accuracies before and after, and the loss with the top layers put back."""
    if (reason := _unseen(run, "masked_lm")) is not None:
        return Found(missing=[reason])
    assert run.found is not None
    assert run.found.masked_lm is not None
    part, found = run.found.masked_lm, Found()
    for when, scores in (("before", part.before), ("after", part.after)):
        found.values |= {(f"{name}_{when}", None): value for name, value in _named(scores).items()}
    found.values["loss_rise", None] = part.after.loss - part.before.loss
    found.values |= {("loss_put_back", f"top {k}"): scores.loss for k, scores in enumerate(part.put_back)}
    return found


def _named(scores: MaskedLMScores) -> dict[str, float]:
    return {name: value for name, value in scores.model_dump().items() if value is not None}


def drift(run: ScoredRun) -> Found:
    """L2 and relative L2 of each depth."""
    if (reason := _unseen(run, "drift")) is not None:
        return Found(missing=[reason])
    assert run.found is not None
    rows = [("l2", row.where, row.l2) for row in run.found.drift]
    rows += [("relative_l2", row.where, row.relative_l2) for row in run.found.drift if row.relative_l2 is not None]
    return Found({(measure, where): value for measure, where, value in rows})


def similarity(run: ScoredRun) -> Found:
    """Linear CKA of each depth, unbiased and biased."""
    if (reason := _unseen(run, "similarity")) is not None:
        return Found(missing=[reason])
    assert run.found is not None
    found = Found()
    for row in run.found.similarity:
        for measure, value in (("cka_unbiased", row.unbiased), ("cka_biased", row.biased)):
            if value is not None:
                found.values[measure, row.where] = value
    return found


def _unseen(run: ScoredRun, probe: str) -> str | None:
    """Why the model says nothing of a probe."""
    if run.found is None:
        return NO_MODEL
    if run.found.error is not None:
        return f"looking at its model failed: {run.found.error}"
    return run.found.absent.get(probe)
