"""`bertft plan`: what `bertft run` would do, with an estimate of time and disk."""

from pathlib import Path
from typing import TextIO

from bertft_core.config import StudyConfig
from bertft_core.control_characters import in_one_line
from bertft_core.report.prose.grammar import several
from bertft_core.statistics.early_stopping_of_seeds import cost
from bertft_core.storage.home_folder import home_dir
from bertft_core.training.machine_needs import MachineFit
from flows.cli.find_study import load_config
from flows.cli.plan_arms import arm_lines
from flows.cli.planned_work import FIXED_SECONDS, Part, Plan, plan_of
from flows.cli.terminal import name_width, say, say_json
from tasks.progress_snapshot import clock


def plan_command(config: Path, overrides: list[str], home: Path | None, *, as_json: bool = False) -> int:
    """Print the plan."""
    where = home_dir(home)
    study = load_config(config, overrides, where)
    if as_json:
        say_json(plan_of(study, where).values())
    else:
        print_plan(study, where)
    return 0


def print_plan(study: StudyConfig, where: Path, file: TextIO | None = None) -> float:
    """Print what a run would do (to stdout unless a file is given), and return its estimated seconds.

    Raises `UserError` for what a run would refuse, also for results of an encoder that has changed since.
    """
    plan = plan_of(study, where)
    study = plan.study
    data, at_once = in_one_line(plan.card.name), f"{several(plan.n_slots, 'run')} at once"
    say(f"{study.name}: {several(len(study.arms), 'arm')} × {_seeds_words(study)} on {data}, {at_once}", file=file)
    for line in arm_lines(study, plan.card, plan.on_disk.records.values()):
        say(line, file=file)
    for part in plan.parts:
        say(_part_line(study, part, plan.n_slots), file=file)
    _print_total(plan, _basis(plan), file)
    _print_fit(plan.fit, file)
    return plan.training_seconds


def _part_line(study: StudyConfig, part: Part, n_slots: int) -> str:
    has_work = part.seconds_each is not None
    time_words = f"about {clock(part.seconds / n_slots)}" if has_work else "nothing to train"
    each = f" ({part.seconds_each:.0f} s each)" if has_work else ""
    runs = f"{several(part.n_todo, 'run')} to train, {part.n_done:,} done"
    return f"  {part.arm:<{name_width(study.arms)}} {part.stage:<7} {runs}  {time_words}{each}"


def _basis(plan: Plan) -> str:
    searches = [plan.study.arms[arm].search for arm in plan.searched]
    pruned = "; pruning makes a search shorter" if any(each and each.pruner != "none" for each in searches) else ""
    guessed = not all(part.measured for part in plan.parts)
    return ("from the size of the model and the speed of this machine" if guessed else "from earlier runs here") + pruned


def _seeds_words(study: StudyConfig) -> str:
    """How many seeds each arm has, as far as that is known."""
    seeds = study.seeds
    if seeds.until is not None:
        n = len(seeds.interim_sizes)
        return f"{seeds.n} to {seeds.max} seeds (until ±{seeds.until.half_width:g}, at most {n} interim analyses)"
    if seeds.start is not None and seeds.stop_at is not None and seeds.keep is not None:
        runs = f"{cost(seeds.start, seeds.stop_at, seeds.keep):g} whole runs"
        return f"{seeds.start} seeds ({seeds.keep} continue after {100 * seeds.stop_at:g} %: {runs})"
    if seeds.splits is not None:
        n_runs = several(study.n_runs_per_arm, "run")
        return f"{several(seeds.splits.n_splits, 'split')} × {several(seeds.n, 'seed')} ({n_runs} of each arm)"
    return several(study.n_runs_per_arm, "seed")


def _print_fit(fit: MachineFit, file: TextIO | None) -> None:
    """What this machine cannot do, or does otherwise than the settings suggest."""
    for refusal in fit.refusals:
        say(f"no     {refusal.problem} ({refusal.found}): bertft run refuses this study on this machine", file=file)
        say(f"       {refusal.hint}", file=file)
    for remark in fit.remarks:
        say(f"note   {remark}", file=file)


def _print_total(plan: Plan, basis: str, file: TextIO | None) -> None:
    study, home, seconds, n_bytes = plan.study, plan.home, plan.training_seconds, plan.n_bytes
    if seconds:
        say(f"time   about {clock(seconds + FIXED_SECONDS)}, estimated {basis}", file=file)
    else:
        say("time   nothing to train; a run would only rebuild the report", file=file)
    free = plan.free_bytes
    words = {"best": "the best seed's model of each arm is kept", "all": "all models are kept", "none": "no model is kept"}
    kept = words[study.retention.checkpoints]
    limit = ""
    if (budget := study.retention.budget_gib) is not None:
        limit = f"; while it runs, the worst go when models take more than {budget:g} GiB"
    say(f"disk   {size_words(n_bytes)} while it runs, in {home} ({size_words(free)} free); {kept} at the end{limit}", file=file)
    if n_bytes > free:
        say("       that does not fit: free some space, or use --set retention.checkpoints=none", file=file)


def size_words(n_bytes: int) -> str:
    """`1536` → `2 KiB`, more → `1.5 MiB`."""
    value = float(n_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit in ("B", "KiB") else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError
