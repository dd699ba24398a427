"""What MLflow gets of a run, a search and a study: names and values only, no calls."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mlflow.entities import Dataset, DatasetInput

from bertft_core.records import DatasetCard, RunRecord, RunSpec, StudySummary
from bertft_core.report.prose import data_card_text, seed_designs_text

SYSTEM = "system"
"""Kind of the events that say how much of its machine a run uses."""
FORBIDDEN = re.compile(r"[^\w. -]|^\.+$")
MAX_NAME = 250
Parts = tuple[str, ...]
"""Of the name of a metric."""
PROBE_MEASURES = ("loss_rise", "rise", "temperature")
"""Of masked language modelling, of the validation loss, and of the confidence."""
PROBE_FIELDS = ("mean", "sd", "min", "max", "n")
HEADLINE_FIELDS = ("mean", "sd", "t_low", "t_high", "n")
SUMMARY_FIELDS = ("mean", "sd", "t_low", "t_high", "bootstrap_low", "bootstrap_high", "median", "min", "max", "n")


def run_tags(spec: RunSpec) -> dict[str, str]:
    """Tags of a training run. `setting_digest` leaves the seeds out, so that grouping by it puts a setting's seeds together.

    Seeds that were selected are no sample of their setting: they are a group of their own.
    """
    tags = {
        "study": spec.study,
        "stage": spec.stage,
        "arm": spec.arm,
        "setting_digest": spec.setting_digest,
        "run_digest": spec.digest,
        "data_fingerprint": spec.data_fingerprint,
        "status": "running",
    }
    tags |= {f"seed.{stream}": str(seed) for stream, seed in spec.seeds.model_dump().items() if seed is not None}
    if spec.trial is not None:
        tags["trial"] = str(spec.trial)
    if spec.stop_at is not None:
        tags |= {
            "selected": seed_designs_text.STOPPED.format(percent=100 * spec.stop_at),
            "setting_digest": f"{spec.setting_digest}-stopped",
        }
    elif spec.kept_of is not None:
        tags |= {"selected": seed_designs_text.KEPT.format(n=spec.kept_of), "setting_digest": f"{spec.setting_digest}-selected"}
    return {f"bertft.{name}": value for name, value in tags.items()}


def run_params(spec: RunSpec, places: Mapping[str, int] | None = None) -> dict[str, str]:
    """Every resolved setting of a run, its seed index and `places` among them; seeds themselves are tags, since charts of 53 bits
    cannot be read.

    `places`: in a crossed design, which init and which order seed it has, counted from 0.
    """
    training = spec.training.model_dump(mode="json")
    head = {f"head.{name}": value for name, value in spec.head.model_dump(mode="json", exclude={"kind"}).items()}
    params: dict[str, Any] = {
        "arm": spec.arm,
        "head": spec.head.kind,
        "strategies": ", ".join(strategy.kind for strategy in spec.strategies),
        "encoder": spec.encoder.checkpoint,
        "encoder_revision": spec.encoder.revision,
        "encoder_sha256": spec.encoder.weights_sha256,
        "data_fingerprint": spec.data_fingerprint,
        "metric": spec.metric,
        "seed_index": spec.index,
        **{f"{stream}_index": place for stream, place in (places or {}).items()},
        "threads": spec.threads,
    }
    if spec.trial is not None:
        params["trial"] = spec.trial
    if spec.split is not None:
        params["split"] = spec.split
    if spec.train_examples is not None:
        params["train_examples"] = spec.train_examples
    strategies = {
        f"{strategy.kind}.{name}": value
        for strategy in spec.strategies
        for name, value in strategy.model_dump(mode="json", exclude={"kind"}).items()
    }
    return {name: _text(value) for name, value in (params | head | strategies | training).items()}


def data_params(spec: RunSpec, card: DatasetCard) -> dict[str, str]:
    """How a run reads its examples, and how many it has to learn from; a digest knows them by the fingerprint."""
    n_train = spec.train_examples or card.splits["train"].n_examples
    return {"data.max_length": str(card.max_length), "data.n_train_examples": str(n_train)}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def metric_name(*parts: str) -> str:
    """Parts joined by slashes, in the characters and the length that MLflow accepts.

    A part can end in a label, as `f1/positive` does, and a label can hold anything: a refused character becomes its code.
    """
    name = "/".join(FORBIDDEN.sub(lambda found: "".join(f"_{ord(letter):x}" for letter in found[0]), p) for p in _pieces(parts))
    return name if len(name) <= MAX_NAME else _with_digest(name, name)


def named(found: Mapping[Parts, float]) -> dict[str, float]:
    """Numbers under their `metric_name`; where two would share one (labels `a/b` and `a_2fb`), the odd label's gets a digest."""
    names = {parts: metric_name(*parts) for parts in found}
    taken = Counter(names.values())

    def own(parts: Parts) -> str:
        is_plain = names[parts] == "/".join(_pieces(parts))
        return names[parts] if taken[names[parts]] == 1 or is_plain else _with_digest(names[parts], json.dumps(parts))

    return {own(parts): value for parts, value in found.items()}


