"""Refusals of services and of child processes: MLflow's store, Prefect's server, workers, pages."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from bertft_core.records import RunRecord
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.training import predict, workers
from bertft_core.training.probing.run_probes import _Models
from bertft_core.training.run import device_of
from flows.cli import announce_command, embedded_server, replay_command, server_answers, ui_command
from flows.cli.diff_command import find_run
from flows.cli.server_answers import expect_mlflow_login, expect_prefect
from tasks.engines import engine, node_needs, ray_refusals, work_pool_refusals
from tasks.tracking.logged_runs import fetch_run, read_logged
from tasks.tracking.logged_studies import fetch_study
from tasks.tracking.mlflow_store import open_store
from tasks.tracking.verdicts import study_run_of
from tests.helpers.refusals.refusal import Refusal, raising
from tests.helpers.refusals.stored_copies import own_copy

API = "http://127.0.0.1:9/api"
LOG = SimpleNamespace(path=Path("server.log"), last_lines=lambda: "OSError: no space left")
EXITED = SimpleNamespace(poll=lambda: 3, wait=lambda: 3)


def _record(folder: Path) -> RunRecord:
    """A finished run of a stored study."""
    return next(iter(StudyDir(folder / "home", "claims").records()))


def _several_runs(folder: Path) -> None:
    own_copy(folder, "claims", "claims")
    study_dir, record = StudyDir(folder / "own", "claims"), _record(folder)
    twin = record.digest[:12] + "0" * 52
    write_record(study_dir.run_dir(twin) / "record.json", record.model_copy(update={"digest": twin, "files": {}}))
    find_run(record.digest[:8], folder / "own", folder)


def _fp16(folder: Path) -> None:
    spec = _record(folder).spec
    device_of(spec.model_copy(update={"device": "cpu", "training": spec.training.model_copy(update={"precision": "fp16"})}))


def _no_model_to_probe(folder: Path) -> Any:
    return _Models(_record(folder).spec, folder / "run", "cpu").finetuned  # type: ignore[arg-type]


def _of_kept_run(function: Callable[..., object], *more: object) -> Callable[[Path], None]:
    def refused(folder: Path) -> None:
        run = predict.KeptRun(_record(folder), folder / "run")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(predict, "_opened", lambda *_: SimpleNamespace(predict=lambda *_, **__: None))
            function(run, *more)

    return refused


def _silent_worker(_: Path) -> None:
    worker = object.__new__(workers.Worker)
    vars(worker).update(_log=LOG, _before=None, _process=EXITED, _is_ready=False)
    raise worker._death()


def _server(_: Path) -> None:
    server = object.__new__(embedded_server.EmbeddedServer)
    vars(server).update(_log=LOG, _process=EXITED, _is_over=lambda: True)
    server.wait_until_ready()


def _refused(expect: Callable[[str], None]) -> Callable[[Path], None]:
    """A server that answers `/health` to everybody, and everything else to nobody."""

    def refused(_: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("_refuses", "_refuses_prefect_client", "refuses_login"):
                patch.setattr(server_answers, name, lambda *_: True)
            expect(API)

    return refused


def _pages(seconds: float, *, alive: bool) -> Callable[[Path], None]:
    def refused(_: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ui_command, "START_TIMEOUT_SECONDS", seconds)
            ui_command._wait_for(API, SimpleNamespace(alive=alive, log=LOG))  # type: ignore[arg-type]

    return refused


def _replayed(**changes: object) -> Callable[[Path], None]:
    """A run whose data or encoder are others when they are prepared again."""

    def refused(folder: Path) -> None:
        spec = _record(folder).spec
        encoder = spec.encoder.model_copy(update={"weights_sha256": "0" * 64})
        study = SimpleNamespace(encoder=SimpleNamespace(study=None))
        card = SimpleNamespace(**{"fingerprint": spec.data_fingerprint, "encoder": encoder} | changes)
        logged = SimpleNamespace(record=_record(folder), study=SimpleNamespace(only=lambda arm: study), card=None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "bertft_core.training.trial_step.prepare_and_try", lambda *_, **__: SimpleNamespace(of_run=lambda spec: card)
            )
            replay_command.rebuilt_spec(logged, folder / "again", folder / "home")  # type: ignore[arg-type]

    return refused


def _logged(stage: str, **tags: str) -> Callable[[Path], tuple[Any, Any]]:
    """A store with one run of the experiment `small`, and that run."""

    def made(folder: Path) -> tuple[Any, Any]:
        client, experiment = open_store(folder / "own", None, "small")
        return client, client.create_run(experiment, tags={"bertft.stage": stage, **tags}, run_name="small")

    return made


def _unfinished(folder: Path) -> None:
    _logged("study")(folder)
    fetch_study("small", folder / "fetched", home_dir=folder / "own", uri=None)


def _no_study(folder: Path) -> None:
    _logged("study")(folder)
    fetch_study("smal", folder / "fetched", home_dir=folder / "own", uri=None, in_home=["claims"])


def _store_away(folder: Path) -> None:
    _logged("study")(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.tracking.logged_studies._study_run", raising(MlflowException("connection refused")))
        fetch_study("small", folder / "fetched", home_dir=folder / "own", uri=None)


def _fetch(name: Callable[[Any], str]) -> Callable[[Path], None]:
    def refused(folder: Path) -> None:
        _, run = _logged("study")(folder)
        fetch_run(name(run), folder / "fetched", home_dir=folder / "own", uri=None)

    return refused


NODE, WANTED = "10.0.0.7", {"bertft": "0.1.0", "torch": "2.13.0"}

ROWS = (
    Refusal("engine.not-installed", call=raising(engine.not_installed("ray"))),
    Refusal("ray.no-cluster", call=raising(ray_refusals.no_cluster(None, ConnectionError("no running Ray instance")))),
    Refusal("ray.no-token", call=lambda _: ray_refusals.refuse_open_cluster("10.0.0.1:6379")),
    Refusal("node.other-versions", call=raising(node_needs.other_versions(NODE, WANTED | {"torch": "2.12.1"}, WANTED))),
    Refusal("ray.slot-does-not-start", call=raising(ray_refusals.slot_does_not_start("No module named 'tasks'"))),
    Refusal("node.cache-limit", call=raising(node_needs.no_cache_limit(NODE, "50GB"))),
    Refusal("node.store-out-of-sight", call=raising(node_needs.store_out_of_sight(NODE, "file:///home/me/artifacts"))),
    Refusal("pool.no-server", call=raising(work_pool_refusals.no_server(None))),
    Refusal("pool.not-found", call=raising(work_pool_refusals.no_pool("gpus", API))),
    Refusal("pool.no-worker", call=raising(work_pool_refusals.no_worker("gpus", 0))),
    Refusal("pool.does-not-start", call=raising(work_pool_refusals.does_not_start("gpus", "Crashed", "exit code 1"))),
    Refusal("diff.several-runs", call=_several_runs),
    Refusal("machine.fp16-needs-gpu", call=_fp16),
    Refusal("probes.no-model", call=_no_model_to_probe, place="run/model"),
    Refusal("predict.not-finite", call=_of_kept_run(predict._predictions, None, 1), place="run/model"),
    Refusal(
        "predict.threshold-unknown",
        call=_of_kept_run(predict._validation_predictions),
        place="run/predictions/best/validation.parquet",
    ),
    Refusal("worker.does-not-start", call=_silent_worker, place="server.log"),
    Refusal("prefect.server-does-not-start", call=_server, place="server.log"),
    Refusal("prefect.server-does-not-answer", call=lambda _: expect_prefect(API)),
    Refusal("prefect.wrong-credentials", call=_refused(expect_prefect)),
    Refusal("mlflow.wrong-credentials", call=_refused(expect_mlflow_login)),
    Refusal("prefect.event-refused", call=raising(announce_command._no_answer(API, OSError("Connection refused")))),
    Refusal("ui.server-does-not-start", call=_pages(9, alive=False), place="server.log"),
    Refusal("ui.no-answer", call=_pages(0, alive=True), place="server.log"),
    Refusal("ui.no-free-ports", call=lambda _: ui_command._free_ports(65535, 2)),
    Refusal("replay.data-changed", call=_replayed(fingerprint="0" * 64)),
    Refusal("replay.encoder-changed", call=_replayed()),
    Refusal("mlflow.run-of-no-study", call=lambda folder: study_run_of(*_logged("seeds")(folder))),
    Refusal("mlflow.no-finished-study", call=_unfinished),
    Refusal("mlflow.no-study", call=_no_study),
    Refusal("mlflow.unreadable-study", call=_store_away),
    Refusal("mlflow.no-run", call=_fetch(lambda _: "small/full/0")),
    Refusal("mlflow.unreadable-run", call=_fetch(lambda _: "0" * 32)),
    Refusal("mlflow.not-a-training-run", call=_fetch(lambda run: run.info.run_id)),
    Refusal("mlflow.incomplete-run", call=lambda folder: read_logged(folder / "record.json", RunRecord, "0" * 32)),
)
