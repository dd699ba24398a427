"""The model that an earlier study in the same home kept, as the encoder of a later study."""

from pathlib import Path
from typing import NamedTuple

from bertft_core.config import StudyConfig
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.data.kept_model import refuse_changed_model
from bertft_core.records import ArmSummary, ChainLink, DatasetCard, RunRecord, RunSpec, StudySummary
from bertft_core.records.ranking import best_arm, best_first
from bertft_core.storage.damage import refuse_damage
from bertft_core.storage.study_dir import StudyDir, read_record


class KeptModel(NamedTuple):
    """A run's saved model."""

    directory: Path
    spec: RunSpec


def find_kept_model(config: EncoderConfig, home_dir: Path) -> tuple[KeptModel, tuple[ChainLink, ...]]:
    """The model of `config.study` in the home, with the chain of studies that leads to it.

    Without `config.arm`, the arm with the best mean of the headline metric, and the first of equals; without `config.seed`, the
    run with the best validation score, and the lowest index of equals, as `retention` keeps it. Raises `UserError` when there
    is no such study, arm or seed, when the study is not finished, or when the model was not kept.
    """
    assert config.study is not None
    study_dir = StudyDir(home_dir, config.study)
    refuse_damage(study_dir, records_only=True)
    study = read_record(study_dir.config_path, StudyConfig)
    if study is None:
        raise _no_such_study(config.study, home_dir)
    summary, card = read_record(study_dir.summary_path, StudySummary), read_record(study_dir.card_path, DatasetCard)
    if summary is None or card is None or summary.study_digest != study.digest:
        raise UserError(
            f"encoder.study: the study '{study.name}' is not finished",
            code="encoder-study.not-finished",
            path=study_dir.path,
            found="no summary" if summary is None else "a summary of an earlier version of the study",
            expected="a finished study",
            hint="run it first, with the same --home: bertft run CONFIG",
        )
    arm = _arm(config, study, summary, study_dir)
    record = _run(config, study, arm, study_dir)
    directory = study_dir.run_dir(record.digest) / (record.model_dir or "model")
    if not directory.is_dir():
        raise _not_kept(study, record, directory)
    refuse_changed_model(record, directory.parent)
    spec = record.spec.model_copy(update={"study": study.name})
    link = ChainLink(study=study.name, arm=arm.arm, seed=spec.index, run_digest=record.digest, encoder=spec.encoder)
    return KeptModel(directory, spec), (*card.of_run(record.spec).chain, link)


def _arm(config: EncoderConfig, study: StudyConfig, summary: StudySummary, study_dir: StudyDir) -> ArmSummary:
    arms = {arm.arm: arm for arm in summary.arms}
    if config.arm is not None:
        if config.arm not in arms:
            raise UserError(
                f"encoder.arm: the study '{study.name}' has no arm '{config.arm}'",
                code="encoder-study.unknown-arm",
                path=study_dir.path,
                found=config.arm,
                expected=f"one of {', '.join(arms)}",
                hint=did_you_mean(config.arm, arms) or "correct encoder.arm, or remove it to use the best arm",
            )
        return arms[config.arm]
    best = best_arm(study, summary)
    if best is None:
        raise _no_model(study, study_dir, "no arm has a score")
    return arms[best[0]]


def _run(config: EncoderConfig, study: StudyConfig, arm: ArmSummary, study_dir: StudyDir) -> RunRecord:
    found = [record for seed in arm.seeds if (record := study_dir.record(seed.run_digest)) is not None]
    ranked = best_first(study, found)
    records = {record.spec.index: record for record in sorted(ranked, key=lambda record: record.spec.index)}
    if config.seed is not None:
        if config.seed not in records:
            known = ", ".join(map(str, records)) or "none"
            raise UserError(
                f"encoder.seed: the arm '{arm.arm}' of the study '{study.name}' has no model of seed {config.seed}",
                code="encoder-study.no-seed",
                path=study_dir.path,
                found=f"seed {config.seed}",
                expected=f"one of {known}",
                hint="correct encoder.seed, or remove it to use the best seed",
            )
        return records[config.seed]
    if not ranked:
        raise _no_model(study, study_dir, f"no run of the arm '{arm.arm}' finished with a score")
    return ranked[0]


def _no_such_study(name: str, home_dir: Path) -> UserError:
    known = sorted(path.parent.name for path in home_dir.glob("studies/*/config.json"))
    return UserError(
        f"encoder.study: there is no study '{name}' in this home",
        code="encoder-study.not-found",
        path=home_dir,
        found=f"the studies {', '.join(known)}" if known else "no studies",
        expected="a study that has been run here",
        hint=did_you_mean(name, known) or "run that study first, with the same --home: bertft run CONFIG",
    )


def _no_model(study: StudyConfig, study_dir: StudyDir, found: str) -> UserError:
    return UserError(
        f"encoder.study: the study '{study.name}' has no model to start from",
        code="encoder-study.no-model",
        path=study_dir.path,
        found=found,
        expected="a successful run",
        hint=f"see what went wrong with: bertft status {study.name}",
    )


def _not_kept(study: StudyConfig, record: RunRecord, directory: Path) -> UserError:
    more = "retention.budget_gib=null" if record.model_dropped is not None else "retention.checkpoints=all"
    again = f"run {study.name} again with --force --set {more}"
    return UserError(
        f"encoder.study: the study '{study.name}' did not keep the model of {record.spec.title}",
        code="encoder-study.model-not-kept",
        path=directory,
        found=f"retention.checkpoints: {study.retention.checkpoints}",
        expected="the saved model of that run",
        hint=again if study.retention.checkpoints == "none" else f"{again}, or remove encoder.seed",
    )
