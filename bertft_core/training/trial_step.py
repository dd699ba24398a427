"""One forward and backward pass before a study, so that settings of the encoder on which every run fails are found at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.base import digest_of
from bertft_core.config.strategy_settings import replay_of
from bertft_core.data import prepare_study_data
from bertft_core.data.encoder_config import FILE
from bertft_core.data.examples import shorten
from bertft_core.data.proved_encoder import transformers_version
from bertft_core.data.slow_libraries import need_slow_libraries, slow_libraries
from bertft_core.records import DatasetCard
from bertft_core.records.encoder_proof import FirstStep
from bertft_core.storage.damage import Tell
from bertft_core.storage.study_dir import read_record, write_record
from bertft_core.training.lean_imports import import_in_passing

VERSION = 1
"""Part of a trial's key: increase it when it finds more."""


def prepare_and_try(study: StudyConfig, *, home_dir: Path | str, tell: Tell = lambda problem: None) -> DatasetCard:
    """As `data.prepare_study_data.prepare_data`; then one step is tried, once for each data set,
    encoder and head of the arms and of what their searches can choose.

    Raises `UserError` also for an encoder with which that step fails.
    """
    card = prepare_study_data.prepare_data(study, home_dir=home_dir, tell=tell)
    for arm, settings in [*((arm, {}) for arm in study.arms), *study.variants()]:
        chosen = {arm: settings}
        _try_once(study.decided(chosen).of_arm(arm), card.decided(chosen).of_arm(arm), Path(home_dir))
    for arm, settings in study.tried_arms():
        chosen = {arm: settings}
        if replay_of(study.decided(chosen).arms[arm].strategies) is not None:
            need_slow_libraries()
            from bertft_core.training.replayed_steps import refuse_absent_head  # slow

            refuse_absent_head(card.decided(chosen).of_arm(arm), f"{arm}.{'search.space' if settings else 'strategies'}")
    return card


def prepare_in_passing(study: StudyConfig, *, home_dir: Path | str) -> DatasetCard:
    """As `prepare_and_try`, for a command that does nothing else with torch: it is imported as workers do it, faster."""
    with slow_libraries(import_in_passing):
        return prepare_and_try(study, home_dir=home_dir)


def _try_once(study: StudyConfig, card: DatasetCard, home: Path) -> None:
    key = digest_of(
        {
            "version": VERSION,
            "transformers": transformers_version(),
            "encoder": card.encoder.model_dump(),
            "data": card.fingerprint,
            "head": study.head.model_dump(),
        }
    )
    path = home / "encoders" / f"{key[:16]}-step.json"
    if read_record(path, FirstStep) != FirstStep(key=key):
        _refuse_failing_step(study, card)
        write_record(path, FirstStep(key=key))


def _refuse_failing_step(study: StudyConfig, card: DatasetCard) -> None:
    need_slow_libraries()
    try:
        problem = _problem(study, card)
    except UserError:
        raise
    except Exception as error:  # of any kind: whatever it is, every run would fail with it
        problem = f"{type(error).__name__}: {shorten((str(error).strip().splitlines() or [''])[0], 200)}"
    if problem is not None:
        raise UserError(
            "a first training step with this encoder fails, so every run would",
            code="encoder.step-fails",
            path=Path(card.encoder_dir) / FILE,
            found=problem,
            expected="a model that can be trained",
            hint="restore the settings in config.json that the checkpoint was published with, or choose another encoder",
        )


def _problem(study: StudyConfig, card: DatasetCard) -> str | None:
    """What is wrong with loss or gradient of a few short examples, on the CPU; None where nothing is."""
    import torch  # slow

    from bertft_core.data.prepared_split import open_split
    from bertft_core.heads import HEADS
    from bertft_core.training.model_runner import ModelRunner
    from bertft_core.training.run import warm_up

    warm_up()
    split, head = open_split(card.directory, "train"), HEADS[study.head.kind]
    with torch.random.fork_rng(), _one_thread():
        torch.manual_seed(0)
        model = head.build(card.encoder_dir, card.labels, None, study.head)
        if head.take_from_train is not None:
            head.take_from_train(model, split, study.head)
        runner = ModelRunner(model.train(), study.head, torch.device("cpu"))
        for indices in _batches(split.lengths):
            inputs = runner.head_inputs(split, indices, lambda example: np.random.default_rng(example))
            loss = runner.loss_sum(runner.logits(split, indices, inputs), inputs)
            loss.backward()
            if not torch.isfinite(loss):
                return f"a loss of {loss.item()}"
        runner.use_packed_attention(False)
        with TemporaryDirectory() as nowhere:
            model.config.save_pretrained(nowhere)  # as at the end of a run
    bad = next((name for name, p in model.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()), None)
    return None if bad is None else f"a gradient of {bad} that is not finite"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Workers want the cores meanwhile: threads of small products wait for each other, and took eight times the CPU time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batches(lengths: np.ndarray) -> list[np.ndarray]:
    """The shortest example alone, and with another one of another length, where there is one."""
    order = np.argsort(lengths, kind="stable")
    longer = order[lengths[order] > lengths[order[0]]][:1]
    return [order[:1], np.concatenate([order[:1], longer])] if len(longer) else [order[:1]]
