"""What Prefect's pages show of the deployments: a help for each field, a drop-down of ready studies, and no switch to null."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from typing import Any

import jinja2
import pytest
import yaml

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.ready_studies import ready_names
from flows import flow_settings
from flows.flow_settings import WithoutTraceback, explained
from flows.update_study import update_study
from tests.helpers.product_modules import ROOT

DECLARED = {each["name"]: each for each in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
DEPLOYMENTS = {name: each["entrypoint"] for name, each in DECLARED.items()}


def form(deployment: str) -> dict[str, Any]:
    module, _, name = DEPLOYMENTS[deployment].rpartition(".")
    return getattr(importlib.import_module(module), name).parameters.model_dump()


@pytest.mark.parametrize("deployment", sorted(DEPLOYMENTS))
def test_every_field_has_a_help_and_no_switch_to_null(deployment):
    assert len(DEPLOYMENTS) >= 7
    fields = form(deployment)["properties"]
    assert fields
    for name, field in fields.items():
        assert field.get("description", "").endswith("."), name
        assert {"type": "null"} not in field.get("anyOf", []), name


@pytest.mark.parametrize("deployment", ["run-study", "nightly-regression", "on-dataset-updated"])
def test_a_ready_study_is_chosen_from_a_list(deployment):
    ready, path, whole = form(deployment)["properties"]["config"]["anyOf"]
    assert ready["enum"] == list(ready_names())
    assert [each["title"] for each in (ready, path, whole)] == ["ready study", "path of a YAML file", "whole config"]


@pytest.mark.parametrize("payload", [{}, {"overrides": None, "home": None}], ids=["left out", "null"])
def test_an_event_needs_nothing_but_the_config(payload):
    (trigger,) = DECLARED["on-dataset-updated"]["triggers"]
    event = {"payload": {"config": {"name": "s"}} | payload}
    templates = {name: jinja2.Template(each["value"]["template"]) for name, each in trigger["parameters"].items()}
    asked = {name: json.loads(template.render(event=event)) for name, template in templates.items()}
    assert update_study.validate_parameters(asked) == {"config": {"name": "s"}, "overrides": (), "home": ""}


def test_the_form_of_a_study_knows_every_key():
    schema = form("run-study-from-form")
    assert schema["required"] == ["study"]
    study = schema["definitions"]["StudyConfig"]
    assert set(study["properties"]) == set(StudyConfig.model_fields)
    assert study["additionalProperties"] is False


@pytest.mark.parametrize(("error", "shown"), [(UserError("no such key"), "no such key"), (ValueError("a fault"), "at %s")])
def test_a_log_has_no_traceback_of_a_mistake_of_the_user(error, shown):
    try:
        raise error
    except Exception:
        record = logging.LogRecord("prefect.task_runs", logging.ERROR, "", 0, "at %s", ("task",), sys.exc_info())
    assert WithoutTraceback().filter(record)
    assert (record.msg, record.exc_info is None) == (shown, isinstance(error, UserError))


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (r"Failed('no such key\n  hint:     read')", "Finished in state Failed"),
        ("Failed('no such key')", "Finished in state Failed('no such key')"),
        (r"Regressed('a\nb')", r"Finished in state Regressed('a\nb')"),
    ],
)
def test_a_log_has_no_text_of_many_lines_as_one_line_with_escapes(state, shown):
    record = logging.LogRecord("prefect.flow_runs", logging.INFO, "", 0, f"Finished in state {state}", (), None)
    assert WithoutTraceback().filter(record)
    assert record.msg == shown


@pytest.mark.parametrize("is_logged", [False, True])
def test_the_log_of_a_flow_has_a_refusal_once(monkeypatch, is_logged):
    lines, mistake = [], UserError("no such key", hint="read")
    logger = logging.Logger("prefect.flow_runs")
    logger.addHandler(logging.Handler())
    logger.handlers[0].emit = lambda record: lines.append((record.levelname, record.getMessage()))
    logger.addFilter(WithoutTraceback())
    monkeypatch.setattr(flow_settings, "get_run_logger", lambda: logger)

    def refuse():
        if is_logged:  # by the task that noticed it
            logger.error("a task failed", exc_info=mistake)
        raise mistake

    state = explained(refuse)()
    logger.error("the process of the flow run failed", exc_info=mistake)
    assert (state.type, state.message) == ("FAILED", str(mistake))
    assert lines == [("ERROR", str(mistake))]
