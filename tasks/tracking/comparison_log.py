"""A comparison in MLflow: numbers, a verdict for each pair as a tag, a note to read, and the folder of tables and pictures."""

from __future__ import annotations

import time
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag

from bertft_core.config.base import digest_of
from bertft_core.records.comparison_record import COMPARISON_FILE, Comparison, PairComparison
from bertft_core.report.comparison_table import claims_text
from tasks.process_identity import owner_tags
from tasks.tracking.mlflow_content import metric_name
from tasks.tracking.mlflow_store import MlflowException, open_store, repair_comparisons, runs_where
from tasks.tracking.store_files import COMPARISON, OF_SEVERAL, STAGE, STUDIES
from tasks.tracking.verdicts import MAX_TAG

DIGEST = "bertft.comparison_digest"


def comparison_metrics(comparison: Comparison) -> dict[str, float]:
    """The numbers of every pair on the headline, below names that no training run has."""
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
    """How many differences are claimed, and the verdict and sentence of every pair on the headline."""
    pairs = comparison.headline_pairs
    n_claimed = sum(pair.claimed for pair in pairs)
    tags = {"claims": f"{n_claimed} of {len(pairs)} differences claimed ({comparison.headline_key})"}
    for pair in pairs:
        verdict = f"{pair.better} is better" if pair.claimed else "no difference claimed"
        tags[f"verdict/{_title(pair)}"] = f"{verdict}: {pair.sentence}"
    if comparison.refused:
        tags["not_compared"] = "; ".join(comparison.refused)
    return {metric_name(f"bertft.{name}"): value[:MAX_TAG] for name, value in tags.items()}


def _title(pair: PairComparison) -> str:
    """In characters that MLflow takes in names."""
    return f"{pair.arm} vs {pair.baseline}".replace(" · ", ".")


def comparison_note(comparison: Comparison) -> str:
    """What the run's page shows."""
    return f"```\n{claims_text(comparison)}\n```"


def write_comparison_on(client: MlflowClient, run_id: str, comparison: Comparison) -> None:
    """Numbers, verdicts, text and record on a run that there is, in place of earlier ones; raises as the store does."""
    for name in client.get_run(run_id).data.tags:
        if name.startswith(("bertft.verdict", "bertft.not_compared")):
            client.delete_tag(run_id, name)
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in comparison_metrics(comparison).items()]
    tags = [RunTag(name, value) for name, value in comparison_tags(comparison).items()]
    client.log_batch(run_id, metrics=metrics, tags=tags)
    client.log_text(run_id, claims_text(comparison), f"{COMPARISON}/claims.txt")
    client.log_dict(run_id, comparison.model_dump(mode="json"), f"{COMPARISON}/{COMPARISON_FILE}")


def log_comparison(home_dir: Path, uri: str | None, comparison: Comparison, folder: Path) -> str:
    """A run of its own for this comparison, the same one when the same is compared again; its id.

    It lies in the experiment of the study, or in `comparisons` where there are several. What killed comparisons have left open
    is settled first. Raises `MlflowException`.
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
        client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])  # whose it is now, before it runs
        client.update_run(run_id, status="RUNNING")
        write_comparison_on(client, run_id, comparison)
        client.log_artifacts(run_id, str(folder), COMPARISON)
        client.set_tag(run_id, "mlflow.note.content", comparison_note(comparison))
    except BaseException:
        client.set_terminated(run_id, status="FAILED")
        raise
    client.set_terminated(run_id)
    return run_id


__all__ = ["MlflowException", "comparison_metrics", "comparison_note", "comparison_tags", "log_comparison", "write_comparison_on"]
