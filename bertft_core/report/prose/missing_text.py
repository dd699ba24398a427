"""Why a result is missing, and why a run has a problem."""

from bertft_core.metrics import METRICS
from bertft_core.records import RunRecord
from bertft_core.records.not_computed import NotComputed, Reason
from bertft_core.report.formatting import numbers

REASONS: dict[Reason, str] = {
    "seeds selected": "the seeds were selected (many started, the best continued), so they are not independent draws",
    "no complete grid": "its runs with a score do not fill a complete grid of at least 2 init × 2 order seeds",
    "splits share examples": "its runs are on splits of the same examples, so they are not independent draws",
    "one seed on each split": "with one seed on each split, the split cannot be separated from its seeds (seeds.n: 2)",
    "no stored predictions": "masked language models store counts and losses, not single predictions",
    "too few predictions": "the stored predictions of at least {needed} runs are needed, and there are {n}",
    "collapsed": "the stored predictions of at least {needed} runs that learned something are needed, and there are {n} ({detail}"
    " collapsed and left out)",
    "too few scores": "at least {needed} {detail} with a score are needed, and there are {n}",
    "different examples": "its seeds were evaluated on different examples",
    "no categories": "a head of kind {detail} does not predict categories",
    "dependent trials": "the trials of this search are not independent draws from its space, as those of random search are",
    "too few curves": "the validation curves of at least {needed} whole runs are needed, and there are {n}",
    "different steps": "its runs were evaluated at different steps, as with early stopping",
    "one evaluation": "its runs were evaluated only at the end, so there is nothing to stop them by",
    "metric not evaluated": "{detail} was not part of every validation during training",
    "no model": "the model was not kept; --force trains it again",
    "probing failed": "probing the model failed: {detail}",
    "not probed": "{detail}",
    "no masked-LM class": "transformers has no masked-LM head for this kind of encoder",
    "no masked-LM head": "the checkpoint has no masked-LM head",
    "masked-LM head not supported": "the masked-LM head of encoders of the type '{detail}' is not supported",
    "too few texts": "CKA needs {needed} validation examples, found {n}",
    "gradients not watched": "its gradients were not recorded during training; --force trains it again",
    "too few layers": "fewer than {needed} layers had gradients, so the lowest and the top layer cannot be compared",
    "too few losses": "its validation loss was recorded fewer than {needed} times",
    "no probabilities": "a head of kind {detail} gives no class probabilities",
    "no single label": "a head of kind {detail} does not give one label its probability",
    "crf": "the logits under a CRF are not probabilities of single words",
    "no errors": "every validation example is predicted correctly, so no temperature can be fitted",
    "predictions gone": "its predictions on {detail} are missing",
    "no out-of-domain set": "the data have no out-of-domain set",
    "no score": "it has no {detail}",
    "older version": "{detail}",
}


def why(found: NotComputed) -> str:
    """'the validation curves of at least 5 whole runs are needed, and there are 3'."""
    return REASONS[found.reason].format(n=found.n, needed=found.needed, detail=found.detail)


def why_not_ok(metric: str, record: RunRecord | None) -> str:
    """Why a run has no score, or one that does not count, in a sentence; `metric` is the study's."""
    if record is None:
        return "This run has no record; run the study again to train it."
    if record.error:
        return record.error
    if record.status == "collapsed" and record.majority_score is not None:
        constant = METRICS[record.spec.head.kind].constant_for(metric)
        level = f"{metric} {numbers.score(record.majority_score)} of always answering {constant}"
        return f"At the end of training the validation score is not better than the {level}."
    if record.status == "pruned" and record.spec.stop_at is not None:
        return f"Stopped after {record.n_steps} of {record.planned_steps} steps: other seeds were better then and continued."
    if record.status == "pruned":
        return "Pruned by the search: its validation score was behind earlier trials."
    return "No reason was recorded."
