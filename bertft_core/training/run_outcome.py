"""The outcome of a run: its status, the predictions of its last and its best weights, the saved model, the record."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
from torch import Tensor

from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.metrics import METRICS
from bertft_core.records import Environment, RunRecord, RunSpec, RunStatus
from bertft_core.storage.predictions import CONFIDENCES_FILE, write_predictions
from bertft_core.storage.study_dir import file_sha256
from bertft_core.strategies.plan import FinetuningPlan
from bertft_core.training import weights
from bertft_core.training.adapter_file import FOLDER, lora_of, write_adapter
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.training_loop import Loop, StopReason
from bertft_core.training.used_rows import UsedRows

Tables = dict[str, pa.Table | None]
Scores = dict[str, dict[str, float]]


class RunOutcome:
    """The outcome of one run, from its loop."""

    def __init__(
        self,
        spec: RunSpec,
        run_dir: Path,
        splits: dict[str, PreparedSplit],
        runner: ModelRunner,
        plan: FinetuningPlan,
        loop: Loop,
        rows: UsedRows | None,
        ending: StopReason,
        error: str | None,
    ) -> None:
        self.spec, self._run_dir, self._splits, self._runner = spec, run_dir, splits, runner
        self._plan, self._model = plan, plan.model
        self._loop, self._ending, self._error = loop, ending, error
        self._rows = rows
        self._whole = rows.whole if rows is not None else lambda named: named

    @property
    def is_scored(self) -> bool:
        """The run has weights worth scoring."""
        return self._ending in ("completed", "stopped_early")

    def record(
        self,
        *,
        started_at: str,
        initial_head_sha256: str,
        environment: Environment,
        peak_memory_bytes: int | None,
        peak_reserved_bytes: int | None,
        ended_at: Callable[[], str],
    ) -> RunRecord:
        """Predict, save the model and make the record."""
        position, n_steps = self._loop.position, self._loop.steps.n_steps
        started = time.monotonic()
        weights_sha256 = weights.weights_sha256(self._whole(self._model.named_parameters()))
        scores, paths = self._predict() if self.is_scored else ({}, {})
        sizes = {name: values.numel() for name, values in self._whole(self._model.named_parameters())}
        model_dir = self._save_model() if self.is_scored and self.spec.keep_model else None
        n_seen = sum(len(self._loop.steps.indices(step)) for step in range(position.step))
        return RunRecord(
            spec=self.spec,
            digest=self.spec.digest,
            status=self._status(),
            error=self._error,
            started_at=started_at,
            ended_at=ended_at(),
            train_seconds=position.train_seconds,
            evaluate_seconds=position.evaluate_seconds + time.monotonic() - started,
            n_steps=position.step,
            planned_steps=n_steps,
            n_train_examples=self._splits["train"].n,
            examples_per_second=n_seen / position.train_seconds if position.train_seconds else None,
            peak_memory_bytes=peak_memory_bytes,
            peak_reserved_bytes=peak_reserved_bytes,
            n_parameters=sum(sizes.values()),
            n_trainable_parameters=sum(sizes[name] for name in self._plan.learning),
            batches=self._runner.batches,
            evaluations=position.evaluations,
            untrained=position.untrained,
            best_step=position.best_step,
            best_score=position.best_score,
            majority_score=self._majority_score(),
            final=scores.get("final", {}),
            best=scores.get("best", {}),
            predictions=paths,
            model_dir=model_dir,
            weights_sha256=weights_sha256,
            initial_head_sha256=initial_head_sha256,
            batch_order_sha256=self._loop.steps.order_digests(position.step),
            files=self._files(paths),
            environment=environment,
        )

    def _files(self, predictions: dict[str, dict[str, str]]) -> dict[str, str]:
        """SHA-256 of the files beside the record."""
        names = {name for of_split in predictions.values() for name in of_split.values()}
        names |= {"curves.jsonl", CONFIDENCES_FILE} | {
            path.relative_to(self._run_dir).as_posix() for path in self._run_dir.glob("model/**/*") if path.is_file()
        }
        return {name: file_sha256(self._run_dir / name) for name in sorted(names) if (self._run_dir / name).exists()}

    def _predict(self) -> tuple[dict[str, Scores], dict[str, dict[str, str]]]:
        """Scores and prediction files of the final and of the best weights; the model ends with the best.

        A split with logits that are not finite makes the run diverged, without either.
        """
        tables = {"final": self._tables(self._loop.position.step)}
        if self._loop.position.best_step == self._loop.position.step:
            tables["best"] = tables["final"]
        else:
            weights.put_back(self._model, self._loop.best_weights)
            tables["best"] = self._tables(self._loop.position.best_step)
        for checkpoint, of_split in tables.items():
            for name, predictions in of_split.items():
                if predictions is None:
                    self._ending = "diverged"
                    self._error = f"the logits of '{name}' were not finite with the {checkpoint} weights"
                    return {}, {}
        return {checkpoint: self._scores(of_split) for checkpoint, of_split in tables.items()}, self._write(tables)

    def _tables(self, step: int | None) -> Tables:
        """Split → predictions with the model's weights, which are those of `step`."""
        return {
            name: self._loop.validation.predictions_of(step) if name == "validation" else self._runner.predict(self._splits[name])
            for name in self.spec.evaluated_splits
        }

    def _scores(self, predictions: Tables) -> Scores:
        """What is tuned is tuned on the validation set, and fixed for the others."""
        metrics, labels = METRICS[self.spec.head.kind], self.spec.labels
        tuned = metrics.tune(predictions["validation"], labels)
        return {name: metrics.compute(table, labels, **tuned) for name, table in predictions.items()}

    def _write(self, predictions: dict[str, Tables]) -> dict[str, dict[str, str]]:
        """The files, relative to the run's folder; weights that are both final and best are written once."""
        paths: dict[str, dict[str, str]] = {}
        for checkpoint, of_split in predictions.items():
            if checkpoint == "best" and of_split is predictions["final"]:
                paths["best"] = paths["final"]
                continue
            paths[checkpoint] = {name: f"predictions/{checkpoint}/{name}.parquet" for name in of_split}
            for name, table in of_split.items():
                write_predictions(self._run_dir / paths[checkpoint][name], table)
        confidences = self._loop.validation.confidences.table()
        if confidences is not None:
            write_predictions(self._run_dir / CONFIDENCES_FILE, confidences)
        return paths

    def _majority_score(self) -> float | None:
        gold = ALIGNMENTS[self.spec.head.kind].gold
        train, validation = gold(self._splits["train"]), gold(self._splits["validation"])
        metrics = METRICS[self.spec.head.kind].majority(train, validation, self.spec.labels)
        return metrics.get(self.spec.metric)

    def _status(self) -> RunStatus:
        """Collapsed: at the end of training no better than the majority predictor (Mosbach et al. 2021)."""
        if self._ending in ("diverged", "pruned"):
            return self._ending  # type: ignore[return-value]
        majority, evaluations = self._majority_score(), self._loop.position.evaluations
        if majority is None or not evaluations:
            return "ok"
        score = evaluations[-1].metrics[self.spec.metric]
        higher_is_better = self.spec.head.metrics[self.spec.metric] == "maximize"
        return "collapsed" if (score <= majority if higher_is_better else score >= majority) else "ok"

    def _save_model(self) -> str:
        self._runner.use_packed_attention(False)
        if self._rows is not None:
            self._rows.put_back()
        spec, config = self.spec, lora_of(self.spec.strategies)

        def beside(folder: Path, values: Mapping[str, Tensor]) -> None:
            if config is not None:
                write_adapter(
                    folder / FOLDER, self._model, self._plan.learning, values, config, spec.encoder, spec.head.auto_class
                )

        weights.save_model(self._model, spec.head, Path(spec.encoder_dir), self._run_dir / "model", beside)
        return "model"
