"""What flow runs that compare a study with itself are called at their end."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Crashed, Failed

from flows import flow_settings
from flows.check_regression import check_regression
from flows.flow_settings import MAX_NAME, REGRESSED, name_by_message
from flows.update_study import update_study


@pytest.mark.parametrize(
    ("state", "named"),
    [
        (Completed(message="the data have not changed"), ["small: the data have not changed"]),
        (Failed(name=REGRESSED, message="1 of 4 scores is worse"), ["small: 1 of 4 scores is worse"]),
        (Completed(message="x" * 300), [("small: " + "x" * 300)[:MAX_NAME]]),
        (Failed(message="nobody: this config cannot be read"), []),
        (Crashed(message="killed"), []),
    ],
)
def test_a_comparison_is_named_by_its_message_and_a_failure_keeps_the_name_of_the_study(monkeypatch, state, named):
    run, names = FlowRun(id=uuid4(), flow_id=uuid4(), name="small"), list[str]()
    client = SimpleNamespace(update_flow_run=lambda _, name: names.append(name))
    monkeypatch.setattr(flow_settings, "get_client", lambda **_: nullcontext(client))
    name_by_message(check_regression, run, state)
    assert names == named


def test_both_flows_are_named_at_their_end():
    assert [flow.on_completion_hooks for flow in (update_study, check_regression)] == [[name_by_message]] * 2
    assert check_regression.on_failure_hooks == [name_by_message]
