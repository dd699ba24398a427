"""Flow runs that a dead process left RUNNING are found by their name or their tag, also in a home that was moved since."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, nullcontext
from types import SimpleNamespace
from uuid import uuid4

import pytest

from tasks import prefect_runs as on_server
from tasks.process_identity import owner_tags
from tasks.tracking.new_store import make_store
from tasks.tracking.store_files import prefect_path, prefect_runs, study_tag

OWNED = dict(owner_tags())
SMALL = [study_tag("small")]
RUNS = {  # what a flow run of `small` is after a kill, before and after it held the study's lock
    ("run-study", "small"): [],
    ("update-study", "small"): SMALL,
    ("check-regression", "large"): SMALL,
}
OTHERS = {("run-study", "large"): [], ("check-regression", "small"): [study_tag("small-again")], ("run-one", "full-0"): SMALL}


@pytest.fixture
def database(tmp_path):
    path = prefect_path(tmp_path)
    path.parent.mkdir(parents=True)
    make_store("prefect", path)
    with closing(sqlite3.connect(path)) as database:
        yield database


def add(database, flow: str, name: str, home: object, labels: object = None, tags: object = ()) -> None:
    with database:
        database.execute("INSERT OR IGNORE INTO flow (id, name) VALUES (?, ?)", (flow, flow))
        values = (str(uuid4()), flow, name, "RUNNING", json.dumps({"home": str(home)}), json.dumps(labels), json.dumps(tags))
        columns = "id, flow_id, name, state_type, parameters, labels, tags"
        database.execute(f"INSERT INTO flow_run ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def test_a_flow_run_is_of_the_home_that_holds_it_where_it_says_whose_it_is(tmp_path, database):
    for labels, home in ((OWNED, "/moved/from"), ({}, "/moved/from"), (None, tmp_path)):
        add(database, "run-study", "small", home, labels)
    assert [run.tags for run in prefect_runs(tmp_path, "small")] == [OWNED, {}]


def test_every_flow_that_works_on_a_study_is_found_in_the_home(tmp_path, database):
    for (flow, name), tags in (RUNS | OTHERS).items():
        add(database, flow, name, tmp_path, tags=tags)
    assert sorted(run.name for run in prefect_runs(tmp_path, "small")) == sorted(name for _, name in RUNS)


def test_every_flow_that_works_on_a_study_is_found_on_a_server(tmp_path, monkeypatch):
    there = {
        found: SimpleNamespace(id=uuid4(), name=found[1], tags=tags, labels={}, parameters={"home": str(tmp_path)})
        for found, tags in (RUNS | OTHERS).items()
    }

    def read_flow_runs(*, flow_filter, flow_run_filter, limit):
        wanted = flow_run_filter
        return [
            run
            for (flow, name), run in there.items()
            if flow in flow_filter.name.any_
            and (wanted.name is None or name in wanted.name.any_)
            and (wanted.tags is None or set(wanted.tags.all_) <= set(run.tags))
        ]

    monkeypatch.setattr(on_server, "get_client", lambda **_: nullcontext(SimpleNamespace(read_flow_runs=read_flow_runs)))
    assert sorted(on_server.left_flow_runs("small", tmp_path)) == sorted(str(there[found].id) for found in RUNS)