def _pieces(parts: Parts) -> list[str]:
    return [piece for part in parts for piece in part.split("/", 1)]


def _with_digest(name: str, of: str) -> str:
    return f"{name[: MAX_NAME - 9]}_{hashlib.sha256(of.encode()).hexdigest()[:8]}"


def event_metrics(event: dict[str, Any], *, every: bool = False) -> Iterator[tuple[str, float, int]]:
    """Name, value and step of what a `step`, `evaluation`, `untrained` or `system` event measures; `every`: of each label too."""
    if event["kind"] == "step":
        for name in ("loss", "learning_rate", "grad_norm", "replay_loss"):
            if event.get(name) is not None:
                yield f"train/{name}", event[name], event["step"]
    elif event["kind"] == SYSTEM:
        for name, value in event["numbers"].items():
            yield f"system/{name}", value, event["step"]  # MLflow's pages have a tab for what begins so
    elif event["kind"] in ("evaluation", "untrained"):
        yield "train/epoch", event["epoch"], event["step"]
        scores: dict[Parts, float] = {
            ("validation", name): value for name, value in event["metrics"].items() if every or not _is_of_a_label(name)
        }
        for name, value in named(scores).items():
            yield name, value, event["step"]


def _is_of_a_label(metric: str) -> bool:
    return "/" in metric


def record_metrics(record: RunRecord, *, every: bool = False) -> dict[str, float]:
    """The numbers a run ended with: those of the best checkpoint, and of the last one what is maximized; `every`: all of them.

    The others are in the artifact `record.json`: with hundreds of names MLflow's pages take minutes.
    """
    found: dict[str, float | None] = {
        "best_step": record.best_step,
        "best_validation_score": record.best_score,
        "majority_score": record.majority_score,
        "n_steps": record.n_steps,
        "train_seconds": record.train_seconds,
        "evaluate_seconds": record.evaluate_seconds,
        "examples_per_second": record.examples_per_second,
        "n_parameters": record.n_parameters,
        "n_trainable_parameters": record.n_trainable_parameters,
    }
    if record.peak_memory_bytes is not None:
        found["peak_memory_mib"] = record.peak_memory_bytes / 2**20
    scores: dict[Parts, float] = {
        (checkpoint, split, name): value
        for checkpoint, splits in (("final", record.final), ("best", record.best))
        for split, metrics in splits.items()
        for name, value in metrics.items()
        if every or name == record.spec.metric or (checkpoint == "best" and not _is_of_a_label(name))
    }
    return {name: float(value) for name, value in (found | named(scores)).items() if value is not None}


def end_tags(record: RunRecord) -> dict[str, str]:
    """Tags that are known when a run has ended: how, why, and where it was carried out."""
    tags = {"bertft.status": record.status, "bertft.attempts": str(record.attempts)}
    if record.error:
        tags["bertft.error"] = record.error[:4000]
    if record.weights_sha256:
        tags["bertft.weights_sha256"] = record.weights_sha256
    where = record.environment
    if where is not None:
        tags |= {"bertft.device": where.device, "bertft.host": where.host, "bertft.python": where.python}
        if where.kernels is not None:
            tags["bertft.kernels"] = where.kernels
        if where.commit:
            tags |= {"mlflow.source.git.commit": where.commit, "bertft.dirty": str(where.dirty).lower()}
    return tags


