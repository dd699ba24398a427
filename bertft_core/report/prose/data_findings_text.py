"""What the checks of the data found, one clause for each finding."""

from collections.abc import Callable

from bertft_core.config.data_settings import TABLES
from bertft_core.records import DataFinding
from bertft_core.report.formatting.numbers import percent
from bertft_core.report.prose.grammar import Count, listed, several

MOST_NAMES = 6
"""Names that a clause lists."""
SHARES = {"share", "validation_share", "ratio"}
"""Numbers of a finding that are shares."""
COUNTS = {"n", "n_examples", "n_largest", "n_texts", "n_groups", "max_length", "min_characters"}
"""Numbers of a finding that are counts."""


OF_FIRST_SPLIT, OF_WORST_SPLIT = ("near_duplicates", "shared_groups"), ("overlap", "conflicting_overlap")
"""Checks that look at the first split of a split design, and at every one for the most. All others look at all examples."""
EVERY = "all examples"


def finding_text(finding: DataFinding, *, drawn: bool = False) -> str:
    """What a check found, as a clause: '3 texts of test are also in train'; `drawn`: in the data of a split design."""
    finding = _of_design(finding) if drawn else finding
    numbers = {name: _number(name, n) for name, n in finding.numbers.items()}
    verbs = {"is_": "is", "has": "has", "s": "s"} if finding.count == 1 else {"is_": "are", "has": "have", "s": ""}
    words = {"split": finding.split, "count": Count(finding.count), "names": finding.names}
    try:
        clause = CLAUSES[finding.check]
        return clause(finding) if callable(clause) else clause.format(**numbers, **words, **verbs)
    except (KeyError, IndexError, ValueError):  # a card of version 1 has neither numbers nor names
        return f"{finding.count} in {finding.split}"


def _of_design(finding: DataFinding) -> DataFinding:
    """The finding with the name of what was looked at: a part of one split, or all examples, which are train until divided."""
    if finding.check in OF_FIRST_SPLIT:
        return finding.model_copy(update={"split": f"{finding.split}, in the first split,"})
    if finding.check in OF_WORST_SPLIT and finding.split in ("validation", "test"):
        return finding.model_copy(update={"split": f"{finding.split}, in the split with the most,"})
    named: dict[str, str | tuple[str, ...]] = {"split": EVERY if finding.split == "train" else finding.split}
    if finding.check in (*OF_WORST_SPLIT, "shared_contexts"):
        named["names"] = tuple(EVERY if name == "train" else name for name in finding.names)
    return finding.model_copy(update=named)


def _number(name: str, value: float) -> str | float:
    if name in SHARES:
        return percent(value, 3 if name == "ratio" else 2)
    return Count(value) if name in COUNTS else value


def _truncated(finding: DataFinding) -> str:
    share, longest = finding.count / finding.numbers["n_examples"], finding.numbers["longest"]
    limit = finding.numbers["max_length"]
    return (
        f"{percent(share, 3)} of {finding.split} are longer than max_length {limit:,.0f} (the longest has {longest:,.0f} tokens)"
    )


def _rows_as_texts(finding: DataFinding) -> str:
    path, content = finding.names
    remedy = f"set data.format: {content}" if content in TABLES else "extract its texts"
    rows = f"{path} ({finding.split}) looks like {content}, and its rows are learned as they stand"
    return f"{rows}: {remedy}, or data.format: text if it is meant"


def _labels_in_texts(finding: DataFinding) -> str:
    path, label = finding.names
    lines = f"the lines of {path} ({finding.split}) seem to begin with a label, such as {label}, which is learned as text"
    remedy = "put a tab after it (sed 's/ /\\t/' FILE > FILE.tsv) and set data.header: false and data.columns: [label, text]"
    return f"{lines}: {remedy}, or data.format: text if it is meant"


def _constant_labels(finding: DataFinding, when: str) -> str:
    names = finding.names or [several(finding.count, "label")]  # a card of version 1 has no names
    more = finding.count - len(finding.names) if finding.names else 0
    return (
        f"{listed([*names, f'{more} more'] if more else names)} {'is' if finding.count == 1 else 'are'} {when} in {finding.split}"
    )


def _repaired_tags(finding: DataFinding) -> str:
    scheme, *valid = finding.names
    where = f"{several(finding.count, 'tag')} in {several(round(finding.numbers['n_sentences']), 'sentence')} of {finding.split}"
    hint = f"; all tags are valid in {valid[0]}: is that data.scheme?" if valid else ""
    return f"{where} violate the scheme {scheme} and were read as conlleval reads them{hint}"


