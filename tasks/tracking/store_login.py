"""Whether a server lets its client in."""

REFUSED = (401, 403)
"""HTTP's status for missing or wrong credentials, and for credentials that do not suffice."""


def refuses_login(uri: str) -> bool:
    """A server that refused a plain request refuses MLflow's client too, which looks for credentials in more places.

    Those are `~/.mlflow/credentials`, plugins and a few more variables.
    """
    from mlflow.exceptions import MlflowException  # seconds, and only asked where a plain request was refused

    from tasks.tracking.mlflow_store import MlflowClient

    try:
        MlflowClient(tracking_uri=uri, registry_uri=uri).search_experiments(max_results=1)
    except MlflowException:
        return True
    return False


def was_refused(error: BaseException | None) -> bool:
    """This error of Prefect's client, or the one behind it, is about credentials."""
    while error is not None:
        if getattr(getattr(error, "response", None), "status_code", None) in REFUSED:
            return True
        error = error.__cause__ or error.__context__
    return False
