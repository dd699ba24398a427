"""`bertft status`: which runs of a study are done, running, failed or missing, and what differs between the stores."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.library.study_on_disk import StudyOnDisk
from bertft_core.records import RunSpec
from bertft_core.records.selection import answers
from bertft_core.report.prose import model_selection_text
from flows.cli.command_to_paste import command_to_paste
from flows.cli.find_study import find_study
from flows.cli.terminal import name_width, say, say_json
from tasks.study_lock import holder_of, is_held

STATES = ("done", "running", "failed", "missing")


class Stage(NamedTuple):
    """The runs of one arm in one stage, each with its state."""

    arm: str
    stage: str
    states: list[tuple[RunSpec, str]]


def status_command(name: str, home: Path | None, *, as_json: bool = False) -> int:
    """Print a line for each stage and arm, and every run that is not done; 1 when a run failed."""
    found = find_study(name, home)
    running = is_held(found.dir)
    stages = list(_stages(found, running))
    if as_json:
        say_json(_values(found, stages, running))
    else:
        _print_all(found, stages, running)
    return 1 if any(state == "failed" for each in stages for _, state in each.states) else 0


def _stages(found: StudyOnDisk, running: bool) -> Iterator[Stage]:
    """Report runs and repeats of every arm whose setting is known."""
    for arm, config in found.study.arms.items() if found.card is not None else ():
        if config.search is not None and arm not in found.sweeps:
            continue
        for stage, specs in (("seeds", found.wanted.planned), ("repeats", found.wanted.repeats)):
            states = [(spec, state_of(found, spec, running)) for spec in specs if spec.arm == arm]
            if states or stage == "seeds":
                yield Stage(arm, stage, states)


def _values(found: StudyOnDisk, stages: list[Stage], running: bool) -> dict[str, Any]:
    """What is printed, for programs."""
    damages, differences, _ = _troubles(found, running)
    return {
        "study": found.study.name,
        "running": running,
        "prepared": found.card is not None,
        "damaged": damages,
        "differs": differences,
        "searches": [
            {"arm": arm, "n_begun": _n_begun(found, arm), "n_trials": config.search.n_trials, "done": arm in found.sweeps}
            for arm, config in found.study.arms.items()
            if config.search is not None
        ],
        "stages": [
            {"arm": each.arm, "stage": each.stage, **{state: Counter(s for _, s in each.states)[state] for state in STATES}}
            for each in stages
        ],
        "runs": [
            {"run": spec.title, "arm": spec.arm, "stage": each.stage, "index": spec.index, "digest": spec.digest, "state": state}
            | ({"error": found.records[spec.digest].error} if state == "failed" else {})
            for each in stages
            for spec, state in each.states
        ],
    }


def _print_all(found: StudyOnDisk, stages: list[Stage], running: bool) -> None:
    say(f"{found.study.name}: {_holder_words(found) if running else 'no command is running it'}")
    damages, differences, helps = _troubles(found, running)
    for damage in damages:
        say(f"  damaged  {damage}")
    for difference in differences:
        say(f"  differs  {difference}")
    if helps:
        again = command_to_paste("repair", found.study.name, home=found.dir.home_dir)
        say(f"           the records are right; this makes the others agree: {again}")
    if found.card is None:
        say("  its data are not prepared yet")
        return
    width = name_width(found.study.arms)
    for arm, config in found.study.arms.items():
        if config.search is not None:
            say(f"  {arm:<{width}} search  {_search_words(found, arm, config.search.n_trials)}")
        if config.search is not None and arm not in found.sweeps:
            say(f"  {arm:<{width}} seeds   {found.study.n_runs_per_arm} runs planned, after the search")
        for each in stages:
            if each.arm == arm:
                _print_states(found, f"  {arm:<{width}} {each.stage:<7}", each.states)


def _print_states(found: StudyOnDisk, start: str, states: list[tuple[RunSpec, str]]) -> None:
    """A line of counts, and one for each run that is not done."""
    counts = Counter(state for _, state in states)
    say(f"{start} {', '.join(f'{counts[state]} {state}' for state in STATES)} of {len(states)}")
    for spec, state in states:
        if state != "done":
            say(f"    {spec.title}: {state}{_reason(found, spec)}")


def _holder_words(found: StudyOnDisk) -> str:
    owner = holder_of(found.dir)
    return "a command is running it now" + ("" if owner is None else f" ({owner.words()})")


def _troubles(found: StudyOnDisk, running: bool) -> tuple[list[str], list[str], bool]:
    """What is damaged, where the stores say something else than the records, and whether a repair helps.

    The stores of a study in motion are behind anyway.
    """
    from tasks.tracking.store_consistency import damages, inconsistencies, repair_helps

    damaged = [damage.line(found.dir.home_dir) for damage in damages(found.dir, found.card)]
    lines = [] if running else inconsistencies(found.study, found.dir, found.unplanned)
    return damaged, lines, repair_helps(lines)


def state_of(found: StudyOnDisk, spec: RunSpec, study_is_running: bool) -> str:
    """done, running, failed or missing."""
    record = found.records.get(spec.digest)
    if record is not None and record.status == "failed":
        return "failed"
    if record is not None and answers(record, spec):
        return "done"
    started = (found.dir.run_dir(spec.digest) / "spec.json").exists()
    return "running" if started and study_is_running else "missing"


def _reason(found: StudyOnDisk, spec: RunSpec) -> str:
    record = found.records.get(spec.digest)
    if record is not None and record.status == "failed":
        return f" after {record.attempts} attempts: {record.error}"
    resumable = any((found.dir.run_dir(spec.digest) / "checkpoint").glob("step-*[0-9]"))
    return ", will resume from its checkpoint" if resumable else ""


def _search_words(found: StudyOnDisk, arm: str, n_trials: int) -> str:
    return model_selection_text.search_state(found.sweeps.get(arm), _n_begun(found, arm), n_trials)


def _n_begun(found: StudyOnDisk, arm: str) -> int:
    """Trials with a run that ended."""
    return len({r.spec.trial for r in found.records.values() if r.spec.stage == "search" and r.spec.arm == arm})
