"""The dataset card in words: the text of `bertft check-data`."""

from collections.abc import Sequence

from bertft_core.control_characters import in_one_line
from bertft_core.data.examples import shorten
from bertft_core.records.data_card import DatasetCard, SplitOrigin
from bertft_core.report.formatting.aligned_table import aligned
from bertft_core.report.formatting.file_names import file_names
from bertft_core.report.formatting.numbers import percent
from bertft_core.report.prose import batches_text, split_designs_text
from bertft_core.report.prose.data_findings_text import finding_text
from bertft_core.report.prose.grammar import listed

MOST_LABELS, MOST_COUNTS = 20, 6
"""Labels that are named, and labels whose counts are shown, before the rest is only counted."""
MOST_CHARACTERS = 40
"""Of a label's name."""
COLUMNS = ("split", "examples", "labels", "length", "truncated", "unknown", "origin")

BY_HAND = "layers       can be computed by hand (execution.compute)"


def card_text(card: DatasetCard) -> str:
    """Splits, labels and findings, without a final newline."""
    rows = [COLUMNS]
    for name, split in card.splits.items():
        counts = _first([f"{label}:{n}" for label, n in split.label_counts.items()], " ", MOST_COUNTS)
        ratios = (percent(split.truncated_ratio, 3), percent(split.unknown_token_ratio, 3))
        rows.append((name, str(split.n_examples), counts, f"{split.mean_length:.1f}", *ratios, origin(split.origin)))
    about = [
        f"{card.name} ({card.source})",
        f"fingerprint  {card.fingerprint}",
        f"stored in    {card.directory}",
        f"encoder      {card.encoder.checkpoint}" + (f" @ {card.encoder.revision}" if card.encoder.revision else ""),
        *([f"chain        {' → '.join((*card.lineage, 'this study'))}"] if card.chain else []),
        *([f"drawn anew   {listed(card.new_parts)}, from each run's init seed"] if card.new_parts else []),
        *([f"not used     {listed(card.unused_parts)} of the encoder's files"] if card.unused_parts else []),
        *([f"batches      {batches_text.layout(card.batches)}"] if card.batches else []),
        *([BY_HAND] if card.by_hand else []),
        f"labels       {_first(card.labels, ', ', MOST_LABELS) or 'none'}",
        *([f"splits       below is {split_designs_text.of_card(card)}"] if card.draws else []),
        f"max_length   {card.max_length} tokens; length is the mean {_counted(card)}",
    ]
    lines = [
        *map(in_one_line, about),
        "",
        aligned(rows),
        "",
        *findings_lines(card),
        *(line for name, own in _own_cards(card) for line in ("", f"arm {name}: its own encoder or data", _own_text(own, card))),
    ]
    return "\n".join(lines)


def _counted(card: DatasetCard) -> str:
    """What the mean length is of: an input, which may be read in several windows."""
    in_windows = any((split.n_windows or 0) > split.n_examples for split in card.splits.values())
    return "of all windows of an input" if in_windows else "after truncation"


def _own_cards(card: DatasetCard) -> list[tuple[str, DatasetCard]]:
    """What other encoders and data there are, by the arm and by what its search can choose."""
    searched = [
        (f"{each.arm} with {', '.join(f'{name} {value}' for name, value in each.settings.items())}", each.card)
        for each in card.searched
    ]
    return [*card.arms.items(), *searched]


def _own_text(own: DatasetCard, card: DatasetCard) -> str:
    """The card of an arm, with the findings that the study's card does not have."""
    return card_text(own.model_copy(update={"findings": tuple(each for each in own.findings if each not in card.findings)}))


def findings_lines(card: DatasetCard) -> list[str]:
    """How many findings there are, and each with its examples."""
    lines = [f"findings: {len(card.findings) or 'none'}"]
    for finding in card.findings:
        lines += [
            f"- {finding.check}: {finding_text(finding, drawn=bool(card.draws))}",
            *(f"    {in_one_line(example)}" for example in finding.examples),
        ]
    return lines


def _first(items: Sequence[str], separator: str, most: int) -> str:
    """The first items, and how many more there are: a card stays short whatever the number of labels."""
    shown = [shorten(in_one_line(item), MOST_CHARACTERS) for item in items[:most]]
    return separator.join(shown if len(items) <= most else [*shown, f"and {len(items) - most} more"])


def origin(of: SplitOrigin) -> str:
    """'train.csv', 'cut from train', 'half of validation.csv, subsampled to 100'."""
    where = "cut from train" if of.cut_from_train else of.path
    halved = (f"{where}, half of it" if of.cut_from_train else f"half of {where}") if of.halved else where
    sampled = "" if of.subsampled_to is None else f", subsampled to {of.subsampled_to}"
    extra = "".join(f", with {n} more of {path}{_left_out(of.extra_left_out.get(path, 0))}" for path, n in of.extra.items())
    return f"{halved}{sampled}{extra}{', in both orders' if of.both_orders else ''}"


def shared_origins(card: DatasetCard) -> dict[str, str]:
    """Split → its origin for whoever reads it on another machine: files by their names."""
    origins = {split: of.origin for split, of in card.splits.items()}
    names = file_names({path for of in origins.values() for path in (of.path, *of.extra)})

    def named(of: SplitOrigin) -> SplitOrigin:
        extra, left_out = ({names[path]: n for path, n in each.items()} for each in (of.extra, of.extra_left_out))
        return of.model_copy(update={"path": names[of.path], "extra": extra, "extra_left_out": left_out})

    return {split: origin(named(of)) for split, of in origins.items()}


def _left_out(n: int) -> str:
    return f" ({n} left out, whose {'source is' if n == 1 else 'sources are'} not in train)" if n else ""