CLAUSES: dict[str, str | Callable[[DataFinding], str]] = {
    "duplicates": "{count:text} of {split} {is_} duplicated in it",
    "conflicting_labels": "{count:text} of {split} occur{s} with different labels",
    "overlap": "{count:text} of {split} {is_} also in {names[0]}",
    "conflicting_overlap": "{count:text} of {split} {is_} also in {names[0]}, with a different label",
    "look_alike_labels": "{count:label} of {split} differ only by case, Unicode form, invisible characters, similar letters or"
    " number spelling",
    "many_labels": "{split} has {count} different labels in {n_examples} examples: does data.label name the right column?",
    "mixed_labels": "{count:label} of {split} {is_} not a number, as the others are",
    "numbers_as_labels": "all {count} labels of {split} are numbers that seem to measure something: is the head regression?",
    "joined_labels": "{count:label} of {split} join{s} others with '{names[0]}': is the head multi_label?",
    "foreign_text": "the words of {split} fall into {rate:.1f} subwords each ({count} in all), where about {usual:.1f} are"
    " usual: choose an encoder that knows this language",
    "special_tokens": lambda f: (
        f"{several(f.count, 'text')} of {f.split} {'has' if f.count == 1 else 'have'} {listed(f.names[:MOST_NAMES])} in it, which"
        " the encoder reads as control tokens; remove what is not meant so"
    ),
    "shared_contexts": lambda f: (
        f"{several(f.count, 'question')} of {f.split} {'is' if f.count == 1 else 'are'} about contexts that are also in"
        f" {listed(f.names)}"
    ),
    "near_duplicates": "{count:text} of {split} {is_} nearly the same as one of {names[0]}",
    "shared_groups": "{count:example} of {split} belong{s} to {n_groups:group} of {names[0]}",
    "class_balance": "the largest class '{names[0]}' has {n_largest} examples, the smallest '{names[1]}' has {count}",
    "truncated": _truncated,
    "unknown_tokens": "{ratio} of the tokens of {split} are unknown to the encoder",
    "very_short": "{count:text} of {split} {has} fewer than {min_characters} letters or digits",
    "quoted_texts": "{count:text} of {split} {is_} in double quotes, which TSV does not remove; data.quoting: double does",
    "rows_as_texts": _rows_as_texts,
    "labels_in_texts": _labels_in_texts,
    "never_on": lambda f: _constant_labels(f, "never on"),
    "always_on": lambda f: _constant_labels(f, "always on"),
    "misspelt_tags": "the tags of {split} look like entity tags, {count} of them misspelt, and plain tags mark no entities",
    "repaired_tags": _repaired_tags,
    "merged_entities": "{count:entity} of {split} directly after one of the same type; io merges the two",
    "cut_words": "{count:word} of {split} {is_} longer than max_length {max_length} and truncated",
    "repaired_answers": "{count:answer} of {split} {is_} not at answer_start; each was moved to the only place where it occurs",
    "long_questions": lambda f: (
        f"{several(f.count, 'question')} of {f.split} {'has' if f.count == 1 else 'have'} more than"
        f" {f.numbers['limit']:,.0f} tokens"
        f" and {'was' if f.count == 1 else 'were'} {'left out' if f.names[0] == 'drop' else 'truncated'}"
    ),
    "inexpressible_answers": "no span of tokens in a window reads as the answer of {count:question} of {split}",
    "several_answers": "{count:question} of {split} {has} several answers; the first is trained on",
    "unanswerable_share": "{share} of {split} are unanswerable but {validation_share} of validation, on which the null threshold"
    " is tuned",
    "beyond_train": "{count} of the {n} numbers of {split} ({low:g} to {high:g}) are outside the range of train ({train_low:g}"
    " to {train_high:g})",
    "constant_numbers": "all {count} numbers of {split} are {value:g}: every correlation is 0 there, and r2 is undefined",
    "outliers": "{count} of the {n} numbers of {split} are more than {max_iqrs:g} interquartile ranges beyond the quartiles"
    " of train ({lower:g} and {upper:g})",
    "many_blocks": "the {n_texts} texts of {split} make {count} blocks of at most {max_length} tokens; a step takes whole"
    " texts, so choose a small training.batch_size or a smaller data.text_unit",
}
"""Check → its clause: a text with the finding's numbers, or a function where more depends on them."""
