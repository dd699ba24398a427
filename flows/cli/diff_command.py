"""`bertft diff`: what differs between two runs, from what is kept of them."""

import tempfile
from pathlib import Path

from bertft_core.evaluation.run_diff.diff_runs import diff_runs
from bertft_core.report.prose.run_diff_text import describe
from flows.cli.find_run import find_run
from tasks.home import home_dir


def diff_command(a: str, b: str, home: Path | None, *, as_json: bool) -> int:
    """Print settings, data, environment, seeds, hashes, metrics and the first steps that differ."""
    where = home_dir(home)
    with tempfile.TemporaryDirectory(prefix="bertft-diff-") as folder:
        first, second = (find_run(name, where, Path(folder)) for name in (a, b))
        found = diff_runs(first.stored, second.stored, (first.card, second.card), (first.title, second.title))
    print(found.model_dump_json(indent=1) if as_json else describe(found))
    return 0
