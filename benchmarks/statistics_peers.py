"""What deep-significance and rliable take for one pair of arms; run by a Python that has them, with nothing of ours.

Reads {"first": […], "second": […], "resamples": {task: n}} and prints, for each task, the seconds of the processor or why
there are none.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

if not __package__:
    sys.path.pop(0)  # this folder has a `statistics` that is not the one Python comes with

PACKAGES = ("deepsig", "rliable", "arch", "pandas", "scipy", "numpy")


def aso(first: list[float], second: list[float], resamples: int) -> float:
    """deep-significance's almost stochastic order, all other settings as they come."""
    from deepsig import aso as peer

    started = time.process_time()
    peer(first, second, num_bootstrap_iterations=resamples, show_progress=False, seed=0)
    return time.process_time() - started


def bootstrap_test(first: list[float], second: list[float], resamples: int) -> float:
    """deep-significance's bootstrap test."""
    from deepsig import bootstrap_test as peer

    started = time.process_time()
    peer(first, second, num_samples=resamples, seed=0)
    return time.process_time() - started


def probability_of_improvement(first: list[float], second: list[float], resamples: int) -> float:
    """rliable's probability of improvement with its interval."""
    import numpy as np
    from rliable import library, metrics

    columns = tuple(np.array(scores)[:, None] for scores in (first, second))
    started = time.process_time()
    library.get_interval_estimates(
        {"pair": columns}, lambda x, y: np.array([metrics.probability_of_improvement(x, y)]), reps=resamples
    )
    return time.process_time() - started


TASKS: dict[str, tuple[str, Callable[[list[float], list[float], int], float]]] = {
    "aso": ("deep-significance", aso),
    "bootstrap test": ("deep-significance", bootstrap_test),
    "P(A > B)": ("rliable", probability_of_improvement),
}


def main() -> None:
    """One task after the other; a peer that cannot be imported or fails says why in its own words."""
    warnings.simplefilter("ignore")
    asked = json.load(sys.stdin)
    found: dict[str, dict[str, object]] = {}
    for name, (_, task) in TASKS.items():
        try:
            found[name] = {"seconds": task(asked["first"], asked["second"], asked["resamples"][name])}
        except Exception as error:  # whatever a peer raises with these versions is what the page tells
            found[name] = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    print(json.dumps({"tasks": found, "versions": _versions()}))


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
