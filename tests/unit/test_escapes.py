"""Words of the user are never markup, formulas or control characters in anything that a study writes for people."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bertft_core.config import UserError
from bertft_core.control_characters import CONTROL
from bertft_core.records import DataFinding
from bertft_core.records.run_spec import EncoderIdentity
from bertft_core.report.comparison_page import write_comparison
from bertft_core.report.drawings.seed_points import ArmRow, SeedPoint, seed_plot
from bertft_core.report.formatting import escapes
from bertft_core.report.prose.data_card_text import card_text
from bertft_core.report.styling import page_script
from bertft_core.report.table_formats import Column, PaperTable, TableCell, csv_text, markdown
from tests.helpers.comparison_records import SCORES, make_arm, make_comparison, make_pair
from tests.helpers.report_pages import Page, write_small_report
from tests.helpers.small_records import make_card, make_study

HOSTILE = '<script>x("&|$`)</script>\x1b[2J\u202e\n# not a heading'
RAW = ("<script>", "\x1b", "\u202e", "\n# not")
SPECIAL = re.compile(r"(?<!\\)((?:\\\\)*)[`*_<>|\[\]$&~]")
"""What means something in Markdown and has no backslash before it."""


def written(folder: Path, *endings: str) -> dict[Path, str]:
    found = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in endings}
    assert found
    return found


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """Of a study in which every text that a user gives is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    card = make_card(folder)
    origin = card.splits["train"].origin.model_copy(update={"path": HOSTILE})
    splits = {name: split.model_copy(update={"origin": origin}) for name, split in card.splits.items()}
    path, _, _ = write_small_report(
        folder,
        study=make_study(description=HOSTILE),
        labels=(HOSTILE, f"{HOSTILE} 2"),
        statuses={("full", 1): ("failed", f"=1+1 {HOSTILE}")},
        name=HOSTILE,
        splits=splits,
        encoder=EncoderIdentity(checkpoint=HOSTILE, revision=HOSTILE, weights_sha256=card.encoder.weights_sha256),
        findings=(DataFinding(check=HOSTILE, split=HOSTILE, count=1, names=(HOSTILE,), examples=(HOSTILE,)),),
    )
    return path.parent


def test_a_report_holds_nothing_hostile_raw(report):
    files = written(report, ".html", ".svg", ".md", ".tex")
    assert {path.suffix for path in files} == {".html", ".svg", ".md", ".tex"}
    ours = f"<script>\n{page_script()}\n</script>"
    for path, text in files.items():
        text = text.replace(ours, "", 1) if path.name == "report.html" else text
        assert [raw for raw in (*RAW[:3], *(RAW[3:] if path.suffix in (".md", ".tex") else ())) if raw in text] == [], path.name
        assert not CONTROL.search(text), path.name
    page = Page(files[report / "report.html"])
    assert page.tags.count("script") == 1, "ours"
    assert page.words.count('<script>x("&|$`)</script>\\u001b[2J\\u202e') >= 8


def test_the_text_for_a_paper_has_no_markup_but_its_own(report):
    text = (report / "paper.md").read_text(encoding="utf-8")
    bodies = [re.sub(r"^- \*\*.*?\*\* ", "", line) for line in text.split("\n")]
    assert any("script" in body for body in bodies)
    assert [body for body in bodies if SPECIAL.search(body)] == []


def test_every_picture_is_well_formed_xml(report):
    figure = seed_plot([ArmRow(HOSTILE, [SeedPoint(0.5, HOSTILE, False)], 0.5, None, None)], HOSTILE, None)
    drawn = ElementTree.fromstring(str(figure.svg()))
    assert HOSTILE.replace("\n", " ").replace("\x1b", "\\u001b").replace("\u202e", "\\u202e") in drawn.get("aria-label")
    assert not CONTROL.search(str(figure.svg()))
    for text in written(report, ".svg").values():
        ElementTree.fromstring(text)


def test_a_cell_that_begins_like_a_formula_has_an_apostrophe_and_a_number_has_none(report):
    with (report / "runs.csv").open(encoding="utf-8", newline="") as file:
        errors = [row["error"] for row in csv.DictReader(file) if row["error"]]
    assert errors
    assert all(error.startswith("'=1+1 <script>") and "\x1b" not in error for error in errors)
    table = PaperTable("t", "", [], [], [{"a": "-half", "n": -0.5, "why": "x=1"}, {"a": " @x", "n": None, "why": "+"}])
    assert csv_text(table) == "a,n,why\n'-half,-0.5,x=1\n' @x,,'+\n"


def test_a_comparison_of_hostile_arms_holds_nothing_raw(tmp_path):
    arms = (make_arm("features", SCORES["features"]), make_arm(HOSTILE, SCORES["full"]))
    pair = make_pair("full", "features", 0.5).model_copy(update={"arm": HOSTILE})
    write_comparison(make_comparison(title=HOSTILE, arms=arms, pairs=(pair,)), tmp_path)
    for path, text in written(tmp_path, ".html", ".svg", ".md", ".tex").items():
        assert [raw for raw in RAW[:3] if raw in text] == [], path.name


def test_a_table_in_markdown_keeps_its_columns_whatever_its_cells_hold():
    table = PaperTable("t", HOSTILE, [Column(HOSTILE, "l"), Column("n")], [[TableCell(HOSTILE), TableCell("1", bold=True)]], [])
    lines = markdown(table).rstrip("\n").split("\n")
    assert len(lines) == 5
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [3, 3, 3, 0, 0]


def test_latex_is_on_one_line_and_shows_control_characters():
    assert escapes.latex("a\n\nb\x1b$") == r"a b\textbackslash{}u001b\$"


def test_no_backticks_end_a_block_of_code():
    assert escapes.fenced("a ``` b ````\x1b") == "`````\na ``` b ````\\u001b\n`````"
    assert escapes.fenced("a") == "```\na\n```"


def test_a_card_names_files_in_one_line_each(tmp_path):
    card = make_card(tmp_path)
    odd = "a\nb\tc.csv"
    origin = card.splits["train"].origin.model_copy(update={"path": odd})
    splits = {name: split.model_copy(update={"origin": origin}) for name, split in card.splits.items()}
    finding = DataFinding(check="duplicates", split="train", count=1, names=(), examples=(f"{odd}:1: x",))
    text = card_text(card.model_copy(update={"name": odd, "splits": splits, "findings": (finding,)}))
    assert odd not in text
    assert text.startswith("a\\u000ab\\u0009c.csv (")
    assert text.count("a\\u000ab\\u0009c.csv") == 2 + len(splits)


def test_a_card_shows_characters_without_width_in_labels(tmp_path):
    card = make_card(tmp_path, ("good", "good\u200b"))
    assert "\u200b" not in card_text(card)
    assert "labels       good, good\\u200b" in card_text(card)
    assert "good:40 good\\u200b:40" in card_text(card)


def test_a_refusal_names_its_file_in_one_line_and_shows_characters_without_width():
    error = UserError("the label 'normal\u200b' has too few examples", path="a\nb.csv", line=3, found="x\ufeff", hint="y")
    assert str(error).splitlines()[0] == "a\\u000ab.csv:3: the label 'normal\\u200b' has too few examples"
    assert "\\ufeff" in str(error)
    assert error.path == "a\nb.csv"
