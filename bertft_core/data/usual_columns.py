"""Columns with usual names: what a table most likely holds, for hints and for what `recommend` writes, not for readers."""

from collections.abc import Sequence

PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("sentence_a", "sentence_b"),
    ("question", "sentence"),
)
TEXTS = (
    "text", "sentence", "content", "review", "message", "document", "body", "comment", "comment_text", "utterance", "tweet",
    "title",
)  # fmt: skip
LABELS = (
    "label", "labels", "class", "category", "target", "score", "rating", "stars", "sentiment", "intent", "topic", "emotion",
    "gold_label", "class index",
)  # fmt: skip
TOKENS = ("tokens", "words", "token", "word")
TAGS = ("tags", "ner_tags", "ner", "tag", "ner_tag", "pos_tags", "upos", "pos", "labels", "label")
SENTENCES = ("sentence_id", "sentence id", "sentence #", "sentence_number", "sent_id", "sentence", "sent")
"""Columns with the number or name of a sentence, in tables with one word per row."""
IDS = ("", "id", "idx", "index", "guid", "uid", "pairid", "unnamed: 0")
"""Columns that hold nothing about the example; one without a name is the row number that pandas writes."""
QUESTION = ("question", "context", "answers")
EVERY_NAME = frozenset({*TEXTS, *LABELS, *TOKENS, *TAGS, *IDS, *QUESTION, *(name for pair in PAIRS for name in pair)}) - {""}


def are_column_names(cells: Sequence[str], named: Sequence[str]) -> bool:
    """Whether a row holds the names of columns: those given, in any case, or usual ones alone, if it has several cells."""
    folded = [cell.strip(' "').casefold() for cell in cells]
    return folded == [name.strip().casefold() for name in named] or 1 < len(set(folded) & EVERY_NAME) == len(folded)


def first_usual(usual: Sequence[str], names: Sequence[str]) -> str | None:
    """The first usual name that is there, as it is written there: Text and LABEL are usual too."""
    by_folded = {name.casefold().strip(): name for name in reversed(names)}
    return next((by_folded[name] for name in usual if name in by_folded), None)


def usual_text(names: Sequence[str]) -> str | tuple[str, str] | None:
    """The text column with a usual name, or the two of a pair. None where there is none."""
    for pair in PAIRS:
        first, second = (first_usual((name,), names) for name in pair)
        if first is not None and second is not None:
            return first, second
    return first_usual(TEXTS, names)
