"""From examples to what a head learns from, one module for each kind of head.

Each module offers `columns` (of a source), `reader` (from the cells of a row to an `Example`), `agree` (labels that all splits
can be learned and scored with; may repair or convert the examples), `for_training`, `settings` (what the stored table depends
on), `tokenise` (the Arrow table of a split), `gold` (the targets of a tokenised split, as `metrics` wants them), `counts` (for
the card) and `CHECKS` of its own.

Examples to predict have no labels: `reader(data, labelled=False)` gets the same cells with None in the label's place and gives
`Example`s whose label is None; `tokenise` puts anything of the right type where such a label would stand (-1, 0, NaN, nothing).
"""

from types import ModuleType

from bertft_core.data.alignment import (
    classification,
    masked_lm,
    multi_label,
    question_answering,
    regression,
    token_classification,
)

ALIGNMENTS: dict[str, ModuleType] = {
    "classification": classification,
    "multi_label": multi_label,
    "regression": regression,
    "token_classification": token_classification,
    "question_answering": question_answering,
    "masked_lm": masked_lm,
}
"""Kind of the head → its module."""
