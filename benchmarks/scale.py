"""What commands cost on a study of many records: CPU seconds, seconds, and the peak memory of their largest process.

A small study is trained, and its records are copied with other seeds and other answers (benchmarks/many_records.py). With
`--before CHECKOUT` the commands of another version are measured in turn with those of this one, on the same study, and the files
of both reports are compared byte by byte. Times are CPU time of the command and all it waited for: other processes on the
machine slow them down, so ratios of one execution count.

`--nodes 1 2 4` measures in their place how runs spread over the nodes of a Ray cluster (benchmarks/node_scale.py): with the extra
`ray`, as root. Each kind has its part of the page, and leaves the other's as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # as a script it finds its neighbours like this
from benchmarks.facts import machine_facts
from benchmarks.many_records import ARMS, N_TEMPLATES, copy_records, state_of_home, write_config
from benchmarks.measuring import FOREIGN
from benchmarks.pages import bullets, markdown_table

HERE = Path(__file__).resolve().parents[1]
MIB = 2**20
COMMANDS = ("plan --help", "status", "show", "report", "run")
TITLES = {"run": "run, nothing to do"}


LAUNCHER = """
import json, os, sys, time
began, process = time.monotonic(), os.fork()
if not process:
    os.dup2(2, 1)
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(process, 0)
costs = time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
print(json.dumps([os.waitstatus_to_exitcode(status), *costs]))
"""
"""A small process that starts the command: the peak memory of a process is at least what its parent had when it was started."""


class Cost(NamedTuple):
    """Of one command."""

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    """Resident memory of its largest process."""


def main() -> int:
    """Measure, and write page and figures; 1 where the reports of two versions differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1000, help="runs of the study, over five arms (default: 1000)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each command is measured (default: once)")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another version, measured in turn with this one")
    parser.add_argument("--home", type=Path, help="where the study is kept, or was kept by an earlier execution")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=COMMANDS, help="which commands (default: all)")
    parser.add_argument(
        "--nodes", nargs="+", type=int, metavar="N", help="measure runs over so many nodes instead, such as 1 2 4"
    )
    parser.add_argument("--markdown", type=Path, help="write the page of the benchmark to this file")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    if options.nodes:
        return measure_nodes(options, load)
    versions = {"after": HERE} if options.before is None else {"before": options.before.resolve(), "after": HERE}
    with tempfile.TemporaryDirectory(prefix="scale-") as directory:
        home = (options.home or Path(directory) / "home").resolve()
        config = make_study(home, options.records, logged="run" in options.commands)
        costs, alike = measure(config, home, versions, options.commands, options.rounds)
    figures = {name: {command: found._asdict() for command, found in of.items()} for name, of in costs.items()}
    facts = {
        "study": f"{options.records:,} runs, {len(ARMS)} arms, bundled reviews (validation and test of 160, other domain 120)",
        "load before": loads(load),
    } | machine_facts([sys.executable, *sys.argv])
    print("\n".join(markdown_table(rows(costs))))
    if alike is not None:
        print(f"reports of both versions are {'the same' if alike else 'DIFFERENT'}")
    if options.json is not None:
        options.json.write_text(json.dumps({"costs": figures, "reports_alike": alike} | {"about": facts}, indent=1) + "\n")
    if options.markdown is not None:
        write_part(options.markdown, page(costs, alike, facts, options.rounds))
    return 0 if alike is not False else 1


def measure_nodes(options: argparse.Namespace, load: float) -> int:
    """Measure runs over nodes, and write their part of the page."""
    from benchmarks import node_scale

    spreads = node_scale.measure(options.nodes)
    about = {"load before": loads(load)} | machine_facts([sys.executable, *sys.argv], ["ray"])
    lines = node_scale.section(spreads, about)
    print("\n".join(lines))
    if options.json is not None:
        options.json.write_text(json.dumps({"nodes": [each._asdict() for each in spreads], "about": about}, indent=1) + "\n")
    if options.markdown is not None:
        write_part(options.markdown, "\n".join(lines))
    return 0


def loads(before: float) -> str:
    """What the machine had to do beside."""
    return f"{before:.1f} on {os.cpu_count()} cores; after: {os.getloadavg()[0]:.1f}"


