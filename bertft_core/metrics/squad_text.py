"""How SQuAD compares one predicted text with the gold answers, as its official scripts for 1.1 and 2.0 do."""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalise(text: str) -> str:
    """Lower case without ASCII punctuation, without the articles a, an, the, and with single spaces; in this order."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_score(prediction: str, answers: Sequence[str], *, v2: bool = True) -> float:
    """1.0 when the normalised texts of the prediction and of one answer are equal, else 0.0.

    `answers` are the gold texts, none for an unanswerable question, whose right prediction is the empty text. SQuAD 2.0
    (`v2`) leaves out answers that normalise to nothing, 1.1 keeps them. Raises `ValueError` for no answers in 1.1.
    """
    return _best(prediction, answers, v2, lambda predicted, gold: float(predicted == gold))


def f1_score(prediction: str, answers: Sequence[str], *, v2: bool = True) -> float:
    """F1 of the bags of normalised words, the best over the answers, in [0, 1]; `answers` as in `exact_score`.

    Two texts without words score 1 in SQuAD 2.0 and 0 in 1.1.
    """
    return _best(prediction, answers, v2, lambda predicted, gold: _word_f1(predicted.split(), gold.split(), v2))


def _best(prediction: str, answers: Sequence[str], v2: bool, score: Callable[[str, str], float]) -> float:
    golds = [normalise(answer) for answer in answers]
    if v2:
        golds = [gold for gold in golds if gold] or [""]
    if not golds:
        raise ValueError("a question without answers cannot be scored as SQuAD 1.1")
    predicted = normalise(prediction)
    return max(score(predicted, gold) for gold in golds)


def _word_f1(predicted: list[str], gold: list[str], v2: bool) -> float:
    if not predicted and not gold:
        return float(v2)
    n_shared = (Counter(predicted) & Counter(gold)).total()
    return 2 * n_shared / (len(predicted) + len(gold))
