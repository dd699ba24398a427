"""Code that opens an exported model: with transformers alone where that computes the same, else with bertft."""

from bertft_core.config.head_settings import AnyHead
from bertft_core.storage.study_results import StudyResults

TORCH = "import torch\n"
OPEN = """\
import torch
from transformers import {auto_class}, AutoTokenizer

folder = "."  # this folder, or the model's name on the hub
tokenizer = AutoTokenizer.from_pretrained(folder)
model = {auto_class}.from_pretrained(folder).eval()
"""
OPEN_WITH_BERTFT = """\
import torch
from transformers import AutoTokenizer

from bertft_core.heads.saved_model import load_model

folder = "."  # a local folder: from the hub first with `hf download NAME --local-dir FOLDER`
tokenizer = AutoTokenizer.from_pretrained(folder)
opened = load_model(folder)
"""
READ = 'inputs = tokenizer({inputs}, truncation=True, max_length={max_length}, padding=True, return_tensors="pt")\n'
COMPUTE = "with torch.no_grad():\n    logits = model(**inputs).logits\n"
COMPUTE_WITH_BERTFT = "logits = opened(inputs)\n"
TEXT, PAIR = '["a text to read"]', '["a text to read"], ["the second text of the pair"]'
WORDS = '["A", "sentence", "of", "words"], is_split_into_words=True'
ANSWERS = {
    "classification": "print([{model}.config.id2label[i] for i in logits.argmax(-1).tolist()])\n",
    "multi_label": "shares = logits.sigmoid().tolist()\n"
    "print([[{model}.config.id2label[i] for i, share in enumerate(row) if share > 0.5] for row in shares])\n",
    "regression": "print(logits[:, 0].tolist())\n",
    "masked_lm": "at = inputs.input_ids == tokenizer.mask_token_id\n"
    "print(tokenizer.convert_ids_to_tokens(logits[at].argmax(-1)))\n",
}
QUESTION = """\
question, context = "Who wrote it?", "It was written by Ada."
inputs = tokenizer(question, context, truncation="only_second", max_length={max_length}, return_tensors="pt")
with torch.no_grad():
    output = model(**inputs)
scores = output.start_logits[0][:, None] + output.end_logits[0][None, :]
n = len(scores)
allowed = torch.ones(n, n).triu().tril({longest} - 1).bool()  # not backwards, and not too long
of_context = torch.tensor([part == 1 for part in inputs.sequence_ids(0)])
allowed &= of_context[:, None] & of_context[None, :]
start, end = divmod(int(scores.masked_fill(~allowed, -torch.inf).argmax()), n)
print(tokenizer.decode(inputs.input_ids[0, start : end + 1]))
"""
PLACES = """\
words = inputs.word_ids(0)
places = [[i for i, of in enumerate(words) if of == n] for n in sorted({*words} - {None})]
"""
TAGS = {
    "first": "logits = logits[0, [of_word[0] for of_word in places]]\n",
    "last": "logits = logits[0, [of_word[-1] for of_word in places]]\n",
    "mean": "logits = torch.stack([logits[0, of_word].mean(0) for of_word in places])\n",
}
"""Which subwords predict a word → the logits of each word."""
TAG = "print([{model}.config.id2label[i] for i in logits.argmax(-1).tolist()])\n"
PATH = "print([{model}.config.id2label[i] for i in opened.model.crf.decode(logits, [len(logits)])[0].tolist()])\n"


def code(own: StudyResults) -> str:
    """Opens the model in the current folder and answers one example."""
    head, max_length = own.study.head, own.card.max_length
    opening = (OPEN if head.is_plain else OPEN_WITH_BERTFT).format(auto_class=head.auto_class)
    if head.kind == "question_answering":
        return opening + "\n" + QUESTION.format(max_length=max_length, longest=head.max_answer_length)
    read = READ.format(inputs=_inputs(own), max_length=max_length)
    compute = COMPUTE if head.is_plain else COMPUTE_WITH_BERTFT
    answering = f"{read}{compute}{_answer(head)}"
    return f"{opening if 'torch.' in answering else opening.removeprefix(TORCH)}\n{answering}"


def _inputs(own: StudyResults) -> str:
    kind = own.study.head.kind
    if kind == "token_classification":
        return WORDS
    if kind == "masked_lm":
        return '[f"a text with a {tokenizer.mask_token} in it"]'
    return TEXT if isinstance(own.study.data.text, str) else PAIR


def _answer(head: AnyHead) -> str:
    model = "model" if head.is_plain else "opened.model"
    if head.kind != "token_classification":
        return ANSWERS[head.kind].format(model=model)
    return PLACES + TAGS[head.word_prediction] + (PATH if head.crf else TAG).format(model=model)
