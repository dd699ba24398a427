"""What the runs of a design are called: seeds where each is a seed of its own, else runs, which share seeds or examples."""

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.config.study_config import StudyConfig
from bertft_core.records.comparison_record import Comparison, PairComparison


def unit(study: StudyConfig) -> str:
    """'seed', or 'run' in a crossed or a split design."""
    return "run" if isinstance(study.seeds.design, CrossedDesign) or study.seeds.splits is not None else "seed"


def unit_of_pair(pair: PairComparison) -> str:
    """The same of a pair: 'seed', 'crossed run' or 'run'."""
    return "crossed run" if pair.crossed else "seed" if pair.splits is None else "run"


def over_splits(comparison: Comparison) -> bool:
    """Any of the pairs is tested over splits of the same examples."""
    return any(pair.splits is not None for pair in comparison.pairs)
