"""From a study and its data to the list of runs. Pure: the same study and card give the same specs on every machine."""

from collections.abc import Mapping
from typing import Any, Literal

from bertft_core.config.base import digest_of
from bertft_core.config.search_settings import SearchConfig
from bertft_core.config.study_config import ArmConfig, StudyConfig
from bertft_core.config.training_settings import TrainingConfig, merge_training
from bertft_core.records import DatasetCard
from bertft_core.records.compute import FIRST, Compute
from bertft_core.records.run_spec import NOT_OF_ENCODER, NOT_OF_STRATEGY, RunSpec, SeedTriple
from bertft_core.seeds import joint_seeds, report_seeds, split_of, with_examples

REPEATED: dict[str, Any] = {"stage": "repeats", "keep_model": False, "watch_gradients": 0}
"""What a repeat is beside its number."""
Chosen = Mapping[str, Mapping[str, Any]]
"""Arm → setting its search chose."""


def plan_runs(study: StudyConfig, card: DatasetCard, chosen: Chosen, n_seeds: int | None = None) -> list[RunSpec]:
    """The report runs: every arm over the design's seeds, seed by seed so that all arms grow together.

    `n_seeds` of each arm; by default as many as are planned before any has ended. Where many start and the best go on, each stops
    at the cut: which go on is not known yet (`bertft_core.planning.wanted_runs.planned_runs` knows from the records).
    """
    settings = {arm: study.training_of(arm, dict(chosen.get(arm, {}))) for arm in study.arms}
    study, card = study.decided(chosen), card.decided(chosen)
    cards, splits = {arm: card.of_arm(arm) for arm in study.arms}, card.evaluated_splits
    specs = []
    for index, seeds in report_seeds(study.seed, study.seeds, n_seeds):
        split = split_of(study.seeds, index)
        for arm, own in cards.items():
            of_split = own.of_split(split)
            spec = _spec(study.of_arm(arm), of_split, arm, settings[arm], "seeds", index, seeds, splits)
            specs.append(spec if split is None else spec.model_copy(update={"split": split}))
    return [spec.model_copy(update={"stop_at": study.seeds.stop_at}) for spec in specs] if study.is_selected else specs


def plan_repeats(study: StudyConfig, card: DatasetCard, chosen: Chosen, *, with_first: bool = False) -> list[RunSpec]:
    """The repeats of every arm's first seed, arm by arm; `with_first` puts the run that they repeat before them."""
    firsts = plan_runs(study, card, chosen)[: len(study.arms)] if study.seeds.repeats else []
    return [
        spec.model_copy(update=REPEATED | {"repeat": repeat}) if repeat else spec
        for spec in firsts
        for repeat in range(0 if with_first else 1, study.seeds.repeats + 1)
    ]


def plan_trial(
    study: StudyConfig,
    card: DatasetCard,
    arm: str,
    params: Mapping[str, Any],
    *,
    trial: int,
    prune_below: Mapping[int, float] | None = None,
) -> list[RunSpec]:
    """The runs of one search trial: its setting on each search seed, scored on the validation split only."""
    search, chosen = search_of(study, arm), {arm: params}
    own = {name: value for name, value in params.items() if name in TrainingConfig.model_fields}
    training = merge_training(study.training_of(arm), search.training.overrides(), own)
    study, card = study.decided(chosen).of_arm(arm), card.decided(chosen).of_arm(arm)
    return [
        _spec(study, card, arm, training, "search", index, seeds, ("validation",)).model_copy(
            update={"trial": trial, "prune_below": dict(prune_below or {}), "keep_model": False}
        )
        for index, seeds in joint_seeds(study.seed, search.first_seed_index, search.n_seeds)
    ]


