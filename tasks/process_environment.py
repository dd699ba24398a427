"""What a process takes from its environment: which variables are honoured, passed on or dropped, and what is set there."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from bertft_core.config.addresses import HIDDEN, with_password
from bertft_core.config.errors import UserError
from bertft_core.config.paths import MAX_PATH_BYTES
from bertft_core.processes import loopback_without_proxy

if TYPE_CHECKING:  # a config is loaded by the commands that read one
    from bertft_core.config import StudyConfig

SETTINGS = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "ALEMBIC_LOG_LEVEL": "WARNING",
    # a server whose PostgreSQL is being started again answers so; its client asks again then, and would give up otherwise
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
    # its pauses double from 2 s on: four minutes for a server that is away, in place of one, which a restart may take
    "PREFECT_CLIENT_MAX_RETRIES": "7",
}
PREFECT_SERVER, MLFLOW_STORE = "PREFECT_API_URL", "MLFLOW_TRACKING_URI"


class Variables(NamedTuple):
    """Variables of one kind; a name that ends in * stands for all that begin like it and are in no earlier row."""

    names: tuple[str, ...]
    treatment: Literal["honoured", "passed", "changed", "dropped"]
    meaning: str

    def has(self, name: str) -> bool:
        """One of these variables has this name."""
        return any(name.startswith(own[:-1]) if own.endswith("*") else name == own for own in self.names)


TABLE = (
    Variables(("BERTFT_HOME",), "honoured", "the home, unless `--home` names one"),
    Variables((PREFECT_SERVER,), "honoured", "the Prefect server that `run`, `repair` and `announce` use; the command says so"),
    Variables(("PREFECT_*",), "dropped", "passed with `PREFECT_API_URL`; a server of our own has its state in the home"),
    Variables(
        (MLFLOW_STORE,), "honoured", "the store of a study without `tracking.uri`, and `--tracking-uri`; the command says so"
    ),
    Variables(
        ("MLFLOW_TRACKING_*", "MLFLOW_HTTP_*", "MLFLOW_S3_*", "MLFLOW_GCS_*", "MLFLOW_MULTIPART_*", "MLFLOW_WORKSPACE"),
        "passed",
        "how MLflow's client reaches that store",
    ),
    Variables(("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"), "passed", "switched off unless you set them"),
    Variables(("MLFLOW_*", "OPTUNA_*"), "dropped", "they would move runs, experiments, ports or stores"),
    Variables(("UVICORN_*", "GUNICORN_*", "FLASK_*", "WEB_CONCURRENCY"), "dropped", "for the pages of `bertft ui`"),
    Variables(("HF_*", "TRANSFORMERS_*", "HUGGINGFACE_*"), "passed", "cache, token, address and offline mode of the hub"),
    Variables(("BERTFT_NODE_HOME",), "honoured", "where a node keeps its copies of data and encoders (~/.cache/bertft/node)"),
    Variables(("BERTFT_NODE_CACHE_GIB",), "honoured", "how much of them it keeps for later runs, in GiB (50)"),
    Variables(("RAY_*",), "passed", "address and token of the cluster, for `execution.engine: ray`"),
    Variables(("AWS_*",), "passed", "how an artifact store on S3 is reached"),
    Variables(("CUDA_VISIBLE_DEVICES",), "honoured", "the GPUs that a study may take"),
    Variables(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "passed", "for the hub and servers elsewhere; upper or lower case"),
    Variables(("NO_PROXY",), "changed", "yours, and this machine itself: nothing goes through a proxy to it"),
    Variables(("PYTHONPATH",), "changed", "without the current folder"),
    Variables(("PYTHONIOENCODING", "PYTHONUTF8", "LC_*", "LANG"), "honoured", "what the terminal cannot show becomes `?`"),
)
"""The first row that has a variable decides."""


def check_current_folder() -> None:
    """Raise `UserError` for a current folder that libraries and children cannot stand in: one that is gone, or too deep."""
    try:
        found = Path.cwd()
        found.stat()
    except OSError as error:
        raise UserError(
            "the current folder cannot be used",
            code="path.current-folder",
            found=error.strerror or str(error),
            expected=f"a folder that is there, with a path of at most {MAX_PATH_BYTES} bytes",
            hint="change to another folder: cd",
        ) from None


def check_interpreter() -> None:
    """Raise `UserError` for a Python without docstrings, from which transformers builds its models."""
    if sys.flags.optimize >= 2:
        raise UserError(
            "Python runs without docstrings, which transformers needs",
            code="environment.no-docstrings",
            found=f"optimisation level {sys.flags.optimize}",
            expected="level 0 or 1",
            hint="unset PYTHONOPTIMIZE, and leave out -OO",
        )


def dropped(environment: Mapping[str, str], *prefixes: str) -> list[str]:
    """The variables with these prefixes that the table drops."""
    rows = {name: next((row for row in TABLE if row.has(name)), None) for name in environment if name.startswith(prefixes)}
    return [name for name, row in rows.items() if row is not None and row.treatment == "dropped"]


def steering_servers(environment: Mapping[str, str]) -> list[str]:
    """Variables that would give the servers behind our pages other ports, stores or pages.

    Of MLflow also those of its client; Prefect's are settled by `use_embedded_prefect`.
    """
    ours = [name for name in dropped(environment, "") if not name.startswith("PREFECT_")]
    return [*ours, *(name for name in environment if name.startswith("MLFLOW_") and name not in ours)]


def settle_environment() -> list[str]:
    """Drop what would steer libraries, keep proxies away from this machine itself, turn off telemetry and chatter.

    Returns what the user should hear of, a line each. Prefect's variables stay: a deployment is run by a Prefect of the user's.
    """
    for name in dropped(os.environ, "MLFLOW_", "OPTUNA_"):
        del os.environ[name]
    remarks = _drop_unusable_proxies()
    os.environ.update(loopback_without_proxy(os.environ))
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    return remarks


def _drop_unusable_proxies() -> list[str]:
    """Prefect and the hub's client raise for a proxy of another kind, whatever address they are to reach."""
    usable = {"http", "https"} | ({"socks5", "socks5h"} if find_spec("socksio") else set())
    remarks = []
    for name, value in list(os.environ.items()):
        scheme, colon, _ = value.strip().partition("://")
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy") and colon and scheme.lower() not in usable:
            del os.environ[name]
            remedy = "; pip install socksio makes it usable" if scheme.lower().startswith("socks5") else ""
            remarks.append(f"{name} is not used: no library here for a proxy of the kind {scheme}://{remedy}")
    return remarks


