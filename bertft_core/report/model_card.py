"""The card of an exported model: a README.md with the metadata that the Hugging Face hub reads, from the records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bertft_core.config.data_settings import HubData
from bertft_core.records import DatasetCard, MetricSummary, RunRecord
from bertft_core.report.formatting import escapes, intervals, numbers
from bertft_core.report.prose import data_card_text, model_card_text
from bertft_core.storage.study_results import StudyResults

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

TASKS = {
    "classification": "text-classification",
    "multi_label": "text-classification",
    "regression": "text-classification",
    "token_classification": "token-classification",
    "question_answering": "question-answering",
    "masked_lm": "fill-mask",
}
"""Kind of the head → what the hub calls its task."""
METRICS = {
    **dict.fromkeys(("f1_macro", "f1_weighted", "f1_micro", "f1_samples", "f1_binary", "strict_f1"), "f1"),
    "mcc": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
    "exact": "exact_match",
    "r2": "r_squared",
}
"""Metric → what the hub calls it; the others have one name."""
WEIGHTS = "best"
"""The checkpoint that a saved model has the weights of, whatever the headline's is."""


def model_card(results: StudyResults, record: RunRecord, *, licence: str | None, languages: Sequence[str]) -> str:
    """Metadata and text. `results` are evaluated; `licence` and `languages` are the hub's ids, where somebody knows them."""
    own = results.of_run(record.digest)
    rows = _rows(results, record)
    metadata = _metadata(own, record, rows, licence, languages or _languages(own.card))
    return f"---\n{metadata.to_yaml()}\n---\n\n{_text(results, own, record, rows, licence)}\n"


def _metadata(
    own: StudyResults, record: RunRecord, rows: Sequence[MetricSummary], licence: str | None, languages: Sequence[str]
) -> ModelCardData:
    from huggingface_hub import ModelCardData

    data, encoder, is_plain = own.study.data, own.study.encoder, own.study.head.is_plain
    more: dict[str, Any] = {} if is_plain else {"inference": False}  # the hub would compute without the parts that it lacks
    return ModelCardData(
        language=list(languages) or None,
        license=licence,
        library_name="transformers" if is_plain else "bertft",
        pipeline_tag=TASKS[own.study.head.kind],
        base_model=own.card.encoder.checkpoint if encoder.path is None and encoder.study is None else None,
        datasets=[data.name] if isinstance(data, HubData) else None,
        metrics=list(dict.fromkeys(METRICS.get(row.metric, row.metric) for row in rows)),
        tags=["bertft"],
        model_name=model_card_text.model_name(record),
        eval_results=[_eval_result(own, row) for row in rows],
        **more,
    )


def _eval_result(own: StudyResults, row: MetricSummary) -> EvalResult:
    """Mean ± sd over the arm's runs; their number and the interval are arguments."""
    from huggingface_hub import EvalResult

    data, summary = own.study.data, own.summary
    of_hub = isinstance(data, HubData)
    numbers_of = {"mean": row.mean, "sd": row.sd, "n": row.n, "low": row.t_low, "high": row.t_high}
    return EvalResult(
        task_type=TASKS[own.study.head.kind],
        dataset_type=data.name if isinstance(data, HubData) else own.card.name,
        dataset_name=own.card.name,
        dataset_config=data.config if isinstance(data, HubData) else None,
        dataset_revision=data.revision if isinstance(data, HubData) else None,
        dataset_split=_hub_split(own.card, row.split) if of_hub else row.split,
        metric_type=METRICS.get(row.metric, row.metric),
        metric_name=f"{row.metric} (mean ± sd, n = {row.n})" if row.sd is not None else f"{row.metric} (n = {row.n})",
        metric_value=_mean_sd(row),
        metric_args={name: value for name, value in (numbers_of | {"level": summary.level}).items() if value is not None},
    )


def _mean_sd(row: MetricSummary) -> str | float:
    """As the hub's own example has it: '0.8125 ± 0.0143'; of one run the number."""
    return round(row.mean, 4) if row.sd is None else f"{row.mean:.4f} ± {row.sd:.4f}"


def _hub_split(card: DatasetCard, split: str) -> str:
    """The split as the data set on the hub calls it, where it is one of it."""
    origin = card.splits[split].origin
    return split if origin.cut_from_train or origin.halved else origin.path.rpartition("[")[2].rstrip("]")


