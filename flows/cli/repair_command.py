"""`bertft repair`: after a crash, make Prefect, Optuna and MLflow agree with the records, without running anything."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig
from bertft_core.config.addresses import shown
from bertft_core.library.study_on_disk import StudyOnDisk, known_studies, study_dir_of
from bertft_core.storage.damage import damage_of, refuse_damage
from bertft_core.storage.home_folder import home_dir
from flows.cli.find_study import find_study
from flows.cli.run_command import prefect_api
from flows.cli.terminal import say, say_json
from tasks.study_lock import held
from tasks.tracking.repair_stores import repair_comparisons_of, repair_mlflow, repair_searches
from tasks.tracking.store_consistency import is_left_flow_run
from tasks.tracking.store_files import prefect_runs


def repair_command(name: str | None, home: Path | None, *, as_json: bool = False) -> int:
    """Repair one study or all of the home, and print what was changed. Raises `UserError` while a command runs one of them.

    Comparisons belong to no single study: interrupted ones are repaired every time. Damaged records are left to the study's own
    command, and refused when the rest is repaired.
    """
    dirs = [study_dir_of(each, home) for each in (known_studies(home_dir(home)) if name is None else [name])]
    repaired: dict[str, list[str]] = {}
    if not dirs:
        say(f"{home_dir(home)}: no studies, nothing to repair")
    for each in dirs:
        if any(damage_of(each.config_path, StudyConfig, "")):
            continue
        found = find_study(each.path.name, home)
        with held(found.dir):
            of_mlflow = _repaired(repair_mlflow, found.study, found.dir)
            lines = [*repair_searches(found.study, found.dir), *of_mlflow, *_repair_prefect(found)]
        repaired[found.study.name] = lines
        _print(found.study.name, lines)
    if of_comparisons := _repaired(repair_comparisons_of, home_dir(home)):
        _print("comparisons", of_comparisons)
    refuse_damage(*dirs, records_only=True)
    if as_json:
        say_json({"home": str(home_dir(home)), "studies": repaired, "comparisons": of_comparisons})
    return 0


def _print(name: str, lines: list[str]) -> None:
    say(f"{name}: {'nothing to repair' if not lines else 'repaired'}")
    for line in lines:
        say(f"  {line}")


def _repaired(repair: Callable[..., list[str]], *words: Any) -> list[str]:
    try:
        return repair(*words)
    except Exception as error:  # the other stores can still be repaired
        return [f"MLflow: not repaired: {shown(error)}"]


def _repair_prefect(found: StudyOnDisk) -> list[str]:
    """On the server that the environment names, else on an embedded one, which is started only if there is something to do."""
    name, where = found.study.name, found.dir.home_dir
    if not os.environ.get("PREFECT_API_URL") and not any(map(is_left_flow_run, prefect_runs(where, name))):
        return []
    with prefect_api(where, first=lambda: None):
        from tasks.prefect_runs import repair_flow_runs

        repaired = repair_flow_runs(name, where)
    return [f"Prefect: flow run {flow_run} was left RUNNING, now Crashed" for flow_run in repaired]
