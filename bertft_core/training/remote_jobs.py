"""What travels between a study and a node that carries out its runs: one request, and the keys of the files that it needs."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from bertft_core.artifacts.artifact_keys import data_key, encoder_key
from bertft_core.config import UserError
from bertft_core.config.base import Frozen
from bertft_core.config.head_settings import EXTRA_PARTS, part_file
from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.data.replayed_texts import texts_dir
from bertft_core.data.tokenizer_names import TOKENIZER_FILES, TOKENIZER_SETTINGS
from bertft_core.records import RunSpec
from bertft_core.storage.study_dir import file_sha256
from bertft_core.storage.weight_files import INDEX, weight_files
from bertft_core.training.workers import RunFailed, WorkerDied, WorkerLeft

Event = dict[str, Any]
"""Of a run, as its worker reports it; the last one is of kind `done` or `error`."""

ENDINGS = ("done", "error")
LEFT = "left"
"""What an `error` is `of` when the node is being shut down."""
LOG = "log.txt"
"""Of a run: the tracebacks of its attempts."""
BESIDE_WEIGHTS = ("config.json", INDEX, *TOKENIZER_FILES, *TOKENIZER_SETTINGS, *map(part_file, EXTRA_PARTS))
"""Files of an encoder that a run reads besides its weights."""


class Input(NamedTuple):
    """A folder of this machine, of which a node gets a copy of its own."""

    key: str
    folder: Path
    names: tuple[str, ...]


class RemoteJob(Frozen):
    """One run to train, or one model to probe. The folders in its spec are those of the study's machine."""

    do: Literal["train", "probe"]
    spec: RunSpec
    data: str
    """Key of the tokenised splits."""
    encoder: str
    """Key of the encoder."""
    probes: ProbesConfig | None = None
    upload_every_seconds: float
    """How often the newest state is stored, where there is a newer one."""


class InputsLost(RuntimeError):
    """A file that the node needs is missing in the store, or damaged there."""


def data_of(spec: RunSpec) -> Input:
    """The tokenised splits of a run, with the texts that it replays."""
    folder = Path(spec.prepared_dir)
    paths, key = sorted(folder.glob("*.arrow")), data_key(spec.data_fingerprint)
    if spec.replayed_sha256 is not None:
        texts = texts_dir(folder, spec.replayed_sha256)
        paths, key = [*paths, *sorted(texts.glob("*.arrow"))], f"{key}-{texts.name}"
    return Input(key, folder, tuple(path.relative_to(folder).as_posix() for path in paths))


def encoder_of(spec: RunSpec) -> Input:
    """The encoder of a run. Raises `UserError` where its weights are missing."""
    folder = Path(spec.encoder_dir)
    others = {name: file_sha256(folder / name) for name in BESIDE_WEIGHTS if (folder / name).is_file()}
    names = (*others, *(path.name for path in weight_files(folder)))
    return Input(encoder_key(spec.encoder.weights_sha256, others), folder, names)


def failure_event(error: BaseException, *, log_path: Path) -> Event:
    """How a job ended that raised this, with the log that its run has left."""
    kinds = {UserError: "user", WorkerLeft: LEFT, WorkerDied: "worker", InputsLost: "inputs"}
    kind = next((name for of, name in kinds.items() if isinstance(error, of)), "run")
    text = str(error) if kind != "run" or isinstance(error, RunFailed) else f"{type(error).__name__}: {error}"
    log = log_path.read_text(encoding="utf-8", errors="replace") if log_path.is_file() else ""
    return {"kind": "error", "of": kind, "text": text, "user": error.fields if isinstance(error, UserError) else None, "log": log}


def failure_of(event: Event) -> Exception:
    """What `failure_event` was made of, to be raised."""
    if event["of"] == "user":
        return UserError(**event["user"])
    kinds: dict[str, type[Exception]] = {LEFT: WorkerLeft, "worker": WorkerDied, "inputs": InputsLost, "run": RunFailed}
    return kinds[event["of"]](event["text"])