def _languages(card: DatasetCard) -> list[str]:
    """Of the data that ship with bertft it is known."""
    return ["en"] if card.source == "bundled" else []


def _rows(results: StudyResults, record: RunRecord) -> list[MetricSummary]:
    """The arm's means with the weights that are exported: every metric that the head can be judged by, the headline's first."""
    summary, own = results.summary, results.of_run(record.digest)
    (arm,) = (arm for arm in summary.arms if arm.arm == record.spec.arm)
    splits = dict.fromkeys((summary.headline_split, *own.card.evaluated_splits))
    metrics = dict.fromkeys((own.study.metric, *own.study.head.metrics))
    found = {(row.split, row.metric): row for row in arm.metrics if row.checkpoint == WEIGHTS and row.collapsed_included}
    return [found[split, metric] for split in splits for metric in metrics if (split, metric) in found]


def _text(results: StudyResults, own: StudyResults, record: RunRecord, rows: Sequence[MetricSummary], licence: str | None) -> str:
    parts = [
        f"# {model_card_text.model_name(record)}",
        model_card_text.introduction(results, own, record),
        "## Results",
        _results_table(record, rows),
        model_card_text.results_note(results, record, rows),
        model_card_text.bullets(model_card_text.claims(results.summary, record.spec.arm)),
        "## How to use it",
        model_card_text.how_to_open(own, record),
        "## Training data",
        _data_table(own.card),
        model_card_text.bullets(model_card_text.data_notes(own)),
        "## Training",
        model_card_text.training(results),
        "## Limits",
        model_card_text.bullets(model_card_text.limits(results, own, record, licence)),
        "## How to reproduce it",
        model_card_text.how_to_reproduce(results),
        _table(("what", "value"), [(what, f"`{value}`") for what, value in _digests(results, record)]),
    ]
    return "\n\n".join(part for part in parts if part)


def _results_table(record: RunRecord, rows: Sequence[MetricSummary]) -> str:
    cells = []
    for row in rows:
        sd = "" if row.sd is None else f" ± {numbers.score(row.sd)}"
        ends, own = intervals.interval(row.t_low, row.t_high), record.best.get(row.split, {}).get(row.metric)
        cells.append((row.split, row.metric, f"{numbers.score(row.mean)}{sd}", str(row.n), ends, numbers.score(own)))
    return _table(("split", "metric", "mean ± sd", "n", "interval of the mean", "this model"), cells)


def _data_table(card: DatasetCard) -> str:
    origins = data_card_text.shared_origins(card)
    cells = [
        (
            name,
            f"{split.n_examples:,}",
            f"{split.mean_length:.1f}",
            numbers.percent(split.truncated_ratio, 3),
            origins[name],
        )
        for name, split in card.splits.items()
    ]
    return _table(("split", "examples", "mean length in tokens", "truncated", "from"), cells)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; a cell in backticks stays as it is."""
    cells = [[cell if cell.startswith("`") else escapes.markdown(cell) for cell in row] for row in rows]
    lines = [titles, ["---"] * len(titles), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _digests(results: StudyResults, record: RunRecord) -> list[tuple[str, str]]:
    """What identifies study, data, run and weights."""
    environment, seeds = record.environment, record.spec.seeds.model_dump(exclude_none=True)
    found: list[tuple[str, Any]] = [
        ("study digest", results.study.digest),
        ("run digest", record.digest),
        ("data fingerprint", record.spec.data_fingerprint),
        ("SHA-256 of the encoder's weights", record.spec.encoder.weights_sha256),
        ("SHA-256 of model.safetensors", record.files.get("model/model.safetensors")),
        ("seeds", ", ".join(f"{name} {seed}" for name, seed in seeds.items())),
        ("commit of bertft", environment and environment.commit and f"{environment.commit}{_dirty(environment.dirty)}"),
        ("python", environment and environment.python),
        *(environment.packages.items() if environment else ()),
        ("device", environment and environment.device),
    ]
    return [(what, str(value).replace("`", "'")) for what, value in found if value]


def _dirty(dirty: bool | None) -> str:
    return " (with uncommitted changes)" if dirty else ""
