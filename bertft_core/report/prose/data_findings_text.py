"""What the checks of the data found, one clause for each finding."""

from collections.abc import Callable

from bertft_core.config.data_settings import TABLES
from bertft_core.records import DataFinding
from bertft_core.report.formatting.numbers import percent
from bertft_core.report.prose.grammar import listed, several

MOST_NAMES = 6


def finding_text(finding: DataFinding) -> str:
    """What a check found, as a clause: '3 texts of test are also in train'."""
    try:
        return CLAUSES[finding.check](finding)
    except (KeyError, IndexError, ValueError):  # a card of version 1 has neither numbers nor names
        return f"{finding.count} in {finding.split}"


def _texts(finding: DataFinding) -> str:
    return f"{several(finding.count, 'text')} of {finding.split}"


def _questions(finding: DataFinding) -> str:
    return f"{several(finding.count, 'question')} of {finding.split}"


def _is(finding: DataFinding) -> str:
    return "is" if finding.count == 1 else "are"


def _class_balance(finding: DataFinding) -> str:
    largest, smallest = finding.names
    n = finding.numbers["n_largest"]
    return f"the largest class '{largest}' has {n:g} examples, the smallest '{smallest}' has {finding.count}"


def _truncated(finding: DataFinding) -> str:
    share, longest = finding.count / finding.numbers["n_examples"], finding.numbers["longest"]
    limit = finding.numbers["max_length"]
    return f"{percent(share, 3)} of {finding.split} are longer than max_length {limit:g} (the longest has {longest:g} tokens)"


def _very_short(finding: DataFinding) -> str:
    has = "has" if finding.count == 1 else "have"
    return f"{_texts(finding)} {has} fewer than {finding.numbers['min_characters']:g} letters or digits"


def _quoted_texts(finding: DataFinding) -> str:
    is_ = "is" if finding.count == 1 else "are"
    return f"{_texts(finding)} {is_} in double quotes, which TSV does not remove; data.quoting: double does"


def _rows_as_texts(finding: DataFinding) -> str:
    path, content = finding.names
    remedy = f"set data.format: {content}" if content in TABLES else "extract its texts"
    rows = f"{path} ({finding.split}) looks like {content}, and its rows are learned as they stand"
    return f"{rows}: {remedy}, or data.format: text if it is meant"


def _constant_labels(finding: DataFinding, when: str) -> str:
    names = finding.names or [several(finding.count, "label")]  # a card of version 1 has no names
    more = finding.count - len(finding.names) if finding.names else 0
    return f"{listed([*names, f'{more} more'] if more else names)} {_is(finding)} {when} in {finding.split}"


def _repaired_tags(finding: DataFinding) -> str:
    scheme, *valid = finding.names
    where = f"{several(finding.count, 'tag')} in {several(round(finding.numbers['n_sentences']), 'sentence')} of {finding.split}"
    hint = f"; all tags are valid in {valid[0]}: is that data.scheme?" if valid else ""
    return f"{where} violate the scheme {scheme} and were read as conlleval reads them{hint}"


def _beyond_train(finding: DataFinding) -> str:
    of = finding.numbers
    numbers = f"{finding.count} of the {of['n']:g} numbers of {finding.split} ({of['low']:g} to {of['high']:g})"
    return f"{numbers} are outside the range of train ({of['train_low']:g} to {of['train_high']:g})"


def _outliers(finding: DataFinding) -> str:
    of = finding.numbers
    where = f"more than {of['max_iqrs']:g} interquartile ranges beyond the quartiles of train"
    return f"{finding.count} of the {of['n']:g} numbers of {finding.split} are {where} ({of['lower']:g} and {of['upper']:g})"


def _many_blocks(finding: DataFinding) -> str:
    made = f"the {finding.numbers['n_texts']:g} texts of {finding.split} make {finding.count} blocks of at most"
    hint = "a step takes whole texts, so choose a small training.batch_size or a smaller data.text_unit"
    return f"{made} {finding.numbers['max_length']:g} tokens; {hint}"


def _special_tokens(finding: DataFinding) -> str:
    has = "has" if finding.count == 1 else "have"
    names = listed(finding.names[:MOST_NAMES])
    return f"{_texts(finding)} {has} {names} in it, which the encoder reads as control tokens; remove what is not meant so"


