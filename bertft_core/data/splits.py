"""Missing splits are cut from the training set and large ones made smaller: stratified, seeded, and the same for the same
examples in whatever order they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bertft_core.config import UserError
from bertft_core.config.data_settings import SplitConfig
from bertft_core.data.examples import Example, RawSplit
from bertft_core.seeds import derive_seed


def cut_missing(splits: Mapping[str, RawSplit], config: SplitConfig, study_seed: int) -> dict[str, RawSplit]:
    """The splits in the order train, validation, test, others; a validation set is always there afterwards.

    A validation set is cut where none was given, a test set only where `config.test_ratio` asks for one. Both ratios are
    shares of the whole training set. Examples with the same text and label stay together, so that no copy leaks.
    Raises `UserError` when a label has too few examples to be in every part.
    """
    ratios = {"validation": config.validation_ratio, "test": config.test_ratio}
    cuts = {name: ratio for name, ratio in ratios.items() if name not in splits and ratio is not None}
    whole = splits["train"]
    train, made = whole, {}
    for index, name in enumerate(ratios):
        if name in cuts:
            n = round(cuts[name] * len(whole.examples))
            made[name], train = _cut(name, train, n, derive_seed(study_seed, "split", index))
    ordered = {"train": train, **{name: (made | dict(splits))[name] for name in ratios if name in made or name in splits}}
    return ordered | {name: split for name, split in splits.items() if name not in ordered}


def subsample(splits: Mapping[str, RawSplit], sizes: Mapping[str, int], study_seed: int) -> dict[str, RawSplit]:
    """Keep `sizes[split]` examples of the splits named, with the labels in proportion; smaller splits stay whole."""
    unknown = [name for name in sizes if name not in splits]
    if unknown:
        raise UserError(
            f"data.subsample names the split '{unknown[0]}', which is not there",
            found=unknown[0],
            expected=f"one of {', '.join(splits)}",
            hint="correct the name or take it out",
        )
    kept = dict(splits)
    for name, n in sizes.items():
        if n < len(splits[name].examples):
            sampled, _ = _cut(name, splits[name], n, derive_seed(study_seed, "subsample"), leaves_train=False)
            origin = f"{splits[name].origin}, subsampled to {len(sampled.examples)}"
            kept[name] = RawSplit(sampled.examples, splits[name].path, origin)
    return kept


def _cut(name: str, source: RawSplit, n: int, seed: int, *, leaves_train: bool = True) -> tuple[RawSplit, RawSplit]:
    """About n examples with the labels in proportion, and the others; both in the order of the source.

    When the others are trained on, each label keeps an example there and copies of a text are not torn apart.
    """
    rng = np.random.default_rng(seed)
    counts = dict(sorted(source.label_counts.items()))
    chosen: set[str] = set()
    for label, quota in zip(counts, _allocate(list(counts.values()), n), strict=True):
        if leaves_train and quota >= counts[label]:
            raise _too_few(name, source, label)
        alike = groups([example for example in source.examples if example.stratum == label], together=leaves_train)
        taken = 0
        for k in rng.permutation(len(alike)):
            if taken + len(alike[k]) <= quota:
                chosen.update(example.id for example in alike[k])
                taken += len(alike[k])
        if taken == 0:
            raise _too_few(name, source, label)
    inside = tuple(example for example in source.examples if example.id in chosen)
    outside = tuple(example for example in source.examples if example.id not in chosen)
    return RawSplit(inside, source.path, "cut from train"), RawSplit(outside, source.path, source.origin)


def _allocate(counts: Sequence[int], n: int) -> list[int]:
    """n shared out in proportion to the counts by largest remainder, at least one each."""
    exact = np.array(counts) * n / sum(counts)
    shares = np.floor(exact).astype(int)
    largest_first = np.argsort(-(exact - shares), kind="stable")
    shares[largest_first[: max(0, n - int(shares.sum()))]] += 1
    return [max(1, int(share)) for share in shares]


def groups(examples: Sequence[Example], *, together: bool) -> list[list[Example]]:
    """The examples in an order that depends on their texts only; those of one context, or with the same
    normalised text, in one group."""
    if not together:
        return [[example] for example in sorted(examples, key=lambda example: (example.key, example.id))]
    groups: dict[tuple[str, ...], list[Example]] = {}
    for example in examples:
        groups.setdefault((example.context,) if example.context else example.key, []).append(example)
    return [groups[key] for key in sorted(groups)]


def _too_few(name: str, source: RawSplit, label: str) -> UserError:
    left = [example for example in source.examples if example.stratum == label]
    n_texts = len({example.key for example in left})
    what, more = (f"the label '{label}' has", f"examples of '{label}'") if label else ("there are", "examples")
    return UserError(
        f"{what} too few examples to cut {name} from train",
        path=source.path,
        line=left[0].line,
        found=f"{len(left)} left in train, {n_texts} different",
        expected="at least one for each split made, and one to learn from",
        hint=f"add {more}, give a file as data.{name}, or make data.split.{name}_ratio smaller",
    )