def keep_prefect_out_of_the_terminal() -> None:
    """Its log records go to its server only: the command line says what matters, and shows no traceback for a user's mistake."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")


def use_embedded_prefect(home: Path) -> None:
    """Keep Prefect's state in the study home, whatever server, profile or database the variables of the user's shell name."""
    for name in dropped(os.environ, "PREFECT_"):
        del os.environ[name]
    os.environ["PREFECT_HOME"] = str(home / "prefect")
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = SETTINGS["PREFECT_SERVER_ANALYTICS_ENABLED"]
    keep_prefect_out_of_the_terminal()


def tracked(study: StudyConfig) -> StudyConfig:
    """The study with the store that MLFLOW_TRACKING_URI names, unless its config says `tracking.uri` (null: the home's).

    Raises `UserError` for an address without its password, as in `report/study.yaml`, where the variable is not the whole of it.
    """
    if "uri" not in study.tracking.model_fields_set:
        return _with_store(study, os.environ.get(MLFLOW_STORE) or None)
    study = with_own_store(study)
    if study.tracking.uri is not None and HIDDEN in study.tracking.uri:
        raise UserError(
            "the password of MLflow's store is not in the config",
            code="tracking.password-left-out",
            found=f"tracking.uri: {study.tracking.uri}",
            expected="an address that can be opened",
            hint=f"set {MLFLOW_STORE} to the whole address, or use --set tracking.uri=null for a store in the home",
        )
    return study


def with_own_store(study: StudyConfig) -> StudyConfig:
    """A stored study, with the password of its store where MLFLOW_TRACKING_URI is the whole address."""
    return _with_store(study, with_password(study.tracking.uri, os.environ.get(MLFLOW_STORE)))


def _with_store(study: StudyConfig, uri: str | None) -> StudyConfig:
    if uri == study.tracking.uri:
        return study
    return study.model_copy(update={"tracking": study.tracking.model_copy(update={"uri": uri})})
