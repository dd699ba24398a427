"""Any Unicode text, and windows of any size that a study may ask for, for tests of properties; every run draws the same.

Importing this loads the one profile of hypothesis that all such tests share.
"""

from __future__ import annotations

import operator

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers

from bertft_core.data.cells import is_visible

# Hypothesis also draws constants out of the source of whatever project modules are loaded: tests that ran before in the same
# process would decide what is drawn. There is no setting for it.
assert callable(providers._get_local_constants)
providers._get_local_constants = providers.Constants

settings.register_profile(
    "bertft",
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # a busy machine is no fault
)
settings.load_profile("bertft")

CHARACTERS = st.characters(exclude_categories=["Cs"])
"""Every character there is, unassigned ones included; half a surrogate pair is none."""

BLANKS = (" ", "\t", "\n", "\r", "\x0b", "\x1c", "\x85", "\xa0", "\u2003", "\u2028", "\u3000")
HARD = (
    *BLANKS,
    *("\x00", "\x07", "\x1b", "\x7f", "\x9f", "\xad", "\ufffd", "\uffff", "\ue000", "\U0010ffff"),  # control, private, nothing
    *("\u0301", "e\u0301", "\u0338", "\u0344", "\u0489", "\u20dd", "\ufe0f", "a" + "\u0300" * 30),  # marks
    *("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u180e", "\u202e"),  # nothing to see
    *("é", "ß", "İ", "ı", "ŉ", "ﬁ", "ſ", "½", "²", "Å", "ẞ", "ǅ", "ΐ", "Σς"),  # other lengths in other cases and forms
    *("日本語", "豈", "각", "\u1112\u1161", "한국어", "ไทย", "नमस्ते", "שָׁלוֹם", "مَرْحَبًا", "\u0600", "ﷺ"),
    *("😀", "👩🏽\u200d🚀", "🇺🇳", "1\ufe0f\u20e3", "𝔘", "𠀀"),
    *("[SEP]", "[CLS]", "[UNK]", "[PAD]", "[MASK]", "[sep]", "##a", "##", "<s>"),
    *("good", "The film", "never", "don't", "3.14", "a_b", "...", "—", "'"),
)
LONG = st.builds(operator.mul, st.sampled_from(["a", "ab-", "9", "é", "語", "\u0301", "a\u200b"]), st.integers(2, 120))
FRAGMENTS = st.one_of(st.sampled_from(HARD), st.sampled_from(HARD), st.text(CHARACTERS, max_size=6), LONG)


def _joined(n_fragments: int) -> st.SearchStrategy[str]:
    return st.lists(FRAGMENTS, min_size=1, max_size=n_fragments).map("".join)


def texts(n_fragments: int = 8) -> st.SearchStrategy[str]:
    """Texts of so many fragments at most, with at least one visible character."""
    return _joined(n_fragments).filter(is_visible)


WORDS = _joined(3).filter(str.strip)
"""White space in them too, for only the words of a CoNLL file have none."""
SHORT_WORDS = st.one_of(st.sampled_from(HARD), st.text(CHARACTERS, max_size=3)).filter(str.strip)
"""Many of them in a window."""


@st.composite
def window_sizes(draw: st.DrawFn) -> tuple[int, int]:
    """`max_length` and `doc_stride` that a study may ask for together."""
    max_length = draw(st.integers(5, 24))
    return max_length, draw(st.integers(1, max_length - 4))
