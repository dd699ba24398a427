"""What bf16 costs in score: every bundled data set in both precisions over the same seeds, studied by bertft; see README.md."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as a script it finds its neighbours like this
from benchmarks.facts import machine_facts
from benchmarks.pages import bullets, markdown_table
from bertft_core.records.comparison_record import PairComparison
from bertft_core.records.summary import StudySummary
from bertft_core.storage.study_dir import StudyDir, checked_record, write_atomically

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
STUDIES = ("quickstart", "topics", "pairs", "ratings", "entities", "questions", "manuals_mlm")
"""One for each bundled data set."""
KEPT = ("description", "data", "head", "metric", "training", "encoder")
"""What is taken from a config; arms, searches and seeds are its own."""


class Cost(NamedTuple):
    """One data set."""

    name: str
    pair: PairComparison
    seconds: dict[str, float]
    """Precision → mean training seconds of a run."""


def study_of(name: str, n_seeds: int) -> dict[str, Any]:
    """The config with two arms, which differ in their precision alone."""
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    kept = {key: config[key] for key in KEPT if key in config}
    return kept | {
        "name": f"{config['name']}-precision",
        "arms": {"fp32": {}, "bf16": {"precision": "bf16"}},
        "seeds": {"n": n_seeds},
        "retention": {"checkpoints": "none"},
    }


def measured(name: str, n_seeds: int, home: Path, slots: str) -> Cost:
    """Run the study; the headline's pair."""
    config = study_of(name, n_seeds)
    path = home / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "flows.cli.app", "run", str(path), "--home", str(home), "--set", f"execution.slots={slots}"]
    with (home / f"{name}.log").open("wb") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
    study_dir = StudyDir(home, config["name"])
    summary = checked_record(study_dir.summary_path, StudySummary)
    assert summary.comparison is not None
    headline = (summary.headline_checkpoint, summary.headline_split, summary.headline_metric)
    pair = next(each for each in summary.comparison.pairs if (each.checkpoint, each.split, each.metric) == headline)
    records = list(study_dir.records())
    seconds = {
        arm: sum(r.train_seconds for r in records if r.spec.arm == arm) / sum(r.spec.arm == arm for r in records)
        for arm in config["arms"]
    }
    return Cost(name, pair, seconds)


def table(costs: list[Cost]) -> list[tuple[str, ...]]:
    """Header and rows: means of both precisions, their difference with its interval over seeds and examples, p, and time."""
    rows: list[tuple[str, ...]] = [("study", "metric", "seeds", "fp32", "bf16", "bf16 − fp32", "interval", "p", "time ÷ fp32")]
    for name, pair, seconds in costs:
        tested = pair.both or pair.seeds
        interval, p = ("–", "–") if tested is None else (f"{tested.low:+.4f} … {tested.high:+.4f}", f"{tested.p:.2f}")
        means = (f"{pair.mean_baseline:.4f}", f"{pair.mean_arm:.4f}", f"{pair.difference:+.4f}")
        ratio = f"{seconds['bf16'] / seconds['fp32']:.2f}"
        rows.append((name, pair.metric, str(pair.n_seeds_arm), *means, interval, p, ratio))
    return rows


def page(costs: list[Cost], about: dict[str, str]) -> str:
    """The Markdown page."""
    lines = [
        "# What bf16 costs in score",
        "",
        "The bundled studies with `precision: fp32` and `precision: bf16`, same seeds, so same heads, order",
        "and dropout masks. Intervals are those of `bertft`: seeds and examples resampled. Made by",
        "`benchmarks/precision_scores.py`.",
        "",
        *markdown_table(table(costs)),
        "",
        *bullets(about),
        "",
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", nargs="*", choices=STUDIES, default=STUDIES)
    parser.add_argument("--seeds", type=int, default=10, help="of each precision (default 10)")
    parser.add_argument("--slots", default="auto", help="runs at once (default auto)")
    parser.add_argument("--home", type=Path, help="keep the studies here, and go on with those that are there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page: docs/benchmarks/precision.md")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bertft-precision-") as folder:
        home = options.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        costs = []
        for name in options.studies:
            costs.append(measured(name, options.seeds, home, options.slots))
            print("  ".join(table(costs)[-1]), flush=True)
    if options.markdown is not None:
        command = ["python", "benchmarks/precision_scores.py", *(sys.argv[1:] if arguments is None else arguments)]
        write_atomically(options.markdown, page(costs, machine_facts(command)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
