"""Results of a study are of the encoder that it has now: a run's digest knows the weights, but not all that decides a model."""

from pathlib import Path

from bertft_core.config import UserError
from bertft_core.records import DatasetCard, EncoderIdentity
from bertft_core.storage.study_dir import StudyDir, read_record


def refuse_other_study(study_dir: StudyDir, card: DatasetCard) -> None:
    """Raise `UserError` where what the study's folder holds (runs, searches, checkpoints) is of another model than the card's."""
    known = read_record(study_dir.card_path, DatasetCard)
    if known is not None and (study_dir.path / "runs").is_dir():
        before = {each.encoder.in_digests: each.encoder for each in known.every}
        for each in card.every:
            refuse_other_model(before.get(each.encoder.in_digests, each.encoder), each, study_dir.path)


def refuse_other_model(known: EncoderIdentity, card: DatasetCard, path: Path) -> None:
    """Raise `UserError` for a result of the same weights with other settings, or of a version that kept a checkpoint's head."""
    now = card.encoder
    if known.weights_sha256 != now.weights_sha256 or now.settings_sha256 is None:
        return
    hint = f"train them again in their place: --force; or beside them: --set name={path.name}-2"
    if known.settings_sha256 is None and card.replaced_parts:
        raise UserError(
            "the runs may have started from the head of the checkpoint",
            code="study.checkpoint-head",
            path=path,
            found=f"runs of an older version, and a checkpoint with a head of its own: {', '.join(card.replaced_parts)}",
            expected="runs whose head is drawn from the init seed",
            hint=hint,
        )
    if known.settings_sha256 not in (None, now.settings_sha256):
        raise UserError(
            "the encoder's settings have changed since the runs were trained",
            code="study.encoder-settings-changed",
            path=path,
            found=f"other settings in {Path(card.encoder_dir) / 'config.json'}, or another CRF beside the same weights",
            expected="the settings that the runs were trained with",
            hint=f"restore them, or {hint}",
        )
