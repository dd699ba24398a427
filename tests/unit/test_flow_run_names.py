"""What flow runs that compare a study with itself are called at their end."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, Crashed, Failed

from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.report.comparison_table import comparison_table
from bertft_core.report.prose import comparison_text
from flows import compare_results, flow_settings, verify_study
from flows.check_regression import check_regression
from flows.flow_settings import MAX_NAME, REGRESSED, last_line, name_by_message, shown_as_artifact
from flows.update_study import update_study
from tests.helpers.evaluated_studies import make_results


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


def test_the_message_of_a_comparison_is_its_first_answer_and_not_where_its_page_lies(tmp_path):
    results = make_results(tmp_path, {"features": [0.6, 0.62, 0.65], "full": [0.7, 0.8, 0.75]})
    comparison = compare_studies([results], ComparisonRequest(n_resamples=200))
    text = f"{comparison_table(comparison)}\n\npage      /home/comparisons/x/comparison.html"
    assert compare_results.answer(text, 0) == f"{comparison_text.pair(comparison.headline_pairs[0], comparison)}."
    assert compare_results.answer("accuracy on test\narm  seeds\na  1", 0) == ""


def test_the_message_of_a_verification_says_whether_all_is_equal():
    text = "a · seed 000  equal within 0.01\nb · seed 000  bitwise\nreport    /home/report.html"
    assert "not every run" in verify_study.verdict(text, 1)
    assert verify_study.verdict(text, 0) == "every run trained again is bitwise equal"


@pytest.mark.parametrize(("printed", "code", "message"), [("a\nb", 0, "b"), ("a\nb", 1, "b"), ("", 0, "title")])
def test_what_a_command_prints_last_is_the_message_of_its_flow_run(monkeypatch, printed, code, message):
    def command() -> int:
        print(printed)
        return code

    monkeypatch.setattr(flow_settings, "create_markdown_artifact", lambda *_, **__: None)
    monkeypatch.setattr(flow_settings, "get_run_logger", lambda: SimpleNamespace(info=lambda _: None))
    state = shown_as_artifact(command, "key", "title", last_line)
    assert (state.message, state.is_completed()) == (message, code == 0)
