"""A step is tried before a study, once for each encoder, head and data; a setting on which every run would fail is refused."""

import json

import pytest

from bertft_core.config import UserError
from bertft_core.training import trial_step
from bertft_core.training.trial_step import prepare_and_try
from tests.helpers.tiny_studies import tiny_study


@pytest.fixture
def study(tmp_path):
    return tiny_study(tmp_path)[0]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"chunk_size_feed_forward": 7}, "chunk"),
        ({"output_attentions": True}, "output_attentions"),
        ({"layer_norm_eps": -1e9}, "a loss of nan"),
    ],
)
def test_settings_on_which_every_run_would_fail_are_refused(tmp_path, study, changes, found):
    path = tmp_path / "encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(UserError) as caught:
        prepare_and_try(study, home_dir=tmp_path / "home")
    assert caught.value.code == "encoder.step-fails"
    assert found in caught.value.found
    assert caught.value.path == str(path)


def test_the_step_is_tried_once_and_moves_no_generator(tmp_path, study, monkeypatch):
    import torch

    before = torch.random.get_rng_state()
    card = prepare_and_try(study, home_dir=tmp_path / "home")
    assert torch.equal(torch.random.get_rng_state(), before)
    monkeypatch.setattr(trial_step, "_problem", lambda *_: pytest.fail("tried again"))
    assert prepare_and_try(study, home_dir=tmp_path / "home") == card
    with pytest.raises(pytest.fail.Exception, match="tried again"):
        prepare_and_try(study, home_dir=tmp_path / "other")
