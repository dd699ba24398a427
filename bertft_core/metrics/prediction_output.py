"""What `bertft predict` writes for each input, from the outputs of one or several seeds: probabilities are means over the seeds.

Each function takes the outputs of every seed for the same inputs, the names that answers are chosen from and what was tuned for
the seeds together, and returns one JSON object per input. With several seeds it gives the share of them that alone would have
given the answer (`agreement`), and how many gave each answer (`votes`). Numbers are rounded to six decimals.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics.entities import TagSet, entity_spans, tag_set
from bertft_core.metrics.prediction_columns import column, list_lengths, ragged, vector
from bertft_core.metrics.question_answering import predicted_texts
from bertft_core.metrics.seed_means import (
    Floats,
    QuestionMean,
    class_probabilities,
    label_probabilities,
    logits_of,
    mean_of,
    question_means,
    word_probabilities,
    words_of,
)

N_SHOWN = 5
"""Candidates of a question, or tokens for a mask, that are shown."""
Answer = dict[str, Any]
Names = Sequence[str]


class SeedOutputs(NamedTuple):
    """The outputs of one seed."""

    table: pa.Table
    """The predictions of the head; see `bertft_core.storage.predictions`."""
    tuned: Mapping[str, float]
    """What was tuned for this seed on its validation set."""


def tables_of(seeds: Sequence[SeedOutputs]) -> list[pa.Table]:
    """The tables of all seeds."""
    return [seed.table for seed in seeds]


def rounded(value: float | np.floating[Any]) -> float:
    """To six decimals; the rest is noise."""
    return round(float(value), 6)


def named(names: Names, values: Floats) -> dict[str, float]:
    """Name → rounded value."""
    return {name: rounded(value) for name, value in zip(names, values, strict=True)}


def votes_of(prediction: str, own: Sequence[str]) -> Answer:
    """Empty for one seed; else the share that agrees and the count of each answer of a seed, the most frequent first."""
    if len(own) < 2:
        return {}
    return {"agreement": rounded(own.count(prediction) / len(own)), "votes": dict(Counter(own).most_common())}


def votes_of_places(places: Sequence[tuple[int, NDArray[Any]]], names: Names) -> Answer:
    """The same for an input with several answers, as lists. Each place is (prediction, answers of the seeds)."""
    votes = [votes_of(names[chosen], [names[i] for i in own]) for chosen, own in places]
    return {key: [place[key] for place in votes] for key in ("agreement", "votes") if votes and votes[0]}


def classification(seeds: Sequence[SeedOutputs], names: Names, **tuned: float) -> list[Answer]:
    """The label with the highest mean probability, and the mean probability of each."""
    means = class_probabilities(tables_of(seeds), len(names))
    own = np.stack([logits_of(table, len(names)).argmax(axis=1) for table in tables_of(seeds)], axis=1)
    return [
        {"prediction": names[int(mean.argmax())], "probabilities": named(names, mean)}
        | votes_of(names[int(mean.argmax())], [names[i] for i in chosen])
        for mean, chosen in zip(means, own, strict=True)
    ]


def multi_label(seeds: Sequence[SeedOutputs], names: Names, **tuned: float) -> list[Answer]:
    """The labels whose mean probability is above one half; a vote is for each label, agreement is on all of them."""
    means = label_probabilities(tables_of(seeds), len(names))
    own = np.stack([logits_of(table, len(names)) > 0 for table in tables_of(seeds)], axis=1)
    answers = []
    for mean, chosen in zip(means, own, strict=True):
        on = mean > 0.5
        answer: Answer = {
            "prediction": [label for label, is_on in zip(names, on, strict=True) if is_on],
            "probabilities": named(names, mean),
        }
        if len(seeds) > 1:
            votes = {label: int(n) for label, n in zip(names, chosen.sum(axis=0), strict=True) if n}
            answer |= {"agreement": rounded((chosen == on).all(axis=1).mean()), "votes": votes}
        answers.append(answer)
    return answers


def regression(seeds: Sequence[SeedOutputs], names: Names, **tuned: float) -> list[Answer]:
    """The mean number; of several seeds also their spread, since no two agree to the last digit."""
    predicted = np.stack([vector(seed.table, "predicted").astype(np.float64) for seed in seeds], axis=1)
    if len(seeds) == 1:
        return [{"prediction": rounded(row[0])} for row in predicted]
    return [
        {
            "prediction": rounded(row.mean()),
            "sd": rounded(row.std(ddof=1)),
            "min": rounded(row.min()),
            "max": rounded(row.max()),
        }
        for row in predicted
    ]


def token_classification(seeds: Sequence[SeedOutputs], names: Names, **tuned: float) -> list[Answer]:
    """A tag for every word, and the entities they form.

    One seed's tags are those of its head, a CRF's best path included; of several seeds each word has the tag with the highest
    mean probability. A CRF's probabilities are the marginals of its words (column `marginals`).
    """
    own, lengths = zip(*(ragged(seed.table, "predicted") for seed in seeds), strict=True)
    means, votes = word_probabilities(tables_of(seeds)), np.stack(own, axis=1)
    chosen = own[0] if len(seeds) == 1 else means.argmax(axis=1)
    tags = tag_set(tuple(names))
    answers = []
    for words in np.split(np.arange(len(chosen)), np.cumsum(lengths[0])[:-1]):
        answer: Answer = {"prediction": [names[i] for i in chosen[words]]}
        if tags is not None:
            answer["entities"] = _entities(chosen[words], tags)
        answer["probabilities"] = [named(names, means[word]) for word in words]
        answers.append(answer | votes_of_places([(chosen[word], votes[word]) for word in words], names))
    return answers


def _entities(tags_of_words: NDArray[Any], tags: TagSet) -> list[Answer]:
    """As conlleval reads them: type, first word, and the word after the last, counted from 0."""
    found = entity_spans(tags_of_words, np.array([len(tags_of_words)]), tags)
    return [
        {"type": tags.types[kind], "start": int(first), "end": int(last) + 1}
        for first, last, kind in zip(found.first, found.last, found.type_ids, strict=True)
    ]


def question_answering(
    seeds: Sequence[SeedOutputs], names: Names, *, null_threshold: float = 0.0, **tuned: float
) -> list[Answer]:
    """The span with the highest mean probability, or "" where the mean null odds are above the null threshold.

    See `question_means`. The threshold is that of the seeds together; each seed's vote goes by its own.
    """
    own = [predicted_texts(seed.table, **seed.tuned) for seed in seeds]
    answers = [_best_span(mean, null_threshold) for mean in question_means(tables_of(seeds))]
    return [
        answer | votes_of(answer["prediction"], list(of_seeds))
        for answer, of_seeds in zip(answers, zip(*own, strict=True), strict=True)
    ]


def _best_span(mean: QuestionMean, null_threshold: float) -> Answer:
    if not mean.spans or (mean.odds is not None and mean.odds > null_threshold):
        answer: Answer = {"prediction": "", "start": None, "end": None}
    else:
        best = mean.spans[0]
        answer = {"prediction": best.text, "start": best.start, "end": best.end}
    if mean.no_answer is not None:
        answer["no_answer"] = rounded(mean.no_answer)
    answer["candidates"] = [span._asdict() | {"probability": rounded(span.probability)} for span in mean.spans[:N_SHOWN]]
    return answer


def masked_lm(seeds: Sequence[SeedOutputs], names: Names, **tuned: float) -> list[Answer]:
    """The likeliest token for every mask (column `probabilities`), and the next ones, with their probabilities."""
    probabilities = [words_of(seed.table, "probabilities") for seed in seeds]
    means, own = mean_of(probabilities), np.stack([values.argmax(axis=1) for values in probabilities], axis=1)
    lengths = list_lengths(column(seeds[0].table, "probabilities"))
    answers = []
    for masks in np.split(np.arange(len(means)), np.cumsum(lengths)[:-1]):
        best = [np.argsort(-means[mask], kind="stable")[:N_SHOWN] for mask in masks]
        answer: Answer = {
            "prediction": [names[ranks[0]] for ranks in best],
            "probabilities": [
                {names[i]: rounded(means[mask, i]) for i in ranks} for mask, ranks in zip(masks, best, strict=True)
            ],
        }
        places = [(ranks[0], own[mask]) for mask, ranks in zip(masks, best, strict=True)]
        answers.append(answer | votes_of_places(places, names))
    return answers
