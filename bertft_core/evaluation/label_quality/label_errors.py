"""Labels that are probably wrong, split by split: confident learning on what the runs of the best arm predict.

Runs did not train on these examples, and the best arm is that of the validation set. In a split design each label is judged by
the runs that tested its example, pooled over all splits; their validation parts hold the same examples and are left out. What is
found are labels that a good model confidently contradicts: an error, or an example that is hard or ambiguous. A person has to
look.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bertft_core.evaluation.example_texts import ExampleTexts
from bertft_core.evaluation.label_quality.out_of_sample import OutOfSample, pooled, why_none
from bertft_core.evaluation.run_scores import stored_predictions
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.records.not_computed import NotComputed
from bertft_core.records.ranking import best_arm
from bertft_core.statistics.confident_learning import estimated_joint, normalised_margin, wrong_labels
from bertft_core.storage.study_results import StudyResults

MOST_SUSPECTS = 0.15
"""Share of the labels above which the model is doubtful rather than the labels: published test sets have up to 10 % of wrong ones
(Northcutt, Athalye & Mueller 2021)."""
LEAST_RUNS = 2
"""The answer of one run is an anecdote."""


@dataclass(frozen=True)
class SuspectLabel:
    """A label that is probably wrong."""

    split: str
    example_id: str
    word: int | None
    """Of its sentence, counted from 1; None where an example has one label."""
    word_text: str | None
    text: str | None
    """The beginning of the text, where it is at hand."""
    label: str
    suggested: str
    """The likeliest label."""
    label_probability: float
    suggested_probability: float
    """Means over the runs."""
    n_runs: int

    @property
    def margin(self) -> float:
        """The normalised margin, in [−1, 0): the lower, the surer it is wrong."""
        return self.label_probability - self.suggested_probability


@dataclass(frozen=True)
class SplitLabels:
    """How many labels of a split are probably wrong."""

    split: str
    n: int
    """Examples, or words."""
    n_estimated: int
    """Of them with another true label, as the estimated joint says."""
    n_suspects: int


@dataclass(frozen=True)
class LabelErrors:
    """What confident learning says of all splits that were evaluated."""

    arm: str
    checkpoint: str
    unit: str
    """example or word"""
    n_runs: int
    n_judging: tuple[int, int]
    """The fewest and the most runs that judge a label: all, unless each run is tested on examples of its own."""
    splits: tuple[SplitLabels, ...]
    suspects: tuple[SuspectLabel, ...]
    """The surest first."""

    @property
    def n(self) -> int:
        """Labels that were judged."""
        return sum(split.n for split in self.splits)

    @property
    def is_doubtful(self) -> bool:
        """More labels are suspected than are likely to be wrong: most suspects are errors of the model."""
        return len(self.suspects) > MOST_SUSPECTS * self.n


def label_errors(results: StudyResults) -> LabelErrors | NotComputed:
    """The labels of every evaluated split that are probably wrong, or why that is not known."""
    judging = judging_runs(results)
    if isinstance(judging, NotComputed):
        return judging
    results, runs = judging
    arm = runs[0].spec.arm
    judged = {split: given for split in judged_splits(results.card) if (given := out_of_sample(results, runs, split)) is not None}
    judged = {split: given for split, given in judged.items() if len(given.labels)}
    if not judged:
        return NotComputed(reason="too few predictions", arm=arm, n=0, needed=LEAST_RUNS)
    found = [_of_split(results, split, given) for split, given in judged.items()]
    suspects = [suspect for _, of_split in found for suspect in of_split]
    return LabelErrors(
        arm=arm,
        checkpoint=results.summary.headline_checkpoint,
        unit="example" if runs[0].spec.head.kind == "classification" else "word",
        n_runs=len(runs),
        n_judging=(min(int(g.n_runs.min()) for g in judged.values()), max(int(g.n_runs.max()) for g in judged.values())),
        splits=tuple(split for split, _ in found),
        suspects=tuple(sorted(suspects, key=lambda suspect: suspect.margin)),
    )


def judging_runs(results: StudyResults) -> tuple[StudyResults, list[RunRecord]] | NotComputed:
    """The results as the arm with the best validation mean sees them, and its runs; or why none can judge labels.

    Collapsed runs know nothing of the labels and are left out.
    """
    best = best_arm(results.study, results.summary)
    if best is None:
        return NotComputed(reason="no score", detail=results.summary.headline_metric)
    runs = [record for record in results.runs_of(best[0]) if record.status == "ok"]
    refused = why_none(runs[0].spec) if runs else None
    if refused is not None:
        return refused
    n_collapsed = sum(record.status == "collapsed" for record in results.runs_of(best[0]))
    if len(runs) < LEAST_RUNS and n_collapsed:
        return NotComputed(reason="collapsed", arm=best[0], n=len(runs), needed=LEAST_RUNS, detail=str(n_collapsed))
    if len(runs) < LEAST_RUNS:
        return NotComputed(reason="too few predictions", arm=best[0], n=len(runs), needed=LEAST_RUNS)
    return results.of_arm(best[0]), runs


def judged_splits(card: DatasetCard) -> tuple[str, ...]:
    """The splits whose labels are judged: every evaluated one, and of a split design those that hold each example once."""
    return tuple(split for split in card.evaluated_splits if not (card.draws and split == "validation"))


def out_of_sample(results: StudyResults, runs: list[RunRecord], split: str) -> OutOfSample | None:
    """What these runs predict of a split at the headline's checkpoint; None where no predictions are stored."""
    checkpoint = results.summary.headline_checkpoint
    read = ((run.spec, stored_predictions(results, run, checkpoint, split)) for run in runs)
    return pooled((spec, table) for spec, table in read if table is not None)


def _of_split(results: StudyResults, split: str, given: OutOfSample) -> tuple[SplitLabels, list[SuspectLabel]]:
    joint = estimated_joint(given.labels, given.probabilities)
    n_estimated = int(joint.sum() - joint.trace())
    units = np.flatnonzero(wrong_labels(given.labels, given.probabilities))
    suspects = list(_suspects(results, split, given, units))
    return SplitLabels(split, len(given.labels), n_estimated, len(suspects)), suspects


def _suspects(results: StudyResults, split: str, given: OutOfSample, units: np.ndarray) -> Iterator[SuspectLabel]:
    texts, names = ExampleTexts(results.card, split), results.card.labels
    margins = normalised_margin(given.labels, given.probabilities)
    for unit in units[np.argsort(margins[units], kind="stable")].tolist():
        example_id, probabilities = given.example_ids[given.rows[unit]], given.probabilities[unit]
        word = None if given.words is None else int(given.words[unit])
        label, suggested = int(given.labels[unit]), int(probabilities.argmax())
        yield SuspectLabel(
            split=split,
            example_id=example_id,
            word=None if word is None else word + 1,
            word_text=None if word is None else texts.word(example_id, word),
            text=texts.hint(example_id),
            label=names[label],
            suggested=names[suggested],
            label_probability=float(probabilities[label]),
            suggested_probability=float(probabilities[suggested]),
            n_runs=int(given.n_runs[unit]),
        )
