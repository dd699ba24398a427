"""YAML is read the way people mean it, and refused with its line when it cannot be."""

from __future__ import annotations

import pytest

from bertft_core.config import UserError, load_study
from bertft_core.config.yaml_text import read_value, read_yaml
from tests.helpers.small_configs import STUDY, changed, load, refusal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("2e-5", 2e-5),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-3", -3),
        ("0123", 123),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ("2024-01-02", "2024-01-02"),
        ("1.2.3", "1.2.3"),
        ("None", "None"),
        ("NA", "NA"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'2e-5'", "2e-5"),
        ("[8, 16]", [8, 16]),
        ("{low: 1e-5}", {"low": 1e-5}),
    ],
)
def test_a_value_is_what_a_person_means(text, value):
    read = read_value(text)
    assert read == value
    assert type(read) is type(value)


def test_label_names_such_as_no_and_on_stay_texts(tmp_path):
    study = load(tmp_path, changed("name: reviews}", "name: reviews, labels: [no, on]}"))
    assert study.data.labels == ("no", "on")


def test_a_learning_rate_without_a_point_is_a_number(tmp_path):
    study = load(tmp_path, changed("  batch_size: 16", "  learning_rate: 2e-5\n  batch_size: 1_000"))
    assert study.training.learning_rate == 2e-5
    assert study.training.batch_size == 1000


def test_every_key_and_item_has_its_line():
    lines = read_yaml("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "study.yaml")[1]
    assert lines == {(): 1, ("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 4, ("a", "c", 1): 5, ("a", "c", 1, "d"): 5}


def test_a_duplicate_key_is_refused_with_both_lines(tmp_path):
    error = refusal(tmp_path, changed("  batch_size: 16", "  batch_size: 16\n  epochs: 2\n  batch_size: 8"))
    assert (error.line, error.found) == (6, "first on line 4")
    assert error.problem == "duplicate key 'batch_size'"


def test_the_same_key_in_two_sections_is_no_repetition():
    assert read_yaml("a: {n: 1}\nb: {n: 2}\nc: [{n: 3}, {n: 4}]\n", "study.yaml")[0]["c"] == [{"n": 3}, {"n": 4}]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name: s\ndata:\n\tsource: bundled\n", 3, "invalid YAML"),
        ("name: s\ndata: {source: bundled\n", 3, "invalid YAML"),
        ("name: s\n---\nname: t\n", 2, "invalid YAML"),
        ("name: s\nseed: !!python/object/apply:os.getpid []\n", 2, "tag !!python/object/apply:os.getpid"),
        ("name: s\nseed: !!timestamp 2024-01-02\n", 2, "tag !!timestamp"),
        ("name: s\ndescription: !mine text\n", 2, "tag !mine"),
        ("name: *nobody\n", 1, "invalid YAML"),
    ],
)
def test_text_that_is_no_plain_yaml_is_refused_with_its_line(tmp_path, text, line, words):
    error = refusal(tmp_path, text)
    assert words in error.problem
    assert error.line == line
    assert error.path == str(tmp_path / "study.yaml")


def test_an_alias_inside_itself_is_refused(tmp_path):
    assert "recursive alias" in refusal(tmp_path, "arms: &arms\n  again: *arms\n").problem


@pytest.mark.parametrize("text", ["", "   \n", "# only a comment\n", "~\n"])
def test_an_empty_file_is_called_empty(tmp_path, text):
    assert refusal(tmp_path, text).problem == "the file is empty"


def test_a_file_that_holds_no_mapping_is_refused(tmp_path):
    error = refusal(tmp_path, "- name: s\n")
    assert (error.found, error.line) == ("list", 1)


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY, encoding="utf-8-sig")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert load_study(path).name == "small"


def test_a_file_that_is_not_there_or_no_utf8_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        load_study(tmp_path / "nowhere.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        load_study(tmp_path)
    (tmp_path / "old.yaml").write_bytes("name: s\ndescription: é\n".encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        load_study(tmp_path / "old.yaml")


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path):
    data = "{source: files, train: train.csv, test: /data/test.csv, out_of_domain: {far: sub/far.csv}}"
    study = load(tmp_path, changed("{source: bundled, name: reviews}", data) + "encoder: {path: encoder}\n")
    assert study.data.train == str(tmp_path / "train.csv")
    assert study.data.test == "/data/test.csv"
    assert study.data.validation is None
    assert study.data.out_of_domain == {"far": str(tmp_path / "sub/far.csv")}
    assert study.encoder.path == str(tmp_path / "encoder")
