"""The task of summing a study up over its seeds."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from bertft_core.evaluation.summarize import evaluated
from bertft_core.storage.study_dir import write_record
from bertft_core.storage.study_results import StudyResults


@task(name="evaluate-runs", task_run_name="evaluate runs · {results.study.name}", cache_policy=NO_CACHE, persist_result=False)
def evaluate_runs(results: StudyResults) -> StudyResults:
    """Scores from stored predictions, statistics over seeds, and every pair of arms compared.

    See `bertft_core.evaluation.summarize.evaluated`.
    """
    results = evaluated(results)
    write_record(results.study_dir.summary_path, results.summary)
    return results
