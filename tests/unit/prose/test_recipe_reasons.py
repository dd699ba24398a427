"""The reasons that `bertft recommend` gives."""

from __future__ import annotations

import re

import pytest

from bertft_core.recipes.advice import SettingChoice
from bertft_core.recipes.reasons import because
from bertft_core.report.prose import recipe_reasons
from tests.helpers.markdown import ROOT


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            because("small_encoder_rate", size="medium", low=2e-5, high=5e-5, hidden_size=384, highest=5e-4),
            "1,000 to 10,000 examples: 2e-5 to 5e-5 is usual for BERT-base; this encoder is narrower (hidden size 384) and takes"
            " higher rates, so the arms search from 2e-5 to 5e-4; this rate is used where there is no search",
        ),
        (
            because("rare_classes", n=1, fewest=10, rarest={"b": 9}),
            "1 class with fewer than 10 training examples can hardly be learned: 'b' (9)",
        ),
        (
            because("small_validation", n=199, standard_error=0.0354),
            "199 validation examples: the standard error of a share is up to 3.5 points, so small differences between settings"
            " are noise",
        ),
        (because("scheme_letters", scheme="iobes", letters=["B", "E"]), "tag scheme iobes: its letters are B, E"),
        (
            because("scheme_begins", scheme="iob1", n=2594, n_entities=2594, letter="I"),
            "tag scheme iob1: 2,594 of 2,594 entities after O begin with I-",
        ),
        (
            because("few_steps", n_steps=1200, smaller=1024),
            "1,200 optimizer steps are few; smaller batches give more (--set training.batch_size=1024), and so do more epochs",
        ),
        (because("pair_columns", columns=["a", "b"]), "pairs of texts in 'a' and 'b'"),
    ],
)
def test_a_rule_and_its_numbers_are_a_sentence(reason, words):
    assert recipe_reasons.reason(reason) == words


def test_a_publication_is_named_and_a_house_rule_is_not():
    assert recipe_reasons.with_source(SettingChoice(("seeds", "n"), 5, because("few_seeds"))) == "enough for an interval"
    cited = SettingChoice(("training", "dropout"), 0.1, because("dropout"), "Devlin 2019")
    assert recipe_reasons.with_source(cited) == "as in pre-training (Devlin 2019)"


def test_every_sentence_belongs_to_a_rule_of_the_code():
    files = [*(ROOT / "bertft_core" / "recipes").glob("*.py"), ROOT / "flows" / "cli" / "recommend_command.py"]
    assert len(files) >= 10
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    computed = re.compile("epochs_|whole_numbers_|paragraphs|lines")  # built from a size, a head or a unit
    assert [rule for rule in recipe_reasons.REASONS if not computed.match(rule) and f'"{rule}"' not in text] == []
