"""What a config file may hold is bounded before anything grows, and what is no text is refused with its place."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bertft_core.config import UserError, load_study, parse_study
from bertft_core.config.config_file import MAX_BYTES
from bertft_core.config.paths import checked_path
from bertft_core.config.yaml_loader import MAX_DEPTH, MAX_NODES
from bertft_core.config.yaml_text import read_yaml
from tests.helpers.small_configs import STUDY, changed, load, refusal

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
NESTED = MAX_DEPTH - 1


def refused(path) -> UserError:
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert caught.value.hint
    return caught.value


def test_an_alias_bomb_is_refused_where_it_begins_to_grow(tmp_path):
    error = refusal(tmp_path, BOMB)
    assert (error.code, error.line) == ("config.too-large", 6)
    assert (error.found, error.expected) == ("more than 100,000 values, aliases expanded", f"at most {MAX_NODES:,} values")


def test_a_merge_bomb_is_refused_too(tmp_path):
    merges = "".join(f"k{n}: &k{n} {{x: [{', '.join([f'*k{n - 1}'] * 9)}], <<: *k{n - 1}}}\n" for n in range(1, 9))
    assert refusal(tmp_path, "k0: &k0 {a: 1}\n" + merges).code == "config.too-large"


@pytest.mark.parametrize("opening", ["[", "{a: "])
def test_a_deep_document_is_called_deep_and_not_recursive(tmp_path, opening):
    error = refusal(tmp_path, opening * 3000)
    assert (error.code, error.line) == ("config.too-large", 1)
    assert "deep" in error.problem
    assert (error.found, error.expected) == ("more than 50 levels", "at most 50 levels")


def test_an_alias_inside_itself_is_named(tmp_path):
    error = refusal(tmp_path, "a: &a [1, *a]\n")
    assert (error.problem, error.found) == ("recursive alias", "*a inside what it stands for")
    assert error.expected


def test_a_document_at_the_limits_is_read():
    assert read_yaml("[" * NESTED + "]" * NESTED, "study.yaml")[0]
    assert len(read_yaml("a: [" + "x, " * (MAX_NODES - 10) + "]", "study.yaml")[0]["a"]) == MAX_NODES - 10


def test_merge_keys_give_what_the_mapping_does_not_have_itself(tmp_path):
    arms = "arms:\n  full: &full {learning_rate: 1e-5, epochs: 2}\n  other: {<<: [{epochs: 4}, *full], batch_size: 8}\n"
    study = load(tmp_path, "name: s\ndata: {source: bundled, name: reviews}\n" + arms)
    assert study.arms["other"].overrides() == {"epochs": 4.0, "learning_rate": 1e-5, "batch_size": 8}
    assert study.arms["full"].overrides() == {"epochs": 2.0, "learning_rate": 1e-5}


def test_a_merged_key_has_the_line_where_it_is_written():
    values, lines = read_yaml("a: &a\n  x: 1\n  y: 2\nb:\n  <<: *a\n  y: 3\n", "study.yaml")
    assert values["b"] == {"x": 1, "y": 3}
    assert (lines["b", "x"], lines["b", "y"]) == (2, 6)


def test_a_merge_key_with_anything_else_is_refused(tmp_path):
    error = refusal(tmp_path, "name: s\narms:\n  <<: 3\n")
    assert (error.code, error.line) == ("config.merge-key", 3)


@pytest.mark.parametrize("key", ["yes", "no", "null", "true", "1.0", "01", "2020-01-01", "~"])
def test_a_key_is_the_text_that_is_written(key):
    assert read_yaml(f"{key}: {{{key}: 1}}", "study.yaml")[0] == {key: {key: 1}}


@pytest.mark.parametrize("key", ["[a]", "{a: b}", "[]"])
def test_a_key_that_is_no_text_is_refused(tmp_path, key):
    error = refusal(tmp_path, f"name: s\n? {key}\n: 1\n")
    assert (error.code, error.line) == ("config.key-not-text", 2)


@pytest.mark.parametrize("label", ["0", "1.0", "true"])
def test_a_number_or_a_boolean_where_a_label_is_meant_asks_for_quotes(tmp_path, label):
    in_file = refusal(tmp_path, changed("name: reviews}", f"name: reviews, labels: [{label}, a]}}"))
    in_option = refusal(tmp_path, STUDY, f"data.labels=[{label}, a]")
    assert "quotes" in (in_file.hint or "")
    assert (in_file.problem, in_file.found, in_file.hint) == (in_option.problem, in_option.found, in_option.hint)
    assert load(tmp_path, STUDY, f"data.labels=['{label}', a]").data.labels == (label, "a")


@pytest.mark.parametrize(
    ("value", "found"),
    [("!!bool maybe", "'maybe' is not"), ("!!int x", "'x' is not an integer"), ("9" * 5000, "is not an integer")],
)
def test_a_scalar_that_is_not_what_its_tag_says_has_its_line(tmp_path, value, found):
    error = refusal(tmp_path, f"name: s\nseed: {value}\n")
    assert found in error.problem
    assert error.line == 2


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("name: s\ndescription: Größe\n".encode("latin-1"), 2, "byte 0xf6, which Latin-1 reads as 'ö'"),
        (STUDY.encode("utf-16"), 1, "UTF-16"),
        (STUDY.encode("utf-32"), 1, "UTF-32"),
        (STUDY.encode("utf-16-le"), 1, "U+0000"),
        (b"name: s\n\x00", 2, "U+0000"),
        (b"name: s\nseed: \x1b[31m3\n", 2, "U+001B"),
        (b'name: s\ndescription: "\\ud800"\n', 2, "U+D800"),
        (b'name: s\nencoder: {path: "a\\0b"}\n', 2, "U+0000"),
    ],
)
def test_what_is_no_text_is_refused_with_its_line(tmp_path, content, line, found):
    (tmp_path / "study.yaml").write_bytes(content)
    error = refused(tmp_path / "study.yaml")
    assert (error.line, error.found) == (line, found)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "study.yaml")
    assert refused(tmp_path / "study.yaml").found == "a pipe or a device"


def test_a_huge_file_is_refused_unread(tmp_path):
    with (tmp_path / "study.yaml").open("wb") as file:
        file.truncate(10 * 2**30)
    assert f"{MAX_BYTES:,}" in (refused(tmp_path / "study.yaml").hint or "")


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + "/study.yaml", "x/" * 3000, "a\0b"])
def test_a_path_that_cannot_be_is_refused(name):
    assert refused(name).code == "path.unusable"


@pytest.mark.parametrize("key", ["data.train", "data.test", "data.out_of_domain.far", "encoder.path"])
def test_a_path_in_a_study_that_cannot_be_is_refused_where_it_is_written(tmp_path, key):
    files = changed("{source: bundled, name: reviews}", "{source: files, train: a.csv}")
    error = refusal(tmp_path, files, f"{key}={'x' * 300}")
    assert (error.code, error.path) == ("path.unusable", f"--set {key}={'x' * 300}")
    assert key in error.problem


def test_a_folder_whose_name_is_no_utf8_is_refused(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    assert refusal(folder, STUDY).code == "path.unusable"


@pytest.mark.parametrize(
    "override",
    [
        "arms.full.search.n_trials",
        "arms.full.search.n_seeds",
        "arms.full.search.trials_per_batch",
        "arms.full.search.first_seed_index",
        "seeds.n",
        "seeds.first",
        "seeds.repeats",
        "training.epochs",
        "training.max_steps",
        "training.batch_size",
        "training.evaluate_every_steps",
        "data.max_length",
        "data.doc_stride",
        "data.max_question_length",
        "execution.slots",
        "execution.retries",
        "execution.threads_per_run",
    ],
)
def test_a_count_that_no_machine_can_hold_is_refused(tmp_path, override):
    error = refusal(tmp_path, STUDY, f"{override}={10**12}")
    assert "less than" in (error.expected or "")
    assert error.hint == "make it smaller"


@pytest.mark.parametrize(("key", "value"), [("max_rows", "1000000000000"), ("max_gib", "1e305")])
def test_how_much_of_a_file_is_read_is_bounded(tmp_path, key, value):
    data = f"data={{source: files, train: x.csv, {key}: {value}}}"
    assert refusal(tmp_path, STUDY, data).hint == "make it smaller"


def test_a_crossed_design_is_bounded_as_a_number_of_seeds_is(tmp_path):
    for sizes in ("{init: 1000, order: 1000, replicates: 100}", "{init: 100, order: 101}"):
        error = refusal(tmp_path, STUDY, f"seeds.design.crossed={sizes}")
        assert "at most 10,000" in error.problem
    assert load(tmp_path, STUDY, "seeds.design.crossed={init: 100, order: 100}").n_runs_per_arm == 10_000


def test_lists_of_choices_are_bounded_and_their_pairs_are_checked_by_their_ends(tmp_path):
    space = "arms.full.search.space"
    error = refusal(tmp_path, STUDY, f"{space}.batch_size={{choices: {list(range(1, 1002))}}}")
    assert (error.code, error.hint) == ("config.out-of-bounds", "keep 1000 of them")
    sizes = {"batch_size": {"choices": list(range(500, 1500))}, "micro_batch_size": {"choices": list(range(1, 500))}}
    assert load(tmp_path, STUDY, f"{space}={json.dumps(sizes)}")
    sizes["micro_batch_size"]["choices"][250] = 501
    assert "batch_size 500, micro_batch_size 501, but" in refusal(tmp_path, STUDY, f"{space}={json.dumps(sizes)}").problem


@pytest.mark.parametrize("text", ['name: "a\\UFFFFFFFF"', 'name: "a\\U00110000"', f"%YAML 1.{'9' * 5000}\n---\nname: a"])
def test_a_number_too_large_for_python_is_refused_with_its_line(tmp_path, text):
    error = refusal(tmp_path, text + "\n")
    assert (error.code, error.line) == ("config.not-yaml", 1)
    assert error.found
    assert error.found in text


def test_the_shortest_inputs_are_allowed_and_windows_of_them_share_nothing(tmp_path):
    assert load(tmp_path, STUDY, "data.max_length=4").data.overlap == 0
    assert load(tmp_path, STUDY, "data.max_length=5").data.overlap == 1
    error = refusal(tmp_path, STUDY, "data.max_length=4", "data.long_texts=windows", "data.doc_stride=1")
    assert error.hint == "set data.max_length to more than 4, or remove it"
    assert load(tmp_path, STUDY, "data.max_length=5", "data.long_texts=windows", "data.doc_stride=1")


@pytest.mark.parametrize("override", ["metric=bleu", "gpu_memory=3", "arms.full.search.space.qqq={low: 0.1, high: 0.9}"])
def test_names_that_are_like_no_other_get_no_suggestion(tmp_path, override):
    assert refusal(tmp_path, STUDY, override).hint == "correct it or remove it"


def test_a_study_has_at_most_a_thousand_arms():
    values = {"name": "s", "data": {"source": "bundled", "name": "reviews", "max_length": 32}, "training": {"max_steps": 2}}
    assert len(parse_study(values | {"arms": {f"arm-{i}": {} for i in range(1000)}}).arms) == 1000
    with pytest.raises(UserError) as caught:
        parse_study(values | {"arms": {f"arm-{i}": {} for i in range(1001)}})
    assert (caught.value.code, caught.value.expected) == ("config.out-of-bounds", "at most 1000 entries")


@pytest.mark.parametrize("key", ["train", "validation"])
def test_an_empty_path_is_no_path(tmp_path, key):
    data = {"source": "files", "train": "a.csv"} | {key: ""}
    with pytest.raises(UserError) as caught:
        parse_study({"name": "s", "data": data, "arms": {"full": {}}}, base_dir=tmp_path)
    assert (caught.value.code, caught.value.found) == ("path.unusable", "an empty text")
    with pytest.raises(UserError, match="--input: no file can have this path"):
        checked_path("", "--input")


def test_a_factor_that_makes_runs_diverge_is_no_mistake():
    """What a run does then is a result, and stored studies may have it."""
    study = parse_study({"name": "s", "data": {"source": "bundled", "name": "reviews"}, "arms": {"a": {"weight_decay": 1e300}}})
    assert study.training_of("a").weight_decay == 1e300
