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


def hint_of_usual(wanted: Sequence[str], names: Sequence[str], flags: Sequence[str] = ()) -> str | None:
    """Which keys of `data` to set where a table lacks default columns and has others that serve; `flags` hold only 0 and 1."""
    folded = {name.casefold().strip() for name in names}
    label = first_usual(LABELS, names) or (flags if len(flags) > 1 else None)
    serving = {"text": usual_text(names), "label": label, "tokens": first_usual(TOKENS, names), "tags": first_usual(TAGS, names)}
    keys = [f"data.{key}: {_listed(found)}" for key, found in serving.items() if key in wanted and key not in folded and found]
    return f"set {' and '.join(keys)}" if keys else None


def _listed(names: str | Sequence[str]) -> str:
    return names if isinstance(names, str) else f"[{', '.join(names)}]"