def search_digest(study: StudyConfig, card: DatasetCard, arm: str) -> str:
    """Identity of an arm's search; the number of trials is left out, so that a search can be made longer."""
    search, searched = search_of(study, arm), [each for each in card.searched if each.arm == arm]
    replayed, study, card = _replayed(study, card, arm), study.of_arm(arm), card.of_arm(arm)
    read = [
        {
            "settings": each.settings,
            "data": each.card.fingerprint,
            "encoder": each.card.encoder.model_dump(exclude=NOT_OF_ENCODER),
        }
        for each in searched
    ]
    return digest_of(
        ({"searched": read} if read else {})
        | ({"replayed": replayed} if replayed else {})
        | {
            "data": card.fingerprint,
            "encoder": card.encoder.model_dump(exclude=NOT_OF_ENCODER),
            "head": study.head.model_dump(),
            "metric": study.metric,
            "seed": study.seed,
            "training": study.training_of(arm).model_dump(),
            "strategies": [strategy.model_dump(exclude=NOT_OF_STRATEGY) for strategy in study.arms[arm].strategies],
            "search": search.model_dump(mode="json", exclude={"n_trials"}),
            "threads": study.execution.threads_per_run,
        }
        | _compute(study, any(each.by_hand for each in (card, *(one.card for one in searched))))
        | _subset_settings(study.arms[arm])
    )


def _replayed(study: StudyConfig, card: DatasetCard, arm: str) -> list[str]:
    """SHA-256 of every file that the arm replays, or could by what its search chooses; a path is in no digest."""
    decided = (study.decided({arm: settings}) for name, settings in study.tried_arms() if name == arm)
    found = {card.replayed_sha256(each.arms[arm].strategies) for each in decided}
    return sorted(sha256 for sha256 in found if sha256 is not None)


def _compute(study: StudyConfig, by_hand: bool) -> dict[str, Any]:
    """Nothing for what the first version computed with; `by_hand`: of any encoder that the search may choose."""
    compute = Compute.asked_by(study.execution, by_hand)
    return {} if compute == FIRST else {"compute": compute.model_dump(mode="json")}


def _subset_settings(arm: ArmConfig) -> dict[str, Any]:
    """Nothing for an arm that trains on all examples, as in searches before there were others."""
    return {} if arm.train_examples is None else {"train_examples": arm.train_examples, "train_subsets": arm.train_subsets}


def search_of(study: StudyConfig, arm: str) -> SearchConfig:
    """The search of an arm. Raises `ValueError` when it has none."""
    search = study.arms[arm].search
    if search is None:
        raise ValueError(f"arm '{arm}' has no search")
    return search


def _spec(
    study: StudyConfig,
    card: DatasetCard,
    arm: str,
    training: TrainingConfig,
    stage: Literal["search", "seeds"],
    index: int,
    seeds: SeedTriple,
    splits: tuple[str, ...],
) -> RunSpec:
    config = study.arms[arm]
    return RunSpec(
        study=study.name,
        arm=arm,
        stage=stage,
        index=index,
        head=study.head,
        encoder=card.encoder,
        data_fingerprint=card.fingerprint,
        labels=card.labels,
        metric=study.metric,
        training=training,
        strategies=config.strategies,
        train_examples=config.train_examples,
        replayed_sha256=card.replayed_sha256(config.strategies),
        seeds=seeds
        if config.train_examples is None
        else with_examples(seeds, study.seed, study.seeds, index, config.train_subsets),
        threads=study.execution.threads_per_run,
        compute=Compute.asked_by(study.execution, card.by_hand),
        evaluated_splits=splits,
        prepared_dir=card.directory,
        encoder_dir=card.encoder_dir,
        device=study.execution.device,
        checkpoint_every_seconds=study.execution.checkpoint_every_seconds,
        checkpoint_every_steps=study.execution.checkpoint_every_steps,
        watch_gradients=_watched_steps(study) if stage == "seeds" else 0,
        keep_model=study.retention.checkpoints != "none" or (study.probes is not None and study.probes.needs_model),
    )


def _watched_steps(study: StudyConfig) -> int:
    return 0 if study.probes is None or study.probes.gradients is None else study.probes.gradients.steps
