"""Which examples stay together where a split is cut: those of a group, or copies of a text; and how whole blocks are cut."""

from collections.abc import Container, Hashable, Sequence

import numpy as np

from bertft_core.config import UserError
from bertft_core.config.data_settings import NEAR_DUPLICATES
from bertft_core.data.blocks import Ints, deal_blocks, parts_without
from bertft_core.data.examples import Example, RawSplit, shorten
from bertft_core.data.near_duplicates import near_blocks, text_of


def blocks_of(examples: Sequence[Example], group: str | None) -> Ints:
    """The block [n_examples] of every example, from 0, in an order that depends on its examples and not on their order.

    With a `group`, a column, those with the same value are one block, or chains of near-duplicates; else those with the same
    context, or else with the same normalised texts and label.
    """
    if group == NEAR_DUPLICATES:
        texts = [text_of(example.compared) for example in examples]
        different = sorted(set(texts))
        return near_blocks(different)[np.searchsorted(different, texts)]
    keys: list[tuple[str, ...]] = [(example.group,) if group else (example.stratum, *example.copy_key) for example in examples]
    return _ranks(keys)


def blocks_of_texts(examples: Sequence[Example]) -> Ints:
    """The block [n_examples] of every example: those with the same context, or else the same texts, whatever their labels."""
    return _ranks([example.copy_key for example in examples])


def strata_of(examples: Sequence[Example]) -> tuple[Ints, tuple[str, ...]]:
    """The number [n_examples] of the label of every example, and the labels; one for all where they are no single names."""
    labels = [example.stratum for example in examples]
    return _ranks(labels), tuple(sorted(set(labels)))


def cut_blocks(examples: Sequence[Example], n: int, group: str, seed: int) -> set[str]:
    """Ids of about n examples, one at least, in whole blocks and with the label proportions; none where all are one block."""
    blocks, (strata, _) = blocks_of(examples, group), strata_of(examples)
    if blocks.max() == 0:
        return set()
    n = min(max(n, 1), len(examples) - 1)
    parts = deal_blocks(blocks, strata, (n, len(examples) - n), np.random.default_rng(seed))
    return {example.id for example, part in zip(examples, parts, strict=True) if part == 0}


def refuse_too_few_groups(name: str, source: RawSplit, chosen: Container[str], group: str) -> None:
    """Raise `UserError` when the chosen examples of `source`, or the others, have none of a label."""
    strata, labels = strata_of(source.examples)
    parts = np.array([example.id in chosen for example in source.examples], dtype=np.int64)
    for _, label in parts_without(parts, strata, 2)[:1]:
        blocks, of_label = blocks_of(source.examples, group), strata == label
        n_blocks, first = len(set(blocks[of_label].tolist())), source.examples[int(np.flatnonzero(of_label)[0])]
        what = f"the label '{labels[label]}' is" if labels[label] else "the examples are"
        raise UserError(
            f"{what} in too few groups to cut {name} from train",
            code="split.too-few-groups",
            path=source.path_of(first),
            line=first.line,
            found=f"{n_blocks} left in train" + (f", '{shorten(first.group)}'" if n_blocks == 1 and first.group else ""),
            expected="at least one group for each split that is cut and one to train on",
            hint=f"give a file as data.{name}, or remove data.split.group if its groups need not stay together",
        )


def _ranks(keys: Sequence[Hashable]) -> Ints:
    """The place of every key among the sorted different ones."""
    rank = {key: i for i, key in enumerate(sorted(set(keys)))}  # type: ignore[type-var]
    return np.array([rank[key] for key in keys], dtype=np.int64)
