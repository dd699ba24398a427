"""Sentences about labels that are probably wrong."""

from collections import Counter

from bertft_core.evaluation.label_quality.dataset_map import DatasetMap
from bertft_core.evaluation.label_quality.label_errors import LabelErrors
from bertft_core.records.not_computed import NotComputed
from bertft_core.report.formatting.numbers import percent
from bertft_core.report.prose import grammar, missing_text

CAUTION = (
    "Such a label is wrong, or its example is hard or ambiguous, so read the example before you change it. Correcting only the"
    " test labels that this model contradicts favours this model: let someone decide who does not see its suggestion."
)


DOUBT = (
    "More labels are contradicted than are likely to be wrong: most of these are errors of the model, or the task is ambiguous."
    " Take the list as examples to read, and judge labels with a better model."
)


def sentences(found: LabelErrors) -> list[str]:
    """How many labels are probably wrong and by which rule, then what to be careful about."""
    n, of = len(found.suspects), grammar.several(found.n, f"{'word ' if found.unit == 'word' else ''}label")
    where = grammar.listed(split.split for split in found.splits)
    by = f"by the mean probabilities of {_judges(found)}"
    rule = "confident learning, Northcutt et al. 2021"
    if not n:
        return [f"None of the {of} of {where} looks wrong {by} ({rule})."]
    said = f"{n:,} of the {of} of {where} ({percent(n / found.n, 2)}) {'is' if n == 1 else 'are'} probably wrong {by} ({rule})."
    return [said.replace("probably wrong", "contradicted"), DOUBT] if found.is_doubtful else [said, CAUTION]


def of_map(found: DatasetMap) -> str:
    """How many examples of a split are in each region, and what was averaged."""
    n, counts = len(found.regions), Counter(found.regions)
    shares = [f"{counts[region]:,} ({percent(counts[region] / n, 2)}) {region}" for region in ("easy", "ambiguous", "hard")]
    over = f"{grammar.every(found.n_runs, 'run')} of {found.arm}"
    if found.n_of_each[0] < found.n_runs:
        over = f"{_some(found.n_of_each, found.n_runs)} of {found.arm} that had each of them there"
    over += f" and up to {found.n_evaluations:,} evaluations of each" if found.n_evaluations > 1 else " at the end of training"
    seen = " The runs have trained on these examples." if found.split == "train" else ""
    return f"Of {grammar.several(n, 'example')} of {found.split}, {grammar.listed(shares)}, over {over}.{seen}"


def _judges(found: LabelErrors) -> str:
    """All runs of the arm; where each run is tested on examples of its own, how many judge a label."""
    if found.n_judging[0] == found.n_runs:
        return f"{grammar.every(found.n_runs, 'run')} of {found.arm}, which did not train on them"
    return f"{_some(found.n_judging, found.n_runs)} of {found.arm} that predicted each of them, not having trained on it"


def _some(of_each: tuple[int, int], n_runs: int) -> str:
    """'the 2 of 8 runs', 'the 1 to 5 of 8 runs'."""
    fewest, most = of_each
    return f"the {fewest:,}{'' if most == fewest else f' to {most:,}'} of {n_runs:,} runs"


def refused(found: NotComputed) -> str:
    """Why labels are not judged."""
    return f"Labels are not judged: {missing_text.why(found)}."
