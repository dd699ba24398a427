"""Kills a study again and again, at random moments and in random places, and compares what comes out with one left in peace.

One kill is a SIGKILL of the command itself, of one of its workers, of the template that they are forked from (all of them end
with it), or of its Prefect server, each as often as the others. Half the kills of each come at a moment of the time that an
undisturbed command takes, most of which is its start; the others in the time after it, in which it searches, trains and
reports. Moments are random and spread evenly: each of n kills has its own n-th of the time. Where there is no such process at
that moment, the next one to appear is killed. The same command is then given again, until the study is done; then a new study
begins, until all kills are spent. Every finished study must have the records, weights, predictions, curves, trials and summary
of the undisturbed one, to the last bit, and MLflow every step of every run once.
Order and moments are drawn from --seed; what the machine does at that moment is not.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as a script it finds its neighbours like this
from benchmarks.facts import machine_facts
from benchmarks.pages import bullets
from bertft_core.training import worker, worker_template
from tests.helpers.store_checks import differences, misloggings, no_run_is_left_running
from tests.helpers.study_commands import Started, TinyStudy, clean_environment, write_shared

PLACES = ("command", "worker", "template", "server")
MODULES = {"template": worker_template.__name__, "server": "flows.cli.embedded_server"}
KINDS = [(place, working) for place in PLACES for working in (False, True)]
STUDY: dict[str, Any] = {
    "training": {"learning_rate": 0.003, "batch_size": 5, "max_steps": 120, "evaluate_every_steps": 20},
    "arms": {
        "features": {"strategies": [{"kind": "feature_extraction"}]},
        "full": {
            "search": {"space": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}}, "n_trials": 2, "n_seeds": 1},
            "strategies": [{"kind": "mixout", "p": 0.2}, {"kind": "swa", "last": 3}],
        },
    },
    "seeds": {"n": 2},
    "execution": {"device": "cpu", "slots": 2, "checkpoint_every_steps": 3, "retries": 1},
}


class Draw(NamedTuple):
    """Where and when to kill."""

    place: str
    working: bool
    """The time counts from when the command begins with its work, not from its start."""
    share: float
    """Of the time that an undisturbed command takes from there to its end."""


@dataclass
class Kills:
    """What happened."""

    kills: list[dict[str, Any]] = field(default_factory=list)
    studies: int = 0
    runs: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def identical(self) -> bool:
        return not self.faults


def main() -> int:
    """0 when every study came out as the undisturbed one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="kills in all (default: 50)")
    parser.add_argument("--seed", type=int, default=0, help="draws places and moments (default: 0)")
    parser.add_argument("--markdown", type=Path, help="write the page of the benchmark to this file")
    parser.add_argument("--json", type=Path, help="write every kill to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill-study-") as directory:
        result, seconds = kill_study(options.kills, options.seed, Path(directory), say=print)
    print(table(result, seconds))
    if options.json is not None:
        options.json.write_text(json.dumps(asdict(result), indent=1) + "\n")
    if options.markdown is not None:
        options.markdown.write_text(page(result, seconds, options.seed))
    return 0 if result.identical else 1


def kill_study(n_kills: int, seed: int, directory: Path, say: Any = lambda line: None) -> tuple[Kills, float]:
    """Spend the kills, in `directory`; what happened, and the seconds that the undisturbed command took."""
    shared = directory / "shared"
    shared.mkdir()
    write_shared(shared)
    environment = clean_environment(PREFECT_HOME=str(directory / "prefect"))
    straight = TinyStudy(directory / "straight", shared, environment, **STUDY)
    began = time.monotonic()
    started = straight.start()
    started.until(lambda: _works(started), "the command began with its work")
    usual = {True: -time.monotonic(), False: -began}
    if started.wait() != 0:
        raise RuntimeError(f"the undisturbed command failed:\n{started.stderr}")
    usual = {working: seconds + time.monotonic() for working, seconds in usual.items()}
    result, draws = Kills(), drawn(n_kills, seed)
    seconds = usual[False]
    while draws:
        study = TinyStudy(directory / f"study-{result.studies}", shared, environment, **STUDY)
        n_before, done = len(result.kills), False
        while draws and not done:
            started, hit = _attempt(study, draws[0], usual[draws[0].working] * draws[0].share, result)
            done = started.process.returncode == 0
            if hit:
                draws.pop(0)
                say(f"kill {len(result.kills)} of {n_kills}: {result.kills[-1]}")
            elif not done:
                raise RuntimeError(f"the command failed, and nobody had killed anything in it:\n{started.stderr}")
            elif len(result.kills) == n_before:  # done before the time or the victim came: earlier in the next study
                draws[0] = draws[0]._replace(share=draws[0].share / 2)
        said = (started if done else study.run()).stderr.strip()
        found = _faults(study, straight)
        result.faults += [f"study {result.studies}: {fault}" for fault in [*found, *([said] if found else [])]]
        result.studies += 1
        result.runs += len(study.records)
        say(f"study {result.studies}: {'as the undisturbed one' if result.identical else result.faults}")
    return result, seconds


