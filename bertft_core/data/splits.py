"""Missing splits are cut from train, validation is halved, splits are subsampled: stratified, seeded, independent of the order.

Zhang et al. 2021 report on a held-out half of the development set (their `--test_val_split`), as `halve_validation` does.
"""

import dataclasses
from collections.abc import Container, Mapping, Sequence

import numpy as np

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig, SplitConfig
from bertft_core.data.examples import Example, RawSplit
from bertft_core.data.extra_sources import all_left_out, extra_of
from bertft_core.data.kept_together import cut_blocks, refuse_too_few_groups
from bertft_core.seeds import derive_seed

Examples = tuple[Example, ...]
HALVES = 2
"""Index of the halving in the `split` stream, after the cuts of validation and test."""


def cut_splits(given: Mapping[str, RawSplit], data: DataConfig, study_seed: int) -> dict[str, RawSplit]:
    """The splits of a study: missing ones are cut, then validation is halved, then subsamples are drawn."""
    cut = cut_missing(given, data.split, study_seed)
    cut = halve_validation(cut, study_seed, data.split.group) if data.split.halve_validation else cut
    return subsample(cut, data.subsample, study_seed)


def with_extra(splits: Mapping[str, RawSplit], extra: Mapping[str, RawSplit]) -> dict[str, RawSplit]:
    """The splits with the examples of these files, in their order, after those of train.

    Those made from an example that is not in train are left out; see `extra_of`. Their ids are new, by the positions of file
    and example, so that they are the same wherever the files are. Raises `UserError` for a file that gives none.
    """
    train_ids = {example.id for example in splits["train"].examples}
    added: list[Example] = []
    used, left_out = {}, {}
    for i, (path, split) in enumerate(extra.items()):
        named = (dataclasses.replace(e, id=f"extra{i}-{j:05d}", path=split.path) for j, e in enumerate(split.examples))
        followed = extra_of(named, train_ids)
        if not followed:
            raise all_left_out(split)
        added += followed
        used[path], left_out[path] = len(followed), len(split.examples) - len(followed)
    how = {"extra": used} | ({"extra_left_out": left_out} if any(left_out.values()) else {})
    return dict(splits) | ({"train": splits["train"].derived((*splits["train"].examples, *added), **how)} if extra else {})


def cut_missing(splits: Mapping[str, RawSplit], config: SplitConfig, study_seed: int) -> dict[str, RawSplit]:
    """The splits in the order train, validation, test, others; the result always has a validation set.

    A validation set is cut if none was given, a test set only if `config.test_ratio` is set. Both ratios are shares of the
    whole training set. Examples with the same text and label, or those of a group, stay together, so that none leaks. Raises
    `UserError` when a label has too few examples, or is in too few groups, to be in every part.
    """
    ratios = {"validation": config.validation_ratio, "test": config.test_ratio}
    cuts = {name: ratio for name, ratio in ratios.items() if name not in splits and ratio is not None}
    whole = splits["train"]
    train, made = whole, {}
    for index, name in enumerate(ratios):
        if name in cuts:
            n = round(cuts[name] * len(whole.examples))
            inside, outside = _cut(name, train, n, derive_seed(study_seed, "split", index), group=config.group)
            made[name], train = train.derived(inside, cut_from_train=True), train.derived(outside)
    ordered = {"train": train, **{name: (made | dict(splits))[name] for name in ratios if name in made or name in splits}}
    return ordered | {name: split for name, split in splits.items() if name not in ordered}


