"""From the runs' stored predictions to what can be said over seeds. Imports no torch."""

from bertft_core.evaluation.scores import confusions, majority_scores
from bertft_core.evaluation.summary import headline_split, summarise

__all__ = ["confusions", "headline_split", "majority_scores", "summarise"]