def drawn(n_kills: int, seed: int) -> list[Draw]:
    """Every place at every kind of moment, again and again in another order, and shares that are spread evenly over [0, 1)."""
    rng, kinds = random.Random(seed), list[tuple[str, bool]]()
    while len(kinds) < n_kills:
        kinds += rng.sample(KINDS, len(KINDS))
    shares = [(i + rng.random()) / n_kills for i in rng.sample(range(n_kills), n_kills)]
    return [Draw(*kind, share) for kind, share in zip(kinds[:n_kills], shares, strict=True)]


def _works(started: Started) -> bool:
    """The command has begun to search or to train."""
    return any(f"] {stage}" in started.stderr for stage in ("searching", "training"))


def _attempt(study: TinyStudy, draw: Draw, after_seconds: float, result: Kills) -> tuple[Started, bool]:
    """Give the command and kill in it once; the ended command, and whether it was hit before it was done."""
    started = study.start()
    while draw.working and started.process.poll() is None and not _works(started):
        time.sleep(0.01)
    time_of_kill = time.monotonic() + after_seconds
    below: list[psutil.Process] = []
    hit = False
    while not hit and started.process.poll() is None:
        time.sleep(0.01)
        if time.monotonic() >= time_of_kill:
            below = started.descendants()
            hit = _hit(started, below, draw.place)
    stage = (started.stderr.strip().splitlines() or ["starting"])[-1][:100]
    code = started.wait()
    if not hit or (draw.place == "command" and code == 0):  # it was done before the signal came
        return started, False
    when = {"since": "work" if draw.working else "start", "after_seconds": round(after_seconds, 2)}
    result.kills.append({"place": draw.place, **when, "stage": stage, "code": code})
    _, alive = psutil.wait_procs(below, timeout=30)
    result.faults += [f"left behind: {' '.join(process.cmdline())}" for process in alive]
    if "Traceback" in started.stderr:
        result.faults.append(f"a traceback after the kill of the {draw.place}: {started.stderr.strip().splitlines()[-1]}")
    return started, True


def _hit(started: Started, below: list[psutil.Process], place: str) -> bool:
    """Kill the command, or the busiest of its workers, templates or servers; False when there is none now."""
    if place == "command":
        started.process.send_signal(signal.SIGKILL)
        return True
    with suppress(psutil.NoSuchProcess):  # one of them may end while we look
        candidates = [child for child in below if _is(child, place)]
        if candidates:
            max(candidates, key=lambda child: sum(child.cpu_times()[:2])).send_signal(signal.SIGKILL)
            return True
    return False


def _is(child: psutil.Process, place: str) -> bool:
    if child.name() == worker.NAME:  # its command line is that of the template that it is forked from
        return place == "worker"
    return MODULES.get(place) in child.cmdline()


def _faults(study: TinyStudy, straight: TinyStudy) -> list[str]:
    found = differences(study, straight) + misloggings(study, ("search", "seeds"))
    return found if no_run_is_left_running(study, 15) else [*found, "a run is left RUNNING in MLflow"]


def table(result: Kills, seconds: float) -> str:
    """The result in words."""
    places = Counter(kill["place"] for kill in result.kills)
    lines = [
        f"{len(result.kills)} kills ({', '.join(f'{n} of the {place}' for place, n in sorted(places.items()))})",
        f"in {result.studies} studies of {result.runs} runs; an undisturbed one takes {seconds:.0f} s",
        "every study bit for bit as the undisturbed one" if result.identical else f"{len(result.faults)} faults:",
    ]
    return "\n".join(lines + result.faults)


def page(result: Kills, seconds: float, seed: int) -> str:
    """The page for docs/benchmarks."""
    stages = Counter(_stage_of(kill["stage"]) for kill in result.kills)
    rows = "\n".join(f"| {stage} | {n} |" for stage, n in stages.most_common())
    command = ["benchmarks/kill_study.py", "--kills", str(len(result.kills)), "--seed", str(seed)]
    facts = "\n".join(bullets(machine_facts(command)))
    return (
        f"# Kill study\n\n```text\n{table(result, seconds)}\n```\n\n"
        f"What the command said it was doing when it was hit:\n\n| stage | kills |\n|---|---|\n{rows}\n\n{facts}\n"
    )


def _stage_of(line: str) -> str:
    """The stage in a line of progress such as '[0:05] training over seeds · 1/4 runs'."""
    return line.partition("] ")[2].partition(" ·")[0] or "starting"


if __name__ == "__main__":
    sys.exit(main())
