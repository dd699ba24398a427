"""The store that MLflow's own functions use: one of the whole process, which MLflow also writes into the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import mlflow
from mlflow import MlflowClient

from tasks.process_environment import MLFLOW_STORE

_one_at_a_time = RLock()


@contextmanager
def current_store(client: MlflowClient) -> Iterator[None]:
    """MLflow's functions that take no client use this one's store in the block; other threads wait for their turn.

    The environment stays as it is: the next study of this process, and its children, would take the address in it for the user's.
    """
    with _one_at_a_time:
        _set(client.tracking_uri)
        try:
            yield
        finally:
            _set(None)


def _set(uri: str | None) -> None:
    users = os.environ.get(MLFLOW_STORE)
    mlflow.set_tracking_uri(uri)  # type: ignore[arg-type]  # None is how MLflow forgets it
    if users is None:
        os.environ.pop(MLFLOW_STORE, None)
    else:
        os.environ[MLFLOW_STORE] = users
