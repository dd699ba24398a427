"""From the runs' stored predictions to what can be said over seeds. Imports no torch."""

from bertft_core.evaluation.run_scores import confusions, majority_scores
from bertft_core.evaluation.summarize import headline_split, summarize

__all__ = ["confusions", "headline_split", "majority_scores", "summarize"]
