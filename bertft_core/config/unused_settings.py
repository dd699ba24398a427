"""Settings that have no effect or cannot work: refused in a config, accepted in a stored study of an older version."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationInfo

from bertft_core.config.base import misplaced
from bertft_core.config.data_settings import NEAR_DUPLICATES, BundledData, DataConfig
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.config.learning_curves import SIZE, SUBSETS
from bertft_core.config.strategy_settings import ClassWeights
from bertft_core.config.study_sections import ArmConfig, StudySections
from bertft_core.config.yaml_text import Path

FROM_CONFIG: dict[str, Any] = {"from_config": True}
"""Validation context of a study that is read from a config rather than from its stored record."""
MAX_BYTES = 200
"""Of a name used in file names: with prefix and suffix, a file name has at most 255 bytes."""
OF_NODES = ("address", "store", "gpus_per_run", "upload_every_seconds")
COLUMNS = ("text", "label", "tokens", "tags", "sentence", "question", "context", "answers")


def is_from_config(info: ValidationInfo) -> bool:
    """Whether the study is read from a config rather than from a stored record."""
    return info.context == FROM_CONFIG


def check_unused(study: StudySections) -> None:
    """Raise a pydantic error that names the place to change, for the first setting without effect."""
    _check_columns(study)
    _check_names(study)
    data = study.data
    if not isinstance(data, BundledData) and data.test is not None and data.split.test_ratio is not None:
        raise misplaced(("data", "split", "test_ratio"), "data.test is given, so no test set is cut", "remove one of them")
    given = isinstance(data, BundledData) or (data.validation is not None and (data.test is not None or not _cuts_test(data)))
    if data.split.group == NEAR_DUPLICATES and given and study.seeds.splits is None:
        problem = "no split is cut, so nothing can be kept together"
        raise misplaced(("data", "split", "group"), problem, "remove it; near-duplicates in two splits are a finding")
    for name, are in (("kernels", "kernels are those"), ("compute", "compute is that")):
        if study.execution.device == "cuda" and getattr(study.execution, name) not in ("auto", "original"):
            raise misplaced(("execution", name), f"{are} of a CPU, and device is cuda", "remove it, or set device to cpu")
    _check_engine(study.execution)
    for arm, settings in study.arms.items():
        _check_grid_values(arm, settings)
        if settings.train_examples is None and settings.train_subsets != "per_seed":
            raise misplaced(
                ("arms", arm, "train_subsets"), "the arm trains on all examples", "give train_examples too, or remove it"
            )
        for i, strategy in enumerate(settings.strategies):
            if isinstance(strategy, ClassWeights) and _has_unused_beta(strategy):
                at = ("arms", arm, "strategies", i, "beta")
                raise misplaced(at, "it only affects weights: effective_number", "remove it, or set weights to effective_number")
        space = {} if settings.search is None else settings.search.space
        if settings.train_examples is None and SUBSETS in space and SIZE not in space:
            raise misplaced(("arms", arm, "search", "space", SUBSETS), "the arm trains on all examples", "remove it")
        for name, part in space.items():
            choices = getattr(part, "choices", ())
            if repeated := [choice for i, choice in enumerate(choices) if choice in choices[:i]]:
                place = ("arms", arm, "search", "space", name, "choices")
                raise misplaced(place, f"{repeated[0]!r} is listed twice", "list each value once")


def _check_grid_values(arm: str, settings: ArmConfig) -> None:
    """An arm that a grid or learning curve made has what it is called by: reports draw and average by these values."""
    space = {} if settings.search is None else settings.search.space
    for key, value in settings.grid_values.items():
        if key in space:
            problem = "a grid or learning curve gives this setting, and the search would choose another"
            raise misplaced(("arms", arm, "search", "space", key), problem, "remove one of the two")
        own = getattr(settings, key, None)
        if isinstance(own, int | float) and isinstance(value, int | float) and own != value:
            problem = f"the arm is shown as the one with {key} {value}, not {own}"
            raise misplaced(("arms", arm, key), problem, "change the grid or the sizes instead, or add an arm")


def _cuts_test(data: DataConfig) -> bool:
    return data.split.test_ratio is not None or data.split.halve_validation


def _has_unused_beta(strategy: ClassWeights) -> bool:
    return strategy.weights != "effective_number" and strategy.beta != ClassWeights.model_fields["beta"].default


def _check_engine(execution: ExecutionConfig) -> None:
    if execution.engine == "local":
        for name in OF_NODES:
            if getattr(execution, name) != ExecutionConfig.model_fields[name].default:
                problem = "runs are carried out on this machine, without nodes"
                raise misplaced(("execution", name), problem, "remove it, or set engine to ray or work_pool")
    elif execution.gpus_per_run is not None and execution.engine == "work_pool":
        raise misplaced(("execution", "gpus_per_run"), "a run on a work pool has whole GPUs", "remove it, and set device to cuda")
    elif execution.gpus_per_run is not None and execution.device == "cpu":
        raise misplaced(("execution", "gpus_per_run"), "device is cpu", "remove it, or set device to cuda")


def _check_columns(study: StudySections) -> None:
    """Every input and target has its own column."""
    seen: dict[str, str] = {}
    for key, column in _columns(study):
        if column in seen:
            other = f"is also data.{seen[column]}" if seen[column] != key else "is named twice"
            raise misplaced(("data", key), f"the column '{column}' {other}", "name another column: each needs its own")
        seen[column] = key


def _columns(study: StudySections) -> Iterator[tuple[str, str]]:
    for key in COLUMNS:
        if key in study.head.reads:
            value = getattr(study.data, key)
            yield from ((key, column) for column in ([value] if isinstance(value, str) else value or ()))


def _check_names(study: StudySections) -> None:
    named: list[tuple[Path, str]] = [(("arms", arm), arm) for arm in study.arms]
    named += [(("data", "out_of_domain", name), name) for name in getattr(study.data, "out_of_domain", {})]
    for at, name in named:
        if (n := len(name.encode())) > MAX_BYTES:
            raise misplaced(at, f"the name has {n} bytes, which is too long for a file name", "use a shorter one")
