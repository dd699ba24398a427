"""Checks across sections: each section may be valid by itself and still not fit the others."""

from collections.abc import Callable, Collection

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from bertft_core.config.base import misplaced
from bertft_core.config.data_settings import READING_KEYS, RESERVED_SPLITS, BundledData, DataConfig
from bertft_core.config.errors import did_you_mean
from bertft_core.config.search_checks import check_search, first_problem
from bertft_core.config.searched_arms import check_searched_arms
from bertft_core.config.seed_settings import CrossedDesign, OnlyDesign
from bertft_core.config.split_design_checks import check_split_design
from bertft_core.config.strategy_combinations import objection
from bertft_core.config.study_sections import StudySections
from bertft_core.config.training_settings import merge_training
from bertft_core.config.yaml_text import Path

EVERY_HEAD_READS = frozenset(
    {
        *RESERVED_SPLITS,
        *READING_KEYS,
        "source",
        "name",
        "config",
        "revision",
        "out_of_domain",
        "format",
        "max_length",
        "split",
        "subsample",
        "extra_train",
    }
)
"""Keys of `data` that every head reads."""


def check_study(study: StudySections) -> None:
    """Raise a pydantic error that names the place to change, for the first setting that does not fit the others."""
    _check_selection_metrics(study)
    for_every_arm(study, _check_sections)
    _check_splits(study)
    _check_registered(study)
    _check_selected_seeds(study)
    check_split_design(study)
    for name in study.arms:
        _check_train_subset(study, name)
        _check_arm(study.of_arm(name), name)
        check_searched_arms(study, name, _check_candidate)


def for_every_arm(study: StudySections, check: Callable[[StudySections], None]) -> None:
    """Check the study, and then as each arm sees it; an error in what an arm changes is at its place in the arm."""
    check(study)
    for name, arm in study.arms.items():
        own = study.of_arm(name)
        if own is study:
            continue
        try:
            check(own)
        except PydanticCustomError as error:
            problem = error.context or {}
            at: Path = problem["at"]
            own_place = ("arms", name, *at) if getattr(arm, str(at[0]), None) is not None else at
            raise misplaced(own_place, problem["message"], problem["hint"]) from None


def _check_sections(study: StudySections) -> None:
    if study.encoder.study == study.name:
        raise misplaced(("encoder", "study"), "a study cannot start from its own model", "rename this study")
    _check_data_keys(study)
    _check_head_init(study)


def _check_registered(study: StudySections) -> None:
    """What is registered in MLflow are models that the study keeps and logs."""
    at, problem = ("retention", "register"), "no model would be registered: none is "
    if study.retention.register and study.retention.checkpoints == "none":
        raise misplaced(at, f"{problem}kept", "set retention.checkpoints to best or all, or remove retention.register")
    if study.retention.register and not study.tracking.log_models:
        raise misplaced(at, f"{problem}logged", "remove tracking.log_models: false, or retention.register")


def _check_selection_metrics(study: StudySections) -> None:
    """Every metric that selects something is one of the head's, and names no split: selection always uses the validation set."""
    watched: list[tuple[Path, str | None]] = [(("metric",), study.metric)]
    if study.seeds.until is not None:
        watched.append((("seeds", "until", "metric"), study.seeds.until.metric))
    for name, arm in study.arms.items():
        stopping = [(i, s) for i, s in enumerate(arm.strategies) if s.kind == "early_stopping"]
        watched += [(("arms", name, "strategies", i, "metric"), s.metric) for i, s in stopping]
    for at, metric in watched:
        split, slash, rest = (metric or "").partition("/")
        if slash and split in (*RESERVED_SPLITS, *getattr(study.data, "out_of_domain", {})):
            problem = f"'{metric}' names a split, but selection always uses the validation set"
            raise misplaced(at, problem, f"write '{rest}'")
        if metric is not None:
            _check_known(metric, study.head.metrics, f"metric of the head '{study.head.kind}'", at)


def _check_selected_seeds(study: StudySections) -> None:
    if study.is_selected and study.probes is not None:
        problem = "probes are averaged over seeds, and selected seeds are not a sample"
        raise misplaced(("probes",), problem, "remove probes or seeds.start")


def _check_train_subset(study: StudySections, name: str) -> None:
    arm = study.arms[name]
    if arm.train_examples is None:
        return
    if isinstance(study.seeds.design, OnlyDesign | CrossedDesign) and arm.train_subsets == "per_seed":
        problem = "the design varies some seeds and fixes others, but each seed would train on other examples too"
        raise misplaced(("arms", name, "train_subsets"), problem, "write fixed (in a learning curve, subsets: fixed)")
    if study.of_arm(name).data.symmetric:
        problem = "data.symmetric trains on every pair in both orders, and a subset would cut these apart"
        raise misplaced(("arms", name, "train_examples"), problem, "remove it, or use data.subsample.train")


def _check_head_init(study: StudySections) -> None:
    """A design that varies the init seed needs something that is drawn from it."""
    design = study.seeds.design
    varies_init = getattr(design, "only", None) == "init" or (isinstance(design, CrossedDesign) and design.crossed.init > 1)
    reinitialised = any(strategy.kind == "reinit" for arm in study.arms.values() for strategy in arm.strategies)
    if varies_init and study.head.init == "checkpoint" and not reinitialised:
        problem = "head.init: checkpoint draws nothing from the init seed, so it cannot be varied"
        raise misplaced(("seeds", "design"), problem, "remove head.init, or vary another seed")


