"""What `probes` may say, and that a mistake in it is reported before anything trains."""

from __future__ import annotations

import gzip

import pytest

from bertft_core.config import UserError
from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.data.probe_texts import probes_digest, read_probe_texts
from bertft_core.planning.run_specs import plan_runs, plan_trial
from tests.helpers.small_configs import STUDY, load, refusal
from tests.helpers.small_records import make_card, make_study
from tests.helpers.tiny_studies import tiny_study


def test_an_empty_section_asks_for_everything_and_no_section_for_nothing(tmp_path):
    probes = load(tmp_path, STUDY + "probes: {}\n").probes
    assert all(getattr(probes, name) for name in ProbesConfig.model_fields)
    assert load(tmp_path, STUDY).probes is None


def test_every_part_can_be_left_out(tmp_path):
    parts = {"masked_lm": "null", "drift": "false", "similarity": "null", "gradients": "null"}
    text = "".join(f"  {name}: {value}\n" for name, value in parts.items())
    probes = load(tmp_path, STUDY + "probes:\n" + text).probes
    assert not probes.needs_model
    assert probes.calibration


def test_probes_change_neither_the_study_nor_its_runs(tmp_path):
    card, without, study = make_card(tmp_path), make_study(), make_study(probes={})
    assert study.digest == without.digest
    assert [s.digest for s in plan_runs(study, card, {})] == [s.digest for s in plan_runs(without, card, {})]


def test_runs_keep_their_model_for_the_probes_and_watch_their_first_gradients(tmp_path):
    card = make_card(tmp_path)
    study = make_study(probes={"gradients": {"steps": 7}}, retention={"checkpoints": "none"})
    assert {(spec.keep_model, spec.watch_gradients) for spec in plan_runs(study, card, {})} == {(True, 7)}
    trials = plan_trial(study, card, "full", {"learning_rate": 1e-4}, trial=0)
    assert {(spec.keep_model, spec.watch_gradients) for spec in trials} == {(False, 0)}
    only_stored = {"masked_lm": None, "drift": False, "similarity": None, "gradients": None}
    study = make_study(probes=only_stored, retention={"checkpoints": "none"})
    assert {(spec.keep_model, spec.watch_gradients) for spec in plan_runs(study, card, {})} == {(False, 0)}


def test_an_unknown_text_is_refused_with_its_line(tmp_path):
    error = refusal(tmp_path, STUDY + "probes:\n  masked_lm:\n    text: wikitext\n")
    assert error.line == STUDY.count("\n") + 3
    assert "unknown text 'wikitext'; use 'manuals' or a path that ends in .txt or .txt.gz" in str(error)


def test_a_path_starts_from_the_file_of_the_study_and_a_bundled_name_stays(tmp_path):
    text = STUDY + "probes: {masked_lm: {text: texts/mine.txt}}\n"
    assert load(tmp_path, text).probes.masked_lm.text == str(tmp_path / "texts" / "mine.txt")
    assert load(tmp_path, STUDY + "probes: {}\n").probes.masked_lm.text == "manuals"


@pytest.mark.parametrize(("content", "shown"), [(None, "did you mean 'mine.txt'"), ("\n \n", "the file is empty")])
def test_a_text_that_is_not_there_is_reported_before_anything_is_prepared(tmp_path, content, shown):
    path = tmp_path / "mime.txt"
    (tmp_path / "mine.txt").write_text("one")
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=shown):
        tiny_study(tmp_path / "study", probes={"masked_lm": {"text": str(path)}})
    assert not (tmp_path / "study" / "home" / "data").exists()


def test_paragraphs_are_read_from_the_start_and_named_by_their_place(tmp_path):
    path = tmp_path / "mine.txt.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n\n\nthree\n\nfour\n"))
    probes = ProbesConfig.model_validate({"masked_lm": {"text": str(path), "n_texts": 2}})
    examples = read_probe_texts(probes.masked_lm)
    assert [(example.id, example.texts[0], example.line) for example in examples] == [
        ("probe-00000", "one\ntwo", 1),
        ("probe-00001", "three", 5),
    ]


def test_what_models_are_asked_is_known_by_the_texts_and_not_by_their_path(tmp_path):
    for name, text in (("a", "one"), ("b", "one"), ("c", "other")):
        (tmp_path / f"{name}.txt").write_text(text)
    digests = [probes_digest(ProbesConfig.model_validate({"masked_lm": {"text": str(tmp_path / f"{n}.txt")}})) for n in "abc"]
    assert digests[0] == digests[1] != digests[2]
    assert probes_digest(ProbesConfig(gradients=None, calibration=False)) == probes_digest(ProbesConfig())
    assert probes_digest(ProbesConfig(drift=False)) != probes_digest(ProbesConfig())


def test_the_bundled_text_is_none_that_a_study_is_pre_trained_on():
    from bertft_core.data.bundled import bundled_files

    trained = bundled_files("manuals")["train"].read_text()
    examples = read_probe_texts(ProbesConfig().masked_lm)
    assert len(examples) == 35
    assert not [example for example in examples if example.texts[0] in trained]
