"""What a split design leaves no place for: sets that are given or cut once, and what chooses on examples that others test."""

from bertft_core.config.base import misplaced
from bertft_core.config.data_settings import BundledData, DataConfig
from bertft_core.config.study_sections import StudySections


def check_split_design(study: StudySections) -> None:
    """Raise a pydantic error that names the place to change, for the first setting that does not fit a split design."""
    if study.seeds.splits is None:
        return
    _check_given_sets(study.data)
    for name, arm in study.arms.items():
        if arm.search is not None:
            problem = "a search would choose on examples that some of the splits test"
            hint = "search in a study without seeds.design on other examples, and write what it chose here"
            raise misplaced(("arms", name, "search"), problem, hint)
    if study.ensemble:
        problem = "the runs of an arm are tested on different examples, so they are no ensemble"
        raise misplaced(("ensemble",), problem, "remove it")


def _check_given_sets(data: DataConfig) -> None:
    for name in () if isinstance(data, BundledData) else ("validation", "test"):
        if getattr(data, name) is not None:
            problem = f"seeds.design cuts a {name} set of its own from train for every split"
            raise misplaced(
                ("data", name), problem, "set it to null (add its examples to train, or name it in data.out_of_domain)"
            )
    if data.split.test_ratio is not None:
        raise misplaced(("data", "split", "test_ratio"), "seeds.design says what is tested", "remove it")
    if data.split.halve_validation:
        raise misplaced(("data", "split", "halve_validation"), "seeds.design says what is tested", "remove it")
    for name in data.subsample:
        if name in ("validation", "test"):
            raise misplaced(("data", "subsample", name), "seeds.design cuts it from train", "subsample train instead")
