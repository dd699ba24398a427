"""A comparison in MLflow: numbers, a verdict for each pair as a tag, a note, and the folder of tables and pictures."""

import time
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag

from bertft_core.config.base import digest_of
from bertft_core.records.comparison_record import COMPARISON_FILE, Comparison, PairComparison
from bertft_core.report.comparison_table import comparison_table
from bertft_core.report.formatting import escapes
from bertft_core.report.prose import comparison_notes, comparison_text
from tasks.process_identity import owner_tags
from tasks.tracking.mlflow_content import metric_name
from tasks.tracking.mlflow_store import end_run, open_store, repair_comparisons, runs_where
from tasks.tracking.store_files import COMPARISON, OF_SEVERAL, STAGE, STUDIES
from tasks.tracking.verdicts import MAX_TAG

DIGEST = "bertft.comparison_digest"


def comparison_metrics(comparison: Comparison) -> dict[str, float]:
    """The numbers of every pair on the headline metric, under names that no training run uses."""
    found: dict[str, float | None] = {}
    for pair in comparison.headline_pairs:
        numbers = {"difference": pair.difference, "p_holm": pair.p_holm}
        for name, interval in (("", pair.both), ("seeds_", pair.seeds), ("examples_", pair.examples)):
            if interval is not None:
                numbers |= {f"{name}low": interval.low, f"{name}high": interval.high}
        if pair.superiority is not None:
            numbers["superiority"] = pair.superiority.value
        found |= {metric_name(COMPARISON, _title(pair), name): value for name, value in numbers.items()}
    return {name: value for name, value in found.items() if value is not None}


def comparison_tags(comparison: Comparison) -> dict[str, str]:
    """How many differences are claimed, and the verdict and sentence of every pair on the headline metric."""
    tags = {"claims": comparison_text.n_claimed(comparison)}
    tags |= {f"verdict/{_title(pair)}": comparison_text.with_verdict(pair, comparison) for pair in comparison.headline_pairs}
    if comparison.refused:
        tags["not_compared"] = "; ".join(comparison_notes.refusal(found, comparison) for found in comparison.refused)
    return {metric_name(f"bertft.{name}"): value[:MAX_TAG] for name, value in tags.items()}


def _title(pair: PairComparison) -> str:
    """In characters that MLflow allows in names."""
    return f"{pair.arm} vs {pair.baseline}".replace(" · ", ".")


def comparison_note(comparison: Comparison) -> str:
    """The text of the run's page."""
    return escapes.fenced(comparison_table(comparison))


def write_comparison_on(client: MlflowClient, run_id: str, comparison: Comparison) -> None:
    """Numbers, verdicts, text and record on an existing run, replacing earlier ones; raises what the store raises."""
    for name in client.get_run(run_id).data.tags:
        if name.startswith(("bertft.verdict", "bertft.not_compared")):
            client.delete_tag(run_id, name)
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in comparison_metrics(comparison).items()]
    tags = [RunTag(name, value) for name, value in comparison_tags(comparison).items()]
    client.log_batch(run_id, metrics=metrics, tags=tags)
    client.log_text(run_id, comparison_table(comparison), f"{COMPARISON}/claims.txt")
    client.log_dict(run_id, comparison.model_dump(mode="json"), f"{COMPARISON}/{COMPARISON_FILE}")


def log_comparison(home_dir: Path, uri: str | None, comparison: Comparison, folder: Path) -> str:
    """The id of the comparison's own run, which is reused when the same arms are compared again.

    It is in the experiment of the study, or in `comparisons` for several studies. Runs that killed comparisons left open are
    repaired first. Raises `MlflowException`.
    """
    studies = comparison.studies
    client, experiment_id = open_store(home_dir, uri, studies[0] if len(studies) == 1 else OF_SEVERAL)
    repair_comparisons(client)
    digest = digest_of({"studies": list(studies), "arms": [arm.name for arm in comparison.arms], "key": comparison.headline_key})
    known = runs_where(client, experiment_id, f"tags.`{DIGEST}` = '{digest}'")
    tags = {STAGE: COMPARISON, DIGEST: digest, STUDIES: ", ".join(studies)[:MAX_TAG]} | owner_tags()
    if not known:
        known = [client.create_run(experiment_id, tags=tags, run_name=f"comparison · {comparison.title}"[:250])]
    run_id = str(known[0].info.run_id)
    try:
        client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])  # its owner, before it is RUNNING
        client.update_run(run_id, status="RUNNING")
        write_comparison_on(client, run_id, comparison)
        client.log_artifacts(run_id, str(folder), COMPARISON)
        client.set_tag(run_id, "mlflow.note.content", comparison_note(comparison))
    except BaseException:
        end_run(client, known[0], "FAILED")
        raise
    end_run(client, known[0])
    return run_id
