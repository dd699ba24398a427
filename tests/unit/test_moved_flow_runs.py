"""Flow runs that a dead process left RUNNING are found in a home that was moved since."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tasks.process_identity import owner_tags
from tasks.tracking.store_files import prefect_path, prefect_runs


def test_a_flow_run_is_of_the_home_that_holds_it_where_it_says_whose_it_is(tmp_path):
    path = prefect_path(tmp_path)
    path.parent.mkdir(parents=True)
    labels = json.dumps(dict(owner_tags()))
    runs = [(labels, "/moved/from"), ("{}", "/moved/from"), (None, str(tmp_path))]
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE flow (id, name)")
        database.execute("CREATE TABLE flow_run (flow_id, name, state_type, labels, parameters)")
        database.execute("INSERT INTO flow VALUES (1, 'run-study')")
        for of_run, home in runs:
            values = (of_run, json.dumps({"home": home}))
            database.execute("INSERT INTO flow_run VALUES (1, 'small', 'RUNNING', ?, ?)", values)
    found = prefect_runs(Path(tmp_path), "small")
    assert [run.tags for run in found] == [json.loads(labels), {}]