def headline_metrics(summary: StudySummary) -> dict[str, float]:
    """For each arm what the answer rests on, under `summary/…` so that it never enters the mean of a group of runs.

    The rest is in the report's `summary.json`: with hundreds of names MLflow's chart page takes most of a minute.
    """
    found: dict[Parts, float] = {}
    key, baseline, compared = summary.headline_key, summary.arms[0].arm, summary.comparison
    for arm in summary.arms:
        for status, n in arm.counts.items():
            if n:
                found["summary", arm.arm, "runs", status] = n
        for row in arm.metrics:
            if f"{row.checkpoint}/{row.split}/{row.metric}" == key and row.collapsed_included:
                ends = {name: getattr(row, name) for name in HEADLINE_FIELDS}
                at = ("summary", arm.arm, row.checkpoint, row.split, row.metric)
                for name, value in ends.items():
                    if value is not None:
                        found[*at, name] = float(value)
        if compared is not None and (pair := compared.pair(arm.arm, baseline)) is not None:
            found["summary", arm.arm, "difference"] = pair.difference
            found["summary", arm.arm, "claimed"] = float(pair.claimed)
    return named(found)


def summary_metrics(summary: StudySummary) -> dict[str, float]:
    """All statistics over seeds, in the same place."""
    found: dict[Parts, float] = {}
    for gain in summary.gains_over_majority:
        found["summary", gain.arm, "gain_over_majority", summary.headline_metric] = gain.mean
    for floor in summary.floors:
        found["summary", floor.arm, "floor", "bitwise"] = float(floor.bitwise)
        if floor.largest_difference is not None:
            found["summary", floor.arm, "floor", summary.headline_metric] = floor.largest_difference
    if summary.adaptive is not None:
        found["summary", "looks"] = len(summary.adaptive.interim_analyses)
        found["summary", "look_level"] = summary.adaptive.level
    for use in summary.model_selection.splits if summary.model_selection is not None else ():
        found["summary", "evaluations", use.split] = use.n_evaluations
    for arm in summary.arms:
        for status, n in arm.counts.items():
            found["summary", arm.arm, "runs", status] = n
        if arm.selected is not None:
            found["summary", arm.arm, "selected", "cost_in_whole_runs"] = arm.selected.cost
            found["summary", arm.arm, "selected", "started"] = arm.selected.start
        if arm.ensemble is not None:
            for key, value in arm.ensemble.scores.items():
                found["summary", arm.arm, "ensemble", *key.split("/", 2)] = value
        for row in arm.metrics:
            kind = "" if row.collapsed_included else "without_collapsed"
            at = [part for part in ("summary", arm.arm, row.checkpoint, row.split, row.metric, kind) if part]
            for name in SUMMARY_FIELDS:
                value = getattr(row, name)
                if value is not None:
                    found[*at, name] = float(value)
    return named(found)


def probe_summary_metrics(summary: StudySummary) -> dict[str, float]:
    """What the probes say over the seeds of each arm."""
    found: dict[str, float] = {}
    for row in summary.probes.rows if summary.probes is not None else ():
        at = [part for part in ("summary", row.arm, "probe", row.probe, row.measure, row.where) if part]
        for name in PROBE_FIELDS:
            value = getattr(row, name)
            if value is not None:
                found[metric_name(*at, name)] = float(value)
    return found


def probe_run_metrics(summary: StudySummary, *, every: bool = False) -> dict[str, dict[str, float]]:
    """Run digest → the findings of its probes in a number each; `every`: all that they measured.

    The others are in the artifact `probes.json`: of an encoder of twelve layers they are more than a hundred.
    """
    found: dict[str, dict[str, float]] = {}
    digests = {(arm.arm, seed.index): seed.run_digest for arm in summary.arms for seed in arm.seeds}
    for row in summary.probes.rows if summary.probes is not None else ():
        if not every and (row.where or row.measure not in PROBE_MEASURES):
            continue
        name = metric_name(*[part for part in ("probe", row.probe, row.measure, row.where) if part])
        for index, value in row.values.items():
            found.setdefault(digests[row.arm, index], {})[name] = value
    return found


def dataset_input(card: DatasetCard) -> DatasetInput:
    """The data set as an input of an MLflow run."""
    profile = {name: {"n_examples": split.n_examples, "labels": split.label_counts} for name, split in card.splits.items()}
    source = {"directory": card.directory, "splits": {n: data_card_text.origin(s.origin) for n, s in card.splits.items()}}
    return DatasetInput(
        Dataset(
            name=card.name[:500],
            digest=card.fingerprint[:36],
            source_type=card.source,
            source=json.dumps(source),
            profile=json.dumps(profile)[:16_000_000],
        )
    )
