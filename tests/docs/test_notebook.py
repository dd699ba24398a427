"""The notebook of the library: ten cells, which run from a data frame to a figure."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

from tests.helpers.markdown import ROOT

PATH = ROOT / "docs" / "notebooks" / "from_frame_to_figure.ipynb"
NOTEBOOK = json.loads(PATH.read_text(encoding="utf-8"))
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def test_it_has_ten_cells_without_stored_outputs():
    assert len(NOTEBOOK["cells"]) == 10
    assert [cell["outputs"] for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"] == [[]] * len(CODE)


def last_value(source: str, names: dict[str, Any]) -> Any:
    """What a cell shows: the value of its last line, where that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(PATH), "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), str(PATH), "eval"), names)


@pytest.mark.slow
def test_every_cell_runs_and_shows_what_it_promises(monkeypatch, capsys):
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "BERTFT_HOME"):
        monkeypatch.delenv(name, raising=False)
    names: dict[str, Any] = {}
    shown = [last_value(source, names) for source in CODE]
    assert repr(shown[2]).startswith("<Study tickets: classification, 2 arms, 6 of 6 runs>")
    assert set(shown[3]["status"]) <= {"ok", "collapsed"}
    assert shown[4]["count"].tolist() == [3, 3]
    assert shown[5]._repr_png_()
    assert len(shown[6]) == 5
    assert "full is" in capsys.readouterr().out
    assert shown[8]["prediction"].isin(["urgent", "normal"]).all()
