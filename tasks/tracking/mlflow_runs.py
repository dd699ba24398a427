"""The MLflow runs of one study, found again by the digest in their tags, so that nothing is logged twice."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlflow.entities import Metric, Run, RunTag

from tasks.process_identity import owner_tags
from tasks.tracking.mlflow_store import (
    SESSION,
    end_run,
    open_store,
    repair_comparisons,
    repair_killed_runs,
    run_addresses,
    runs_where,
)
from tasks.tracking.provenance import origin_tags
from tasks.tracking.store_files import PARENT_TAG, digest_in

MAX_BATCH = 1000
"""Metrics MLflow takes in one call."""


class MlflowRuns:
    """The runs of one experiment: training runs by run digest, searches and studies by theirs."""

    def __init__(self, home_dir: Path, uri: str | None, experiment: str, session: str) -> None:
        """Open the store and repair what dead processes left. Raises `MlflowException` when the store is away.

        The caller holds the study's lock, so in the home's own store nobody else writes its runs.
        """
        self.client, self.experiment_id = open_store(home_dir, uri, experiment)
        self.session = session
        self.repaired = repair_killed_runs(self.client, self.experiment_id, all_dead=uri is None)
        self.repaired += repair_comparisons(self.client)
        self._known: dict[str, Run] = {}
        self._ended: dict[str, str] = {}
        """Digest → the status with which a run was ended since it was opened here."""
        self._tried: dict[tuple[str, str, int], int] = {}
        """Run, metric and step of points that a call has failed to log → their times."""
        for run in runs_where(self.client, self.experiment_id, ""):
            if (digest := digest_in(run.data.tags)) is not None:
                self._known.setdefault(digest, run)  # the newest comes first

    def id_of(self, digest: str) -> str | None:
        """The MLflow run with this digest, if there is one."""
        run = self._known.get(digest)
        return None if run is None else str(run.info.run_id)

    def addresses(self, server: str) -> dict[str, str]:
        """Digest → the page of its run, at this address of MLflow's server."""
        return run_addresses(self._known.values(), server)

    def tag_of(self, digest: str, name: str) -> str | None:
        """A tag of the run with this digest, as it was when the run was last opened, tagged or ended here."""
        run = self._known.get(digest)
        return None if run is None else run.data.tags.get(name)

    def status_of(self, digest: str) -> str:
        """The status of a run that there is, as it was when the run was last opened or ended here."""
        return self._ended.get(digest) or str(self._known[digest].info.status)

    def has_params(self, digest: str) -> bool:
        """Whether the run's settings were logged when it was first opened."""
        return bool(self._known[digest].data.params)

    def open(
        self, digest: str, name: str, tags: dict[str, str], parent: str | None = None, *, since_ms: int | None = None
    ) -> str:
        """The id of the run with this digest, RUNNING: the one there is, or a new one that began then, or now."""
        self._ended.pop(digest, None)
        tags = tags | self._mine() | ({} if parent is None else {PARENT_TAG: parent})
        run_id = self.id_of(digest)
        if run_id is None:
            made = self.client.create_run(self.experiment_id, start_time=since_ms, tags=tags | origin_tags(), run_name=name)
            self._known[digest] = made
            return str(self._known[digest].info.run_id)
        self._tag(run_id, tags)  # first, so that the guard of an earlier session does not take it for its own
        self.client.update_run(run_id, status="RUNNING")
        self._known[digest] = self.client.get_run(run_id)
        return run_id

    def take(self, digest: str, tags: dict[str, str]) -> None:
        """Set tags of a run that there is, those among them that say it is this session that writes it now."""
        self.tag(digest, tags | self._mine())

    def _mine(self) -> dict[str, str]:
        return {SESSION: self.session} | owner_tags()

    def tag(self, digest: str, tags: dict[str, str]) -> None:
        """Set tags of a run that there is."""
        run = self._known[digest]
        self._tag(str(run.info.run_id), tags)
        run.data.tags.update(tags)  # to read the run again would fetch all its metrics

    def end(self, digest: str, status: str, at_ms: int | None = None) -> None:
        """End a run that there is, now or as of then: FINISHED, FAILED or KILLED."""
        end_run(self.client, self._known[digest], status, at_ms)
        self._ended[digest] = status

    def delete_doubles(self) -> None:
        """Delete what this session began and then began again, because a server that was away carried out what was given up."""
        for run in runs_where(self.client, self.experiment_id, f"tags.`{SESSION}` = '{self.session}'"):
            known = self.id_of(digest_in(run.data.tags) or "")
            if known not in (None, run.info.run_id):
                self.client.delete_run(run.info.run_id)

    def end_open(self) -> None:
        """Mark every run that this session leaves open as KILLED."""
        repair_killed_runs(self.client, self.experiment_id, session=self.session)

    def earlier_id_of(self, digest: str) -> str | None:
        """The run with this digest that an earlier session has logged; one of this session is what came in its place."""
        return None if self.tag_of(digest, SESSION) == self.session else self.id_of(digest)

    def delete(self, digest: str) -> None:
        """Forget a run that there is."""
        self.client.delete_run(str(self._known[digest].info.run_id))
        del self._known[digest]

    def log_numbers(self, run_id: str, metrics: Mapping[str, float], points: Iterable[Metric] = ()) -> None:
        """Log numbers that have no step, after `points` and in one call with them."""
        now = int(time.time() * 1000)
        self.log_metrics(run_id, [*points, *(Metric(name, value, now, 0) for name, value in metrics.items())])

    def log_metrics(self, run_id: str, metrics: list[Metric]) -> None:
        """Log any number of points.

        A server may carry out what its client gave up. So points of a call that failed are sent again with the times that they
        had: MLflow keeps equal points once.
        """
        for start in range(0, len(metrics), MAX_BATCH):
            points = metrics[start : start + MAX_BATCH]
            places = [(run_id, point.key, point.step) for point in points]
            times = [self._tried.pop(place, point.timestamp) for place, point in zip(places, points, strict=True)]
            batch = [Metric(point.key, point.value, time_ms, point.step) for point, time_ms in zip(points, times, strict=True)]
            try:
                self.client.log_batch(run_id, metrics=batch)
            except Exception:
                self._tried |= dict(zip(places, times, strict=True))
                raise

    def _tag(self, run_id: str, tags: dict[str, str]) -> None:
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
