"""Why a study cannot be carried out on a work pool, as errors to raise. Needs no Prefect."""

from bertft_core.config import UserError
from bertft_core.config.addresses import shown, without_password

LOCAL = "use --set execution.engine=local"


def no_server(api_url: str | None, error: Exception | None = None) -> UserError:
    """There is no server that could have a work pool; one that a command starts for itself has none."""
    answer = "" if error is None else f": {type(error).__name__}: {shown(error)}"
    return UserError(
        "no Prefect server with work pools can be reached",
        code="pool.no-server",
        found="PREFECT_API_URL is not set" if api_url is None else f"PREFECT_API_URL={without_password(api_url)}{answer}",
        expected="the address of a running server in PREFECT_API_URL, here and where the workers are",
        hint=f"start one with bertft server up and set the variables that it prints, or {LOCAL}",
    )


def no_pool(name: str | None, api_url: str) -> UserError:
    """The server knows no such pool."""
    return UserError(
        "there is no such work pool",
        code="pool.not-found",
        found="no execution.address" if name is None else f"execution.address: {name}, unknown at {without_password(api_url)}",
        expected="the name of a work pool as execution.address",
        hint=f"make one with prefect work-pool create {name or 'NAME'} --type process, or {LOCAL}",
    )


def no_worker(name: str, n_offline: int) -> UserError:
    """Nobody would start a run."""
    return UserError(
        f"the work pool {name} has no worker",
        code="pool.no-worker",
        found=f"no worker online ({n_offline} offline)",
        expected="a worker where runs are to be carried out, with bertft installed",
        hint=f"prefect worker start --pool {name}",
    )


def does_not_start(name: str, state: str, reason: str | None) -> UserError:
    """Workers take runs and cannot start them; every other would fail in the same way."""
    return UserError(
        f"the workers of the pool {name} cannot start a run",
        code="pool.does-not-start",
        found=f"{state}: {reason or 'no reason given'}",
        expected="bertft where the pool starts its runs, and a store that is seen from there",
        hint="read the log of the flow run in Prefect's pages, and that of the worker",
    )
