"""The head is drawn from the init stream whatever head the checkpoint has, unless the study asks for the checkpoint's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from bertft_core.config import UserError, parse_study
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.heads import HEADS
from bertft_core.heads.regression import standardise
from bertft_core.report.prose.study_question import moving
from bertft_core.training.determinism import init_stream
from tests.helpers.small_records import make_card
from tests.helpers.tiny_encoders import KINDS, tiny_encoder

LABELS = ("x", "y", "z")
BASE = {"name": "s", "data": {"source": "bundled", "name": "reviews"}, "arms": {"full": {}}}


def built(directory: Path, init_seed: int, labels: tuple[str, ...] = LABELS, kind: str = "classification", **head: Any) -> Any:
    with init_stream(init_seed):
        return HEADS[kind].build(str(directory), labels, None, HEAD_CONFIGS[kind](**head))


def parts(model: Any) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Encoder and head."""
    prefix = f"{model.base_model_prefix}."
    named = {name: p.detach() for name, p in model.named_parameters()}
    return (
        {name: p for name, p in named.items() if name.startswith(prefix)},
        {name: p for name, p in named.items() if not name.startswith(prefix)},
    )


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture(params=KINDS)
def pair(request, tmp_path) -> tuple[Path, Path]:
    """An encoder alone, and the same one below a fine-tuned classifier of three labels."""
    plain = tiny_encoder(tmp_path / "plain", request.param)
    tuned = tiny_encoder(tmp_path / "tuned", request.param)
    built(plain, 99).save_pretrained(tuned)
    return plain, tuned


def test_each_init_seed_draws_the_head_that_it_draws_for_the_encoder_alone(pair):
    plain, tuned = pair
    for labels in (LABELS, ("a", "b")):
        one, other = built(tuned, 1, labels), built(tuned, 2, labels)
        encoder, head = parts(one)
        assert same(encoder, parts(built(plain, 1, labels))[0])
        assert same(head, parts(built(plain, 1, labels))[1])
        assert same(encoder, parts(other)[0])
        assert not same(head, parts(other)[1])


def test_the_head_of_another_task_is_replaced_too(pair):
    _, tuned = pair
    model = built(tuned, 1, (), "question_answering")
    assert model.qa_outputs.out_features == 2
    assert same(parts(model)[0], {name: p for name, p in parts(built(tuned, 1))[0].items() if name in parts(model)[0]})


def test_the_head_of_the_checkpoint_is_kept_where_it_is_asked_for(pair):
    plain, tuned = pair
    wanted = parts(built(plain, 99))[1]
    for init_seed in (1, 2):
        assert same(parts(built(tuned, init_seed, init="checkpoint"))[1], wanted)


def test_attention_over_windows_is_drawn_behind_the_head_and_kept_with_it(pair):
    plain, tuned = pair
    encoder, head = parts(built(plain, 1))
    one, other = (built(plain, init_seed, aggregate="attention") for init_seed in (1, 2))
    drawn = dict(one.window_attention.named_parameters(prefix="window_attention"))
    assert same(parts(one)[0], encoder)
    assert same(parts(one)[1], head | {name: values.detach() for name, values in drawn.items()})
    for name in ("hidden", "context"):
        weights = [getattr(model.window_attention, name).weight for model in (one, other)]
        assert not torch.equal(*weights)
        assert float(weights[0].detach().std()) == pytest.approx(one.config.initializer_range, rel=0.5)
    one.window_attention.save(tuned)
    for init_seed in (1, 2):
        kept = built(tuned, init_seed, init="checkpoint", aggregate="attention").window_attention
        assert same(kept.state_dict(), one.window_attention.state_dict())


def test_a_pretrained_masked_lm_head_stays(tmp_path):
    directory = tiny_encoder(tmp_path, masked_lm_head=True)
    saved = load_file(directory / "model.safetensors")
    model = built(directory, 1, (), "masked_lm")
    assert torch.equal(model.cls.predictions.transform.dense.weight, saved["cls.predictions.transform.dense.weight"])


def test_a_kept_regression_head_answers_in_its_own_units(tmp_path):
    tiny_encoder(tmp_path)
    config = transformers.AutoConfig.from_pretrained(tmp_path, num_labels=1)
    built(tmp_path, 7, (), "regression").save_pretrained(tmp_path)
    inputs = {"input_ids": torch.tensor([[2, 20, 21, 3]])}
    plain = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path, config=config).eval()
    kept = built(tmp_path, 1, (), "regression", init="checkpoint").eval()

    class Targets:
        def values(self, name: str) -> np.ndarray:
            return np.array([10.0, 30.0, 80.0])

    standardise(kept, Targets(), HEAD_CONFIGS["regression"](init="checkpoint"))
    with torch.no_grad():
        assert torch.allclose(kept(**inputs).logits, plain(**inputs).logits, atol=1e-4)


# Config and words


def test_the_default_changes_no_digest_and_the_choice_does():
    assert parse_study(BASE | {"head": {"init": "seed"}}).digest == parse_study(BASE).digest
    assert "init" not in parse_study(BASE).model_dump(mode="json")["head"]
    assert parse_study(BASE | {"head": {"init": "checkpoint"}}).digest != parse_study(BASE).digest


@pytest.mark.parametrize("design", [{"only": "init"}, {"crossed": {"init": 2, "order": 2}}])
def test_an_init_seed_that_draws_nothing_cannot_be_varied(design):
    study = BASE | {
        "head": {"init": "checkpoint"},
        "seeds": {"n": 4, "design": design} if "only" in design else {"design": design},
    }
    with pytest.raises(UserError, match="draws nothing from the init seed") as caught:
        parse_study(study)
    assert caught.value.hint
    parse_study(study | {"head": {}})
    parse_study(study | {"arms": {"full": {"strategies": [{"kind": "reinit"}]}}})


def test_masked_lm_has_no_such_choice():
    with pytest.raises(UserError, match="init"):
        parse_study(BASE | {"head": {"kind": "masked_lm", "init": "checkpoint"}})


def test_the_report_says_what_the_init_seed_still_varies(tmp_path):
    card = make_card(tmp_path)
    kept = parse_study(BASE | {"head": {"init": "checkpoint"}})
    assert "the init seed varies nothing" in moving(kept, card)
    assert "the init seed draws only pooler" in moving(kept, card.model_copy(update={"new_parts": ("pooler",)}))
    again = parse_study(BASE | {"head": {"init": "checkpoint"}, "arms": {"top": {"strategies": [{"kind": "reinit"}]}}})
    assert "draws only the reinitialised layers of top" in moving(again, card)
    assert "new head's weights" in moving(parse_study(BASE), card)
    of_one = parse_study(BASE | {"arms": {"full": {}, "warm": {"head": {"init": "checkpoint"}}}})
    assert moving(of_one, card).startswith("the new head's weights (but of warm only what the checkpoint lacks), ")
    masked = parse_study(BASE | {"head": {"kind": "masked_lm"}})
    assert moving(masked, card).startswith("every run starts from what the checkpoint has, so the init seed varies nothing; ")
    assert "so the init seed draws only cls" in moving(masked, card.model_copy(update={"new_parts": ("cls",)}))