def _check_candidate(study: StudySections, name: str) -> None:
    """The arm as a search could make it."""
    own = study.of_arm(name)
    _check_selection_metrics(own)
    _check_sections(own)
    _check_strategies(own, name)
    _check_train_subset(study, name)


def _check_strategies(study: StudySections, name: str) -> None:
    refused = objection(study.arms[name].strategies, study.head)
    if refused is not None:
        raise misplaced(("arms", name, "strategies"), refused[1], f"remove '{refused[0]}'")


def _check_arm(study: StudySections, name: str) -> None:
    arm = study.arms[name]
    _check_strategies(study, name)
    try:
        base = merge_training(study.training, arm.overrides())
    except ValidationError as error:
        raise misplaced(
            ("arms", name, *error.errors()[0]["loc"]), first_problem(error), "choose values that fit each other"
        ) from None
    if arm.search is not None:
        check_search(arm.search, base, study.seeds, ("arms", name, "search"))


def _check_data_keys(study: StudySections) -> None:
    """Every key of `data` has an effect: the head reads it, and it fits the other keys."""
    data, head = study.data, study.head
    for key in sorted(data.model_fields_set - EVERY_HEAD_READS - head.reads):
        if getattr(data, key) != type(data).model_fields[key].get_default(call_default_factory=True):
            known = ", ".join(sorted(head.reads))
            raise misplaced(("data", key), f"the head '{head.kind}' does not read it; it reads {known}", "remove it")
    _check_windows(study)
    pair = not isinstance(data.text, str)
    if not isinstance(data.label, str) and head.kind == "regression":
        raise misplaced(("data", "label"), "regression learns one number, not several columns of 0 and 1", "name one column")
    if data.symmetric and not pair:
        hint = "name two columns in data.text, or remove it"
        raise misplaced(("data", "symmetric"), "only a pair of texts can be swapped", hint)
    if data.empty_texts == "keep" and not pair:
        raise misplaced(("data", "empty_texts"), "a single empty text has nothing to learn from", "remove it")
    if pair and data.long_texts == "windows":
        raise misplaced(("data", "long_texts"), "windows are made of one text, not of a pair", "use truncate")
    if pair and head.kind == "masked_lm":
        raise misplaced(("data", "text"), "masked_lm reads one text column", "name one of the two")
    if data.scheme == "plain" and data.train_scheme is not None:
        raise misplaced(("data", "train_scheme"), "plain tags mark no entities, so they cannot be converted", "remove it")
    if getattr(head, "crf", False) and getattr(head, "word_prediction", "first") != "first":
        raise misplaced(("head", "word_prediction"), "the CRF reads the first subword of each word", "remove one of them")


def _check_windows(study: StudySections) -> None:
    data, head = study.data, study.head
    windowed = "long_texts" not in head.reads or data.long_texts == "windows"
    if data.doc_stride is not None and not windowed:
        raise misplaced(("data", "doc_stride"), "only windows overlap", "set data.long_texts to windows, or remove it")
    if data.overlap >= data.max_length - 3:
        problem = f"windows of {data.max_length} tokens that share {data.overlap} cannot advance"
        raise misplaced(("data", "doc_stride"), problem, f"set data.max_length to more than {data.overlap + 3}, or remove it")
    if getattr(head, "aggregate", "mean") != "mean" and data.long_texts != "windows":
        problem = "without windows there is nothing to aggregate"
        raise misplaced(("head", "aggregate"), problem, "set data.long_texts to windows")


def _known_splits(data: DataConfig, *, drawn: bool) -> tuple[str, ...] | None:
    """The splits a study will have (`drawn` by its design), or None where only the source knows its out-of-domain sets."""
    if isinstance(data, BundledData):
        return None
    has_test = drawn or data.test is not None or data.split.test_ratio is not None or data.split.halve_validation
    return (*RESERVED_SPLITS[: 3 if has_test else 2], *data.out_of_domain)


def _check_splits(study: StudySections) -> None:
    split = study.data.split
    if split.halve_validation and split.test_ratio is not None:
        raise misplaced(
            ("data", "split", "test_ratio"),
            "the test set is cut from train or is half of validation, not both",
            "remove one of them",
        )
    if split.halve_validation and getattr(study.data, "test", None) is not None:
        raise misplaced(("data", "split", "halve_validation"), "data.test is given, so validation is not halved", "remove it")
    known, wanted = _known_splits(study.data, drawn=study.seeds.splits is not None), study.headline.split
    if wanted == "train":
        raise misplaced(("headline", "split"), "the training set is not scored", "write test, validation or an out-of-domain set")
    if known is None:
        return
    _check_known(wanted, dict.fromkeys((*RESERVED_SPLITS[1:], *known[1:])), "split of the data", ("headline", "split"))
    for name in study.data.subsample:
        _check_known(name, known, "split of the data", ("data", "subsample", name))


def _check_known(name: str, known: Collection[str], what: str, at: Path) -> None:
    if name not in known:
        hint = did_you_mean(name, known) or "correct it or remove it"
        raise misplaced(at, f"'{name}' is not a {what}, which has {', '.join(known)}", hint)