def _foreign_text(finding: DataFinding) -> str:
    rate, usual = finding.numbers["rate"], finding.numbers["usual"]
    made = f"the words of {finding.split} fall into {rate:.1f} subwords each ({finding.count:,} in all)"
    return f"{made}, where about {usual:.1f} are usual: choose an encoder that knows this language"


def _many_labels(finding: DataFinding) -> str:
    n = finding.numbers["n_examples"]
    return f"{finding.split} has {finding.count} different labels in {n:g} examples: does data.label name the right column?"


def _joined_labels(finding: DataFinding) -> str:
    (separator,) = finding.names
    return (
        f"{several(finding.count, 'label')} of {finding.split} {'joins' if finding.count == 1 else 'join'} others with"
        f" '{separator}': is the head multi_label?"
    )


def _unanswerable_share(finding: DataFinding) -> str:
    share, tuned = finding.numbers["share"], finding.numbers["validation_share"]
    shares = f"{percent(share, 2)} of {finding.split} are unanswerable but {percent(tuned, 2)} of validation"
    return f"{shares}, on which the null threshold is tuned"


CLAUSES: dict[str, Callable[[DataFinding], str]] = {
    "duplicates": lambda f: f"{_texts(f)} {_is(f)} duplicated in it",
    "conflicting_labels": lambda f: f"{_texts(f)} occur{'s' if f.count == 1 else ''} with different labels",
    "overlap": lambda f: f"{_texts(f)} {_is(f)} also in {f.names[0]}",
    "conflicting_overlap": lambda f: f"{_texts(f)} {_is(f)} also in {f.names[0]}, with a different label",
    "look_alike_labels": lambda f: (
        f"{several(f.count, 'label')} of {f.split} differ only by case, Unicode form, invisible characters, similar letters or"
        " number spelling"
    ),
    "many_labels": _many_labels,
    "mixed_labels": lambda f: f"{several(f.count, 'label')} of {f.split} {_is(f)} not a number, as the others are",
    "numbers_as_labels": lambda f: (
        f"all {f.count} labels of {f.split} are numbers that seem to measure something: is the head regression?"
    ),
    "joined_labels": _joined_labels,
    "foreign_text": _foreign_text,
    "special_tokens": _special_tokens,
    "shared_contexts": lambda f: f"{_questions(f)} {_is(f)} about contexts that are also in {listed(f.names)}",
    "class_balance": _class_balance,
    "truncated": _truncated,
    "unknown_tokens": lambda f: f"{percent(f.numbers['ratio'], 3)} of the tokens of {f.split} are unknown to the encoder",
    "very_short": _very_short,
    "quoted_texts": _quoted_texts,
    "rows_as_texts": _rows_as_texts,
    "never_on": lambda f: _constant_labels(f, "never on"),
    "always_on": lambda f: _constant_labels(f, "always on"),
    "repaired_tags": _repaired_tags,
    "merged_entities": lambda f: (
        f"{several(f.count, 'entity')} of {f.split} directly after one of the same type; io merges the two"
    ),
    "cut_words": lambda f: (
        f"{several(f.count, 'word')} of {f.split} {_is(f)} longer than max_length {f.numbers['max_length']:g} and truncated"
    ),
    "repaired_answers": lambda f: (
        f"{several(f.count, 'answer')} of {f.split} {_is(f)} not at answer_start;"
        " each was moved to the only place where it occurs"
    ),
    "long_questions": lambda f: (
        f"{_questions(f)} {'has' if f.count == 1 else 'have'} more than {f.numbers['limit']:g} tokens and"
        f" {'was' if f.count == 1 else 'were'} {'left out' if f.names[0] == 'drop' else 'truncated'}"
    ),
    "inexpressible_answers": lambda f: f"no span of tokens in a window reads as the answer of {_questions(f)}",
    "several_answers": lambda f: f"{_questions(f)} {'has' if f.count == 1 else 'have'} several answers; the first is trained on",
    "unanswerable_share": _unanswerable_share,
    "beyond_train": _beyond_train,
    "constant_numbers": lambda f: (
        f"all {f.count} numbers of {f.split} are {f.numbers['value']:g}: every correlation is 0 there, and r2 is undefined"
    ),
    "outliers": _outliers,
    "many_blocks": _many_blocks,
}
"""Check → its clause."""
