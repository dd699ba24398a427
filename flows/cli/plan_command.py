"""`bertft plan`: what `bertft run` would do, with an estimate of time and disk."""

import shutil
from pathlib import Path
from typing import TextIO

from bertft_core.config import StudyConfig, load_study
from bertft_core.control_characters import in_one_line
from bertft_core.library.study_on_disk import StudyOnDisk
from bertft_core.planning.plan_checks import refuse_unusable_plan
from bertft_core.planning.run_specs import plan_runs, plan_trial
from bertft_core.planning.typical_trials import typical_settings
from bertft_core.planning.wanted_runs import decided_arms, wanted_runs
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.records.selection import answers
from bertft_core.report.prose.grammar import several
from bertft_core.statistics.early_stopping_of_seeds import cost
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.compute_choice import decided_here
from bertft_core.training.cost_estimate import CostEstimate, CostEstimator
from bertft_core.training.devices import slot_environments
from bertft_core.training.machine_needs import MachineFit
from bertft_core.training.trial_step import prepare_and_try
from flows.cli.plan_arms import arm_lines
from flows.cli.terminal import name_width, say
from tasks.progress_snapshot import clock
from tasks.same_encoder import refuse_other_model, refuse_other_study

FIXED_SECONDS = 25.0
"""Start of the embedded server and the workers, evaluation, report."""


def plan_command(config: Path, overrides: list[str], home: Path | None) -> int:
    """Print the plan."""
    print_plan(load_study(config, overrides), home_dir(home))
    return 0


def print_plan(study: StudyConfig, where: Path, file: TextIO | None = None) -> float:
    """Prepare the data, print what a run would do (to stdout unless a file is given), and return its estimated seconds.

    Raises `UserError` for what a run would refuse, also for results of an encoder that has changed since.
    """
    card = prepare_and_try(study, home_dir=where)
    study, fit = decided_here(study, StudyDir(where, study.name))
    on_disk = StudyOnDisk(study, StudyDir(where, study.name), card)
    estimators = _Estimators(card, on_disk)
    n_slots = len(slot_environments(study.execution))
    refuse_unusable_plan(study, card)
    refuse_other_study(on_disk.dir, card)
    data, at_once = in_one_line(card.name), f"{several(n_slots, 'run')} at once"
    say(f"{study.name}: {several(len(study.arms), 'arm')} × {_seeds_words(study)} on {data}, {at_once}", file=file)
    for line in arm_lines(study, card, on_disk.records.values()):
        say(line, file=file)
    seconds, n_bytes, guessed = 0.0, 0, False
    parts = _parts(study, card, on_disk)
    for stage, arm, todo, times, n_done in parts:
        estimates = [estimators.of(spec) for spec in todo]
        part = times * sum(estimate.seconds for estimate in estimates)
        seconds += part
        n_bytes += round(times * sum(estimate.model_bytes for estimate in estimates))
        guessed |= any(not estimate.measured for estimate in estimates)
        time_words = f"about {clock(part / n_slots)}" if todo else "nothing to train"
        runs = f"{several(round(times * len(todo)), 'run')} to train, {n_done:,} done"
        say(f"  {arm:<{name_width(study.arms)}} {stage:<7} {runs}  {time_words}{_each(estimates)}", file=file)
    searched = [study.arms[arm].search for stage, arm, todo, *_ in parts if stage == "search" and todo]
    pruned = "; pruning makes a search shorter" if any(each and each.pruner != "none" for each in searched) else ""
    basis = ("from the size of the model and the speed of this machine" if guessed else "from earlier runs here") + pruned
    _print_total(study, where, seconds / n_slots, n_bytes, basis, file)
    _print_fit(fit, file)
    return seconds / n_slots


class _Estimators:
    """One for each encoder and data that runs have."""

    def __init__(self, card: DatasetCard, on_disk: StudyOnDisk) -> None:
        self._card, self._earlier = card, on_disk.records.values()
        self._made: dict[tuple[str, str], CostEstimator] = {}

    def of(self, spec: RunSpec) -> CostEstimate:
        """The cost of a run."""
        key = (spec.data_fingerprint, spec.encoder.weights_sha256)
        if key not in self._made:
            self._made[key] = CostEstimator(self._card.of_run(spec), self._earlier)
        return self._made[key].of(spec)


def _parts(study: StudyConfig, card: DatasetCard, on_disk: StudyOnDisk) -> list[tuple[str, str, list[RunSpec], float, int]]:
    """Stage, arm, runs to train, how often each is trained (with other values), and number of runs that are done.

    What a search will try and choose is not known: its runs, and those with its choice, are counted as ones with settings
    spread over its space.
    """
    parts: list[tuple[str, str, list[RunSpec], float, int]] = []
    for name, arm in study.arms.items():
        if arm.search is not None:
            n_runs = arm.search.n_trials * arm.search.n_seeds
            n_done = sum(_is_ours(record, card.of_arm(name), on_disk) for record in on_disk.search_runs(name))
            n_todo = 0 if name in on_disk.sweeps else max(0, n_runs - n_done)
            like = [plan_trial(study, card, name, each, trial=0)[0] for each in typical_settings(arm.search.space)]
            parts.append(("search", name, like if n_todo else [], n_todo / len(like), n_done))
    wanted = wanted_runs(study, card, on_disk.chosen, on_disk.records)
    decided = decided_arms(study, on_disk.chosen)
    for name, arm in study.arms.items():
        for stage, specs in zip(("seeds", "repeats"), wanted.of_arms([name]), strict=True):
            todo = [spec for spec in specs if not (name in decided and _is_done(spec, card.of_arm(name), on_disk))]
            if todo and arm.search is not None and name not in decided:
                chosen = [{**on_disk.chosen, name: each} for each in typical_settings(arm.search.space)]
                like = [spec for each in chosen for spec in plan_runs(study, card, each, 1) if spec.arm == name]
                parts.append((stage, name, like, len(todo) / len(like), 0))
            elif specs or stage == "seeds":
                parts.append((stage, name, todo, 1.0, len(specs) - len(todo)))
    return parts


def _is_done(spec: RunSpec, card: DatasetCard, on_disk: StudyOnDisk) -> bool:
    record = on_disk.records.get(spec.digest)
    return record is not None and record.status != "failed" and answers(record, spec) and _is_ours(record, card, on_disk)


def _is_ours(record: RunRecord, card: DatasetCard, on_disk: StudyOnDisk) -> bool:
    """True; a run of the same weights with other settings of the encoder is refused, as by `bertft run`, with a `UserError`."""
    refuse_other_model(record.spec.encoder, card, on_disk.dir.path)
    return True


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


def _each(estimates: list[CostEstimate]) -> str:
    return f" ({sum(each.seconds for each in estimates) / len(estimates):.0f} s each)" if estimates else ""


def _print_fit(fit: MachineFit, file: TextIO | None) -> None:
    """What this machine cannot do, or does otherwise than the settings suggest."""
    for refusal in fit.refusals:
        say(f"no     {refusal.problem} ({refusal.found}): bertft run refuses this study on this machine", file=file)
        say(f"       {refusal.hint}", file=file)
    for remark in fit.remarks:
        say(f"note   {remark}", file=file)


def _print_total(study: StudyConfig, home: Path, seconds: float, n_bytes: int, basis: str, file: TextIO | None) -> None:
    if seconds:
        say(f"time   about {clock(seconds + FIXED_SECONDS)}, estimated {basis}", file=file)
    else:
        say("time   nothing to train; a run would only rebuild the report", file=file)
    free = shutil.disk_usage(home).free
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
