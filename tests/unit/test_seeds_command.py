"""`bertft seeds`: what it prints of a spread and of studies, and every mistake on its command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bertft_core.config import StudyConfig
from bertft_core.evaluation.comparison.study_components import MAY_DIFFER
from bertft_core.planning.run_specs import plan_runs
from bertft_core.storage.study_dir import StudyDir, write_record
from flows.cli.app import main
from tests.helpers.small_records import make_card, make_record, make_study

ARMS = {"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {}}
ACCURACIES = {"features": [0.60, 0.65, 0.55, 0.60], "full": [0.8, 0.9, 0.85, 0.8]}


def put_study(home: Path, shift: float = 0.0, fingerprint: str = "f" * 64, **changes) -> None:
    """A study of two arms with four seeds, all run."""
    study = make_study(**({"arms": ARMS, "seeds": {"n": 4}} | changes))
    card, study_dir = make_card(home).model_copy(update={"fingerprint": fingerprint}), StudyDir(home, study.name)
    write_record(study_dir.config_path, study)
    write_record(study_dir.card_path, card)
    for spec in plan_runs(study, card, {}):
        accuracy = ACCURACIES[spec.arm][spec.index] + (shift if spec.arm == "full" else 0.0)
        make_record(spec, card, study_dir, accuracy=accuracy)


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("stored")
    put_study(home)
    return home


@pytest.fixture
def home(stored, tmp_path) -> Path:
    """With the study `small`, to put others beside it."""
    return shutil.copytree(stored, tmp_path, dirs_exist_ok=True)


def said(capsys, *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as end:
        main(["seeds", *words])
    shown = capsys.readouterr()
    assert end.value.code == code, shown.err
    return shown.err if code else shown.out


def test_a_spread_alone_gives_the_reference_numbers(capsys):
    shown = said(capsys, "--sd", "0.02", "--effect", "0.01", "--unpaired")
    assert "at the given sd of each of two arms: 64 seeds per arm" in shown
    assert "29 pairs, whatever the spread (Noether 1987; both risks 5 %)" in shown
    shown = json.loads(said(capsys, "--sd", "0.0230217", "--half-width", "0.0285854", "--unpaired", "--json"))
    assert shown["aims"][0]["n_needed"] == 5
    at_five = next(point for point in shown["curve"] if point["n"] == 5)
    assert at_five["half_width"] == pytest.approx(0.0285853, abs=1e-6)
    assert at_five["detectable"] == pytest.approx(2.024 * 0.0230217, abs=1e-4)


def test_pairs_are_the_default_and_power_can_be_asked_for(capsys):
    shown = said(capsys, "--sd", "0.02", "--effect", "0.02", "--power", "0.9")
    assert "with 90 % power at the given sd of paired differences: 13 pairs of seeds" in shown


def test_an_aim_out_of_reach_is_said_to_be(capsys):
    assert "more than 10,000,000 seeds, which is out of reach" in said(capsys, "--sd", "1", "--half-width", "1e-9")


def test_a_study_says_what_its_seeds_can_tell_and_what_it_would_take(capsys, home):
    shown = said(capsys, "small", "--home", str(home), "--half-width", "0.01", "--effect", "0.05", "--exceed", "0.87")
    assert shown.startswith("small: accuracy on test, best checkpoint\n")
    for words in (
        "the 4 seeds of full have an sd of 4.79 points",
        "4 paired seeds of full − features",
        "to know the mean of full to ± 1 point: 91 seeds (31 to 1227, because the sd of 4 seeds is itself uncertain)",
        "at the spread of full − features:",
        "29 pairs",
        "for a run of full that is better than 0.87 (accuracy, validation) with a probability of 95 %: 11 runs",
        "for a run of features that is better than 0.87 (accuracy, validation) with a probability of 95 %: none of its runs is",
        "no schedules for full: the validation curves of at least 5 whole runs are needed",
    ):
        assert words in shown
    one = said(capsys, "small", "--home", str(home), "--arm", "features", "--metric", "log_loss")
    assert "small: log_loss on test" in one
    assert "full" not in one.replace("full − features", "")


def test_the_same_as_json(capsys, home):
    shown = json.loads(said(capsys, "small", "--home", str(home), "--effect", "0.05", "--json"))
    assert [(each["arm"], each["baseline"]) for each in shown["seeds_needed"]] == [
        ("features", None),
        ("full", None),
        ("full", "features"),
    ]
    (aim,) = shown["aims"]
    assert aim["paired"]
    assert aim["n_low"] <= aim["n_needed"] <= aim["n_high"]
    unpaired = json.loads(said(capsys, "small", "--home", str(home), "--effect", "0.05", "--unpaired", "--json"))
    assert [(each["arm"], each["baseline"]) for each in unpaired["aims"]] == [("features", None), ("full", None)]


def test_studies_that_differ_in_their_seed_tell_the_variance_between_them(capsys, home):
    put_study(home, name="again", seed=1, shift=-0.2)
    put_study(home, name="third", seed=2, shift=0.1)
    shown = json.loads(said(capsys, "small", "again", "third", "--home", str(home), "--json"))
    features, full = shown["between_studies"]
    assert features["between"]["variance"] == 0.0
    assert full["means"] == pytest.approx([0.8375, 0.6375, 0.9375])
    between = 4 * (0.2**2 + 0.1**2 - (0.2 - 0.1) ** 2 / 3) / 2
    assert full["between"]["mean_square"] == pytest.approx(between, abs=0.01)
    assert full["source"] == "seeds"
    put_study(home, name="cut", seed=3, fingerprint="0" * 64)
    cut = said(capsys, "small", "cut", "--home", str(home))
    assert "the studies differ in their data split" in cut
    assert "between 3 studies" in said(capsys, "small", "again", "third", "--home", str(home))


def test_studies_of_one_question_may_differ_in_what_is_evaluated_afterwards(capsys, tmp_path):
    assert StudyConfig.model_fields.keys() > MAY_DIFFER
    put_study(tmp_path, name="small")
    put_study(tmp_path, name="again", seed=1, headline={"checkpoint": "final"}, ensemble=True)
    assert "between 2 studies" in said(capsys, "small", "again", "--home", str(tmp_path))


def test_studies_whose_runs_share_seeds_are_not_tested(capsys, tmp_path):
    for seed, name in enumerate(("small", "again")):
        put_study(tmp_path, name=name, seed=seed, seeds={"design": {"crossed": {"init": 2, "order": 2}}})
    lines = said(capsys, "small", "again", "--home", str(tmp_path)).splitlines()
    between = [line for line in lines if "between 2 studies" in line]
    assert len(between) == 2
    assert not any("F test" in line for line in between)
    assert all("runs that share seeds or examples are not tested" in line for line in between)


def test_studies_that_differ_in_more_are_refused(capsys, home):
    put_study(home, name="longer", seed=1, training={"epochs": 5})
    put_study(home, name="twin")
    assert "they differ in training" in said(capsys, "small", "longer", "--home", str(home), code=2)
    assert "both have seed 0" in said(capsys, "small", "twin", "--home", str(home), code=2)
    for name in ("one", "its-twin"):
        put_study(home, name=name, seed=2)
    error = said(capsys, "small", "one", "its-twin", "--home", str(home), code=2)
    assert "the variance between one and its-twin cannot be estimated" in error
    assert "both have seed 2" in error


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ([], "either a study or a spread"),
        (["small", "--sd", "1"], "either a study or a spread"),
        (["--sd", "0"], "--sd must be a number above 0"),
        (["--sd", "nan"], "--sd must be a number above 0"),
        (["--sd", "1", "--effect", "-1"], "--effect must be a number above 0"),
        (["--sd", "1", "--half-width", "inf"], "--half-width must be a number above 0"),
        (["--sd", "1", "--power", "1"], "--power must be between"),
        (["--sd", "1", "--arm", "full"], "--arm needs a study"),
        (["--sd", "much"], "should be a valid number"),
        (["small", "--arm", "fool"], "did you mean 'full'?"),
        (["small", "--metric", "acuracy"], "did you mean 'accuracy'?"),
        (["smal"], "did you mean 'small'?"),
    ],
)
def test_a_mistake_is_one_message_and_code_2(capsys, home, words, shown):
    where = ["--home", str(home)] if words and not words[0].startswith("--") else []
    error = said(capsys, *words, *where, code=2)
    assert shown in error
    assert "Traceback" not in error


def test_a_study_without_runs_is_sent_to_run_first(capsys, tmp_path):
    study = make_study()
    write_record(StudyDir(tmp_path, study.name).config_path, study)
    assert "has no finished runs yet" in said(capsys, "small", "--home", str(tmp_path), code=2)


def test_two_seeds_tell_nothing(capsys, tmp_path):
    put_study(tmp_path, seeds={"n": 2})
    shown = said(capsys, "small", "--home", str(tmp_path))
    assert "nothing: at least three seeds with a score are needed, and there are: features 2, full 2" in shown


@pytest.mark.parametrize("words", [("--sd", "1e9", "--effect", "1e-9"), ("--sd", "1e-9", "--effect", "1e9")])
def test_the_ends_of_what_can_be_given_have_an_answer(capsys, words):
    (aim,) = json.loads(said(capsys, *words, "--json"))["aims"]
    assert aim["n_needed"] == (None if words[1] == "1e9" else 2)


@pytest.mark.parametrize("words", [("--sd", "1e308", "--effect", "1e-308"), ("--sd", "inf"), ("--sd", "0.1", "--effect", "nan")])
def test_numbers_beyond_them_are_refused(capsys, words):
    assert "from 1e-09 to 1e+09" in said(capsys, *words, code=2)


@pytest.mark.parametrize("score", ["nan", "inf", "-inf"])
def test_a_score_to_exceed_is_a_number(capsys, home, score):
    assert "--exceed must be a score" in said(capsys, "small", "--home", str(home), "--exceed", score, code=2)
