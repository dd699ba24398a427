"""What the tokenizer's file says, and texts in another language than the vocabulary's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertft_core.config import parse_study
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.tokenizer_facts import NO_FACTS, tokenizer_facts
from tests.helpers.tiny_encoders import tiny_encoder

ARABIC = "القاهرة هي عاصمة جمهورية مصر العربية وأكبر مدنها وأهمها على الإطلاق وتعد أكبر مدينة عربية"
GERMAN = "Die Bundesregierung hat gestern beschlossen, dass die Krankenversicherungen ihre Beiträge erhöhen dürfen."
ENGLISH = "The government decided yesterday that health insurers may raise the contributions of their members, it said."
MEDICAL = (
    "Pt presents w/ acute cholecystitis s/p laparoscopic cholecystectomy; hx of hyperlipidemia, GERD and atrial fibrillation."
)
CODE = (
    "def read(path, columns=None): return [json.loads(line) for line in open(path)]; self._optimizer.zero_grad(set_to_none=True)"
)
TWEETS = (
    "@JustinB omgggg lolll #FollowFriday gr8 2 c u 2nite http://t.co/Ab3dE9xYz RT @kylie_93: sooooo tired rn tbh idk wtf im doin"
)
HINDI = "फिल्म काफी उबाऊ थी, हालांकि अभिनेताओं ने बहुत मेहनत की। कहानी धीरे धीरे आगे बढ़ती है और अंत किसी को हैरान नहीं करता।"
RUSSIAN = "Фильм, к сожалению, оказался довольно скучным, хотя актёры очень старались, и конец никого не удивляет."
GREEK = "Η ταινία ήταν δυστυχώς αρκετά βαρετή, αν και οι ηθοποιοί προσπάθησαν πολύ, και το τέλος δεν εκπλήσσει κανέναν."
CHINESE = "开罗是埃及的首都和最大的城市位于尼罗河的东岸人口超过一千万是非洲最大的城市之一"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """One home, in which the default encoder is checked once."""
    return tmp_path_factory.mktemp("home")


def test_the_facts_of_the_default_encoder():
    facts = tokenizer_facts(resolve_encoder(EncoderConfig()).directory)
    assert facts.special_tokens == ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    assert facts.mean_length == pytest.approx(6.1, abs=0.1)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"added_tokens": [], "model": {}}', '{"added_tokens": 1}'])
def test_a_file_that_says_nothing_has_no_facts(tmp_path, text):
    (tmp_path / "tokenizer.json").write_text(text)
    assert tokenizer_facts(tmp_path) == NO_FACTS


def test_a_unigram_vocabulary_is_a_list(tmp_path):
    vocabulary = {
        "model": {"vocab": [["<s>", 0.0], ["▁the", -1.0], ["s", -2.0]]},
        "added_tokens": [{"content": "<s>", "special": True}],
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(vocabulary))
    assert tokenizer_facts(tmp_path) == (("<s>",), 2.0)


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        (ENGLISH, False),
        (MEDICAL, False),
        (CODE, False),
        (TWEETS, False),
        (GERMAN, True),
        (HINDI, True),
        (RUSSIAN, True),
        (GREEK, True),
        (ARABIC, True),
    ],
)
def test_the_default_encoder_knows_english_of_any_kind_and_no_other_language(tmp_path, home, text, is_found):
    assert ("foreign_text" in checks_of(tmp_path, text, {}, home)) is is_found


@pytest.mark.parametrize("text", [ENGLISH, ARABIC, CHINESE])
def test_a_vocabulary_of_letters_knows_no_language_better_than_another(tmp_path, text):
    assert "foreign_text" not in checks_of(tmp_path, text, {"path": str(tiny_encoder(tmp_path / "encoder"))})


def checks_of(tmp_path, text, encoder, home: Path | None = None) -> set[str]:
    lines = [json.dumps({"text": f"{text} {i}", "label": "ab"[i % 2]}) for i in range(12)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    data = {"source": "files", "train": str(tmp_path / "train.jsonl"), "max_length": 64}
    study = parse_study({"name": "s", "data": data, "encoder": encoder, "arms": {"full": {}}})
    return {finding.check for finding in prepare_data(study, home_dir=home or tmp_path).findings}
