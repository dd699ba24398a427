"""A warm worker process: reads one request per line on stdin, trains or probes, answers with events per line on stdout.

It imports neither Prefect nor MLflow, keeps its imports between runs, and exits by itself when its parent is gone
(stdin reaches its end), in the middle of a run too.

Request:  {"do": "train", "spec": path of spec.json, "run_dir": folder}, or the same with "do": "probe" and "probes": settings,
          or with "do": "accumulate", or "do": "trial" and "seconds"; or {"do": "probe_kernels", "threads", "run_dir"};
          or {"do": "prepare", "study", "home", "run_dir"};
          or {"do": "leave"}, at any time: a run that trains saves its state and stops;
          or {"do": "lend", "cores"}, at any time: how many cores a run may use, its own included; see `spare_cores`
Answers:  {"kind": "ready"} once, then events of `train_run` with those of `SystemLoad`,
          of `accumulation_error`, of `try_run`, or {"kind": "kernels", …} with the fields of a `KernelProbe`,
          or {"kind": "prepared", "card"} after problems and progress, then {"kind": "done"}
          or {"kind": "left"} of a run that stopped in the middle,
          or {"kind": "error", "text", "user" (fields of a `UserError`), "broken"}: a broken worker can carry out nothing more
"""

import contextlib
import gc
import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from bertft_core.processes import leave, on_stdin
from bertft_core.training.spare_cores import SPARE

RunRequest = dict[str, Any]
NAME = "bertft-worker"
"""Of the process, for whoever looks at them on Linux."""


def main() -> None:
    """Be a worker from the first import on."""
    serve(import_libraries)


def serve(get_ready: Callable[[], object] = lambda: None) -> None:
    """Get ready, then serve requests until stdin ends."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(NAME)
    answers = _own_stdout()
    requests: queue.Queue[RunRequest] = queue.Queue()
    leaving = threading.Event()

    def on_line(line: str) -> None:
        request = json.loads(line)
        if request["do"] == "leave":
            leaving.set()
        elif request["do"] == "lend":
            SPARE.lend(request["cores"])
        else:
            requests.put(request)

    on_stdin(at_end=leave, on_line=on_line)

    def send(event: dict[str, Any]) -> None:
        answers.write(json.dumps(event) + "\n")
        answers.flush()

    get_ready()
    gc.freeze()  # a million objects of libraries stay: collecting what a run leaves need not look at them
    send({"kind": "ready", "pid": os.getpid()})
    while True:
        _serve(requests.get(), send, leaving.is_set)


def import_libraries() -> None:
    """What every run needs."""
    from bertft_core.training.lean_imports import import_lean  # slow; once, while the parent prepares data

    import_lean()


def _own_stdout() -> TextIO:
    """The real stdout for answers only; whatever a library prints goes to stderr, so that it cannot break a line."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return answers


def _serve(request: RunRequest, send: Any, leaves: Callable[[], bool] = lambda: False) -> None:
    from bertft_core.config import UserError
    from bertft_core.storage.disk_errors import disk_error
    from bertft_core.training.training_loop import RunLeft

    run_dir = Path(request["run_dir"])
    try:
        _carry_out(request, run_dir, send, leaves)
        send({"kind": "done"})
    except RunLeft:
        send({"kind": "left"})
    except UserError as error:
        send({"kind": "error", "text": str(error), "user": error.fields, "broken": False})
    except Exception as error:  # the supervisor decides what becomes of it; the whole text stays in the log
        with contextlib.suppress(OSError), (run_dir / "log.txt").open("a", encoding="utf-8") as log:
            log.write(traceback.format_exc())
        user_error = disk_error(error, run_dir)
        user = None if user_error is None else user_error.fields
        text = f"{type(error).__name__}: {error}".strip()
        send({"kind": "error", "text": text, "user": user, "broken": _breaks_the_process(error)})


def _carry_out(request: RunRequest, run_dir: Path, send: Any, leaves: Callable[[], bool]) -> None:
    from bertft_core.records import RunSpec
    from bertft_core.storage.study_dir import checked_record
    from bertft_core.training import run
    from bertft_core.training.system_load import SystemLoad

    if request["do"] == "probe_kernels":
        send(_probe_kernels(request["threads"]))
        return
    if request["do"] == "prepare":
        _prepare(request["study"], Path(request["home"]), send)
        return
    spec = checked_record(Path(request["spec"]), RunSpec)
    if request["do"] == "probe":
        _probe(spec, run_dir, request["probes"])
    elif request["do"] == "accumulate":
        send(_accumulate(spec, run_dir))
    elif request["do"] == "trial":
        send(_try(spec, run_dir, request["seconds"]))
    else:
        run.train_run(spec, run_dir=run_dir, on_event=SystemLoad(send), leaves=leaves)


CUDA_ERRORS = ("CUDA error", "cuDNN error", "device-side assert")
OUT_OF_MEMORY = "out of memory"


def _breaks_the_process(error: BaseException) -> bool:
    """A CUDA error may leave the process's context broken: every later run in it would fail too. Memory that ran out does not."""
    import torch

    seen: BaseException | None = error
    while seen is not None:
        message = str(seen)
        from_cuda = isinstance(seen, torch.AcceleratorError) or any(words in message for words in CUDA_ERRORS)
        if isinstance(seen, RuntimeError) and from_cuda and OUT_OF_MEMORY not in message:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _prepare(study: dict[str, Any], home_dir: Path, send: Any) -> None:
    from bertft_core.training.worker_preparation import prepare

    prepare(study, home_dir, send)


def _probe(spec: Any, run_dir: Path, settings: dict[str, Any]) -> None:
    from bertft_core.config.probe_settings import ProbesConfig
    from bertft_core.training.probing.run_probes import probe_run  # few studies ask for it

    probe_run(spec, ProbesConfig.model_validate(settings), run_dir=run_dir)


def _accumulate(spec: Any, run_dir: Path) -> dict[str, Any]:
    from bertft_core.training.accumulation import accumulation_error  # for certificates only

    return accumulation_error(spec, run_dir)


def _try(spec: Any, run_dir: Path, seconds: float) -> dict[str, Any]:
    from bertft_core.training.trial import try_run  # where several runs share a GPU

    return try_run(spec, run_dir, seconds)


def _probe_kernels(threads: int) -> dict[str, Any]:
    from bertft_core.training.kernels import probe_kernels

    return {"kind": "kernels"} | probe_kernels(threads)._asdict()


if __name__ == "__main__":
    main()