def halve_validation(splits: Mapping[str, RawSplit], study_seed: int, group: str | None = None) -> dict[str, RawSplit]:
    """The splits with half of validation as test set; unchanged if there is a test set.

    Each class is halved, with the odd example in validation; copies of a text, or the examples of a group, stay together. Both
    keep the order of the source. Raises `UserError` when there are too few examples for two sets.
    """
    if "test" in splits:
        return dict(splits)
    whole = splits["validation"]
    seed = derive_seed(study_seed, "split", HALVES)
    half = cut_blocks(whole.examples, len(whole.examples) // 2, group, seed) if group else _half(whole, seed)
    test, validation = _parts(whole, half)
    if not test or not validation:
        raise UserError(
            "the validation set is too small to halve",
            code="split.too-few-to-halve",
            path=whole.path,
            found=f"{len(whole.examples)} examples",
            expected="at least two groups" if group else "at least two different ones of a class",
            hint="remove data.split.halve_validation, or give a larger validation set",
        )
    halves = {"validation": whole.derived(validation, halved=True), "test": whole.derived(test, halved=True)}
    others = {name: split for name, split in splits.items() if name not in ("train", "validation")}
    return {"train": splits["train"]} | halves | others


def _half(split: RawSplit, seed: int) -> set[str]:
    """Ids of half of each class, at most."""
    rng = np.random.default_rng(seed)
    chosen: set[str] = set()
    for label in sorted(split.label_counts):
        alike = _groups([example for example in split.examples if example.stratum == label], together=True)
        chosen |= _draw(alike, sum(map(len, alike)) // 2, rng)
    return chosen


def subsample(splits: Mapping[str, RawSplit], sizes: Mapping[str, int], study_seed: int) -> dict[str, RawSplit]:
    """Keep `sizes[split]` examples of the named splits, with the label proportions; smaller splits stay whole.

    One example of each label is kept at least, so of more labels than `sizes[split]` more examples.
    """
    unknown = [name for name in sizes if name not in splits]
    if unknown:
        raise UserError(
            f"data.subsample: there is no split '{unknown[0]}'",
            code="subsample.unknown-split",
            found=unknown[0],
            expected=f"one of {', '.join(splits)}",
            hint="correct the name or remove it",
        )
    kept = dict(splits)
    for name, n in sizes.items():
        if n < len(splits[name].examples):
            sampled, _ = _cut(name, splits[name], n, derive_seed(study_seed, "subsample"), leaves_train=False)
            kept[name] = splits[name].derived(sampled, subsampled_to=len(sampled))
    return kept


def _cut(
    name: str, source: RawSplit, n: int, seed: int, *, leaves_train: bool = True, group: str | None = None
) -> tuple[Examples, Examples]:
    """About n examples with the label proportions, and the others; both in the order of the source.

    When the others are trained on, each label keeps an example there and copies of a text, or a group, stay together.
    """
    if group:
        chosen = cut_blocks(source.examples, n, group, seed)
        refuse_too_few_groups(name, source, chosen, group)
        return _parts(source, chosen)
    rng = np.random.default_rng(seed)
    counts = dict(sorted(source.label_counts.items()))
    chosen = set()
    for label, quota in zip(counts, _allocate(list(counts.values()), n), strict=True):
        alike = _groups([example for example in source.examples if example.stratum == label], together=leaves_train)
        drawn = _draw(alike, quota, rng) if not leaves_train or quota < counts[label] else set()
        if not drawn:
            raise _too_few(name, source, label, alike, quota)
        chosen |= drawn
    return _parts(source, chosen)


def _draw(groups: Sequence[Sequence[Example]], quota: int, rng: np.random.Generator) -> set[str]:
    """Ids of the examples of whole groups in random order, as many as the quota has room for."""
    drawn: set[str] = set()
    for k in rng.permutation(len(groups)):
        if len(drawn) + len(groups[k]) <= quota:
            drawn.update(example.id for example in groups[k])
    return drawn


def _parts(split: RawSplit, chosen: Container[str]) -> tuple[Examples, Examples]:
    """The chosen examples and the others, in their order."""
    inside = tuple(example for example in split.examples if example.id in chosen)
    return inside, tuple(example for example in split.examples if example.id not in chosen)


def _allocate(counts: Sequence[int], n: int) -> list[int]:
    """n allocated in proportion to the counts by largest remainder, at least one each."""
    exact = np.array(counts) * n / sum(counts)
    shares = np.floor(exact).astype(int)
    largest_first = np.argsort(-(exact - shares), kind="stable")
    shares[largest_first[: max(0, n - int(shares.sum()))]] += 1
    return [max(1, int(share)) for share in shares]


def _groups(examples: Sequence[Example], *, together: bool) -> list[list[Example]]:
    """The examples in an order that depends only on their texts; those with the same context, or else with the same
    normalised text, form one group."""
    if not together:
        return [[example] for example in sorted(examples, key=lambda example: (example.key, example.id))]
    found: dict[tuple[str, ...], list[Example]] = {}
    for example in examples:
        found.setdefault(example.copy_key, []).append(example)
    return [found[key] for key in sorted(found)]


def _too_few(name: str, source: RawSplit, label: str, groups: Sequence[Sequence[Example]], quota: int) -> UserError:
    """Copies stay together: a part smaller than the smallest group needs a larger ratio, one that takes all a smaller ratio."""
    left = [example for example in source.examples if example.stratum == label]
    n_texts = len({example.key for example in left})
    smallest = min(map(len, groups))
    if len(groups) == 1:
        change = ""
    elif quota < smallest:
        change = f"or raise data.split.{name}_ratio (a text and its copies stay together, here at least {smallest} examples)"
    else:
        change = f"or reduce data.split.{name}_ratio"
    one_text = len(left) == 1 and left[0].label is None and "\n" in left[0].texts[0]  # of plain text without blank lines
    what, more = (f"the label '{label}' has", f"examples of '{label}'") if label else ("there are", "examples")
    return UserError(
        f"{what} too few examples to cut {name} from train",
        code="split.too-few-to-cut",
        path=source.path,
        line=left[0].line,
        found=f"{len(left)} left in train, {n_texts} different",
        expected="at least one for each split that is cut and one to train on",
        hint="no blank line separates texts: set data.text_unit: line"
        if one_text
        else f"add {more}, " + (f"give a file as data.{name}, {change}" if change else f"or give a file as data.{name}"),
    )
