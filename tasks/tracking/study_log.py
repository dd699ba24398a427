"""A study in MLflow: one parent run, a run for each search below it, and below those the training runs.

Every call writes, and raises when the store does.
"""

from pathlib import Path

from bertft_core.config import StudyConfig
from bertft_core.records import DatasetCard, RunSpec, StudySummary, SweepResult
from bertft_core.records.verification_record import VERIFICATION_FILE
from bertft_core.report.prose import trial_notes_text
from bertft_core.report.prose.trial_notes_text import LoggedId
from bertft_core.report.report_seal import read_seal
from bertft_core.report.run_links import link_report
from bertft_core.storage.study_dir import StudyDir
from tasks.mlflow_address import browser_address
from tasks.tracking import mlflow_content as content
from tasks.tracking.comparison_log import write_comparison_on
from tasks.tracking.mlflow_runs import MlflowRuns
from tasks.tracking.provenance import provenance_files, provenance_tags
from tasks.tracking.run_log import MlflowRunLog
from tasks.tracking.shared_view import TAG, shared_view
from tasks.tracking.store_files import LOGGED, PARENT_TAG, run_page
from tasks.tracking.verdicts import fetch_verification

PARENT, SEARCH = "study", "search"
NOTE = "mlflow.note.content"


class StudyLog:
    """What MLflow holds of one execution of a study."""

    def __init__(self, study: StudyConfig, study_dir: StudyDir, session: str) -> None:
        """Open the store and the parent run. Raises `MlflowException` when the store is away."""
        self._study, self._study_dir = study, study_dir
        self._runs = MlflowRuns(study_dir.home_dir, study.tracking.uri, study.name, session)
        self.runs = MlflowRunLog(self._runs, study_dir, study)
        self._search_ids: dict[str, str] = {}
        """Arm → MLflow run of its search."""
        tags = {"bertft.study": study.name, "bertft.stage": PARENT, "bertft.study_digest": study.digest}
        self._parent = self._runs.open(study.digest, study.name, tags | provenance_tags())
        for path in provenance_files(study_dir.path / "provenance"):
            self._runs.client.log_artifact(self._parent, str(path), "provenance")
        self._runs.client.log_artifact(self._parent, str(study_dir.config_path))
        if not (study_dir.path / VERIFICATION_FILE).exists():
            fetch_verification(self._runs.client, self._parent, study_dir.path)

    @property
    def study_run_id(self) -> str:
        """The run that the study's training runs are below."""
        return self._parent

    @property
    def page(self) -> str:
        """The study's own run below the address of MLflow's server."""
        return run_page(self._runs.experiment_id, self._parent)

    @property
    def report_page(self) -> str:
        """The report below the address of MLflow's server."""
        return run_page(self._runs.experiment_id, self._parent, "/artifacts/report/report.html")

    def parent_of(self, spec: RunSpec) -> str:
        """The MLflow run that a training run belongs below."""
        return self._search_ids.get(spec.arm, self._parent) if spec.stage == "search" else self._parent

    def log_data(self, card: DatasetCard) -> None:
        """The data card; the data sets of all arms as inputs of the study, and each as one of the runs of its arm."""
        self.runs.card = card
        self._runs.client.log_dict(self._parent, card.model_dump(mode="json"), "data_card.json")
        self._runs.client.set_tag(self._parent, "bertft.data_fingerprint", card.fingerprint)
        different = {each.fingerprint: each for each in card.every}.values()
        self._runs.client.log_inputs(self._parent, datasets=list(map(content.dataset_input, different)))

    def start_search(self, arm: str, digest: str) -> str:
        """Open the run of a search that begins or continues; its id."""
        tags = {"bertft.study": self._study.name, "bertft.stage": SEARCH, "bertft.arm": arm, "bertft.search_digest": digest}
        self._search_ids[arm] = self._runs.open(digest, f"{arm} · search", tags, parent=self._parent)
        return self._search_ids[arm]

    def log_search(self, result: SweepResult) -> None:
        """A finished search: what it chose, its trials, its report."""
        known = self._runs.id_of(result.digest)
        if known is not None and self._runs.tag_of(result.digest, LOGGED) == str(result.n_planned):
            self._search_ids[result.arm] = known
            if self._runs.status_of(result.digest) != "FINISHED":
                self._runs.end(result.digest, "FINISHED")
            if self._runs.tag_of(result.digest, PARENT_TAG) != self._parent:
                self._runs.tag(result.digest, {PARENT_TAG: self._parent})
            return
        run_id = self.start_search(result.arm, result.digest)
        metrics = {"best_score": result.best_score, "best_trial": result.best_trial, "n_trials": len(result.trials)}
        self._runs.log_numbers(run_id, {name: float(value) for name, value in metrics.items()})
        self._runs.client.log_dict(run_id, result.model_dump(mode="json"), "result.json")
        if result.storage_path is not None:
            self._note_runs(result, self._study_dir.path / result.storage_path)
        for path in (result.report_path, result.storage_path):
            if path is not None:
                self._runs.client.log_artifact(run_id, str(self._study_dir.path / path))
        chosen = {f"bertft.chosen.{name}": str(value) for name, value in result.chosen.items()}
        self._runs.end(result.digest, "FINISHED")
        self._runs.tag(result.digest, chosen | {LOGGED: str(result.n_planned)})  # last: it says that all is there

    def _note_runs(self, result: SweepResult, journal: Path) -> None:
        """Say on Optuna's own pages which run of MLflow each seed of each trial is."""
        from bertft_core.sweep.trial_notes import write_notes  # Optuna, which no other study needs

        server = browser_address(self._study.tracking.uri)
        addresses = {} if server is None else self._runs.addresses(server)
        ids = {digest: self._runs.id_of(digest) for digest in (result.digest, *(d for t in result.trials for d in t.run_digests))}
        known = {digest: LoggedId(run_id, addresses.get(digest)) for digest, run_id in ids.items() if run_id is not None}
        write_notes(journal, f"{self._study.name}/{result.arm}", trial_notes_text.notes(result, known))

    def log_study(self, summary: StudySummary, note: str) -> None:
        """Statistics, report and result table on the parent."""
        numbers = content.headline_metrics(summary)
        every = self._study.tracking.every_metric
        if every:
            numbers |= content.summary_metrics(summary) | content.probe_summary_metrics(summary)
        self._runs.log_numbers(self._parent, numbers)
        for digest, metrics in content.probe_run_metrics(summary, every=every).items():
            self.runs.log_probes(digest, metrics)
        self._runs.client.set_tag(self._parent, NOTE, note)
        for tag, value in {NOTE: note, TAG: shared_view(summary)}.items():
            self._runs.client.set_experiment_tag(self._runs.experiment_id, tag, value)
        if summary.comparison is not None:
            write_comparison_on(self._runs.client, self._parent, summary.comparison)
        if (server := browser_address(self._study.tracking.uri)) is not None:
            link_report(self._study_dir, self._runs.addresses(server))
        for path in sorted(self._study_dir.report_dir.iterdir()):
            self._runs.client.log_artifact(self._parent, str(path), "report")
        if (seal := read_seal(self._study_dir)) is not None:
            self._runs.tag(self._study.digest, {LOGGED: seal.made})  # last: it says that all is there

    def finish(self, status: str) -> None:
        """End the parent, and everything that is still open with KILLED."""
        self._runs.end(self._study.digest, status)
        self._runs.delete_doubles()
        self._runs.end_open()