def write_part(path: Path, part: str) -> None:
    """Put a part of the page in the place of the one with its heading, or at the end."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    parts = {each.partition("\n")[0]: each.strip() for each in re.split(r"^(?=## )", text, flags=re.MULTILINE) if each.strip()}
    parts[part.partition("\n")[0]] = part.strip()
    path.write_text("\n\n".join(parts.values()) + "\n", encoding="utf-8")


def make_study(home: Path, n_records: int, *, logged: bool) -> Path:
    """The study with all its records, in MLflow too where `logged`; its config. What is there already is kept."""
    home.mkdir(parents=True, exist_ok=True)
    config = home / "scale.yaml"
    if not (home / "studies").exists():
        command(HERE, "run", write_config(config, N_TEMPLATES), home)
    write_config(config, n_records // len(ARMS))
    if copy_records(config, home) and logged:
        command(HERE, "run", config, home)  # logs them
    return config


def measure(
    config: Path, home: Path, versions: dict[str, Path], commands: Sequence[str], rounds: int
) -> tuple[dict[str, dict[str, Cost]], bool | None]:
    """Version → command → medians over the rounds; and whether the reports of both versions were the same, None for one."""
    found: dict[str, dict[str, list[Cost]]] = {name: {} for name in versions}
    reports = []
    for each in commands:
        for _ in range(rounds):
            for name, checkout in versions.items():
                if each == "run":  # what another version has written is made again
                    command(checkout, each, config, home)
                found[name].setdefault(each, []).append(command(checkout, each, config, home))
                if each == "report":
                    reports.append(state_of_home(home))
    medians = {name: {each: Cost(*np.median(costs, axis=0).tolist()) for each, costs in of.items()} for name, of in found.items()}
    return medians, all(one == reports[0] for one in reports) if reports and len(versions) > 1 else None


def command(checkout: Path, words: str, config: Path, home: Path) -> Cost:
    """Run one command of a version. Raises `RuntimeError` with its output where it fails."""
    named = {"run": [str(config)], "plan --help": []}.get(words, ["scale"])
    where = [] if words == "plan --help" else ["--home", str(home)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    found = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, sys.executable, "-P", "-m", "flows.cli.app", *words.split(), *named, *where],
        env=kept | {"PYTHONPATH": str(checkout)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    code, *numbers = json.loads(found.stdout)
    if code != 0:
        raise RuntimeError(f"bertft {words} ended with {code}\n{found.stderr[-4000:]}")
    return Cost(*numbers)


def rows(costs: dict[str, dict[str, Cost]]) -> list[tuple[str, ...]]:
    """The table: of each command CPU seconds, seconds and memory of every version, and the ratio of the CPU seconds of two."""
    names = list(costs)
    header = ("", *(f"{kind}, {name}" for kind in ("CPU s", "s", "MiB") for name in names))
    table: list[tuple[str, ...]] = [(*header, *(("CPU ratio",) if len(names) > 1 else ()))]
    for each in costs[names[-1]]:
        found = [costs[name][each] for name in names]
        cells = [f"{one.cpu_seconds:.2f}" for one in found] + [f"{one.wall_seconds:.2f}" for one in found]
        cells += [f"{one.peak_bytes / MIB:,.0f}" for one in found]
        ratio = [f"{found[-1].cpu_seconds / found[0].cpu_seconds:.2f}"] if len(names) > 1 else []
        table.append((f"`{TITLES.get(each, each)}`", *cells, *ratio))
    return table


def page(costs: dict[str, dict[str, Cost]], alike: bool | None, facts: dict[str, Any], rounds: int) -> str:
    """The page of the benchmark."""
    compared = {None: "", True: " Both versions wrote the same report, byte by byte.", False: " THE REPORTS DIFFER."}[alike]
    lines = [
        "# Commands on a study of many runs",
        "",
        "CPU time of each command and all that it waited for, its time on the clock, and resident memory of",
        "its largest process.",
        "Other work on the machine makes every time longer, so the ratio counts."
        f" {'Once each' if rounds == 1 else f'Medians of {rounds} rounds'};",
        f"made by `benchmarks/scale.py`.{compared}",
        "",
        *markdown_table(rows(costs)),
        "",
        *bullets(facts),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
