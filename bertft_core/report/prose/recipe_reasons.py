"""Why `bertft recommend` chooses what it chooses: a sentence for each rule, and the publications behind them."""

from typing import Any

from bertft_core.recipes.advice import Advice, SettingChoice
from bertft_core.recipes.reasons import HOUSE_RULE, Reason
from bertft_core.recipes.study_yaml import number
from bertft_core.report.formatting.numbers import percent
from bertft_core.report.prose import grammar

SOURCES: dict[str, str] = {
    "Devlin 2019": "Devlin, Chang, Lee, Toutanova: BERT. NAACL 2019, appendix A.3 (batch 16 or 32; 2e-5 to 5e-5; 2 to 4 epochs)",
    "Mosbach 2021": "Mosbach, Andriushchenko, Klakow: On the Stability of Fine-tuning BERT. ICLR 2021 (bias correction and"
    " 20 epochs; measured on BERT-large, BERT-base was stable without)",
    "Zhang 2021": "Zhang, Wu, Katiyar, Weinberger, Artzi: Revisiting Few-sample BERT Fine-tuning. ICLR 2021",
    "Dodge 2020": "Dodge, Ilharco, Schwartz et al.: Fine-Tuning Pretrained Language Models. arXiv:2002.06305",
    "Google small BERTs": "github.com/google-research/bert, README (small models: rates 3e-4, 1e-4, 5e-5, 3e-5; 4 epochs)",
    "Korthikanti 2022": "Korthikanti et al.: Reducing Activation Recomputation in Large Transformer Models. arXiv:2205.05198",
    "SQuAD scripts": "google-research/bert README and transformers' run_qa.py (max_seq_length 384, doc_stride 128)",
}
"""Source → reference."""
SIZES = {
    "very small": "under 500 examples",
    "small": "500 to 999 examples",
    "medium": "1,000 to 10,000 examples",
    "large": "over 10,000 examples",
    "very large": "over 100,000 examples",
}
_LENGTHS = "99 % of the inputs have up to {p99} tokens, the longest {longest}; "
_UNBALANCED = "'{largest}' has {n_largest:training example}, '{smallest}' {n_smallest}"
_BASE_RATES = "{size}: {low} to {high} is usual"
REASONS: dict[str, str] = {
    # Choices
    "length_fits": _LENGTHS + "shorter inputs are not padded to max_length, so a larger one costs nothing",
    "length_blocks": _LENGTHS + "longer texts are read in blocks of this size",
    "length_sentences": _LENGTHS + "longer sentences are read in overlapping windows",
    "length_cut": _LENGTHS + "the encoder reads {limit}, which truncates {cut}",
    "length_pairs": _LENGTHS + "the encoder reads {limit}",
    "length_windows": _LENGTHS + "{cut} of the texts are longer than the {limit} that the encoder reads: windows lose nothing",
    "length_questions": "questions with their contexts are usually read in 384 to 512 tokens; 90 % have up to {p90}",
    "windows": "reads long texts to their end, in overlapping windows",
    "doc_stride": "tokens that neighbouring windows share, so that no answer is cut in two",
    "question_length": "the longest question has {longest} tokens",
    "long_questions": "a window has room for {room} tokens of a question",
    "plain_tags": "the tags mark no entities, so single words are scored",
    "unbalanced_metric": "accuracy would flatter: " + _UNBALANCED + "; macro F1 gives all classes the same weight",
    "usual_rate": _BASE_RATES,
    "small_encoder_rate": _BASE_RATES + " for BERT-base; this encoder is narrower (hidden size {hidden_size}) and takes higher"
    " rates, so the arms search from {low} to {highest}; this rate is used where there is no search",
    "small_encoder_fixed": _BASE_RATES + " for BERT-base; this encoder is narrower (hidden size {hidden_size}) and takes higher"
    " rates, up to {highest}; fixed, since a search would choose on examples that other splits test",
    "batch": "16 or 32 is standard; the larger one for large sets",
    "batch_of_texts": "a text makes {blocks:.1f} blocks, so a step sees about {n_blocks} of them",
    "epochs_very_small": "{size}: so few examples need many passes, with bias correction in Adam (as in ours)",
    "epochs_small": "{size}: 4 to 5 passes, since a pass has few steps",
    "epochs_medium": "{size}: 2 to 4 passes are standard",
    "epochs_large": "{size}: 2 to 3 passes are enough for so many",
    "epochs_very_large": "{size}: 2 passes are enough for so many",
    "warmup": "a tenth of the steps: large first steps make training unstable",
    "weight_decay": "decoupled; none on biases and LayerNorm",
    "dropout": "as in pre-training",
    "evaluations": "{n:evaluation} on the validation set; the weights of the best one are reported",
    "micro_batch": "a batch of {batch_size} inputs of {length} tokens would not fit into {gib:.1f} GiB; same gradients in parts",
    "bf16": "{gpu} supports bf16: faster, and half the memory",
    "full_beside_baseline": "all parameters are trained: does it beat the baseline?",
    "full_baseline": "all parameters are trained; the baseline",
    "frozen_half": "{size}: with the lower {frozen} of {n_layers} layers frozen, less can be unlearned",
    "weighted": _UNBALANCED + ": rare classes get more weight",
    "llrd": "lower layers hold general features and are trained with lower rates: does it help here?",
    "features": "baseline: a head on frozen features, which is cheap; fine-tuning must beat it to be worth its time",
    "features_rates": "a new head alone takes higher rates",
    "features_rate": "a new head alone takes higher rates, {low} to {high}: this one is in the middle",
    "usual_rate_arm": "baseline: the usual rate as it is, though it is BERT-base's",
    "usual_for_base": "{size}: usual for BERT-base",
    "small_encoder_rates": "from the usual rates up to those of small encoders",
    "trials": "each on two seeds that no reported run uses, scored on validation only",
    "many_seeds": "{size}: scores of small sets vary more with the seed",
    "few_seeds": "enough for an interval",
    "cross_validation": "{n:example} and no test set: a fifth would be a noisy one, so all are tested, each by runs that have not"
    " seen it; the second repeat narrows the interval by over a quarter",
    "mean_pooling": "the encoders of sentence-transformers were trained with mean pooling",
    "kept_from_config": "data, encoder, head and name come from {path}; its arms ({arms}) are replaced",
    "set": "set by --set",
    # Notes
    "pairs_truncated": "{cut} of the pairs are longer than the encoder reads and lose the end of their longer text",
    "questions_short": "the encoder reads only {limit} tokens; 384 are usual for questions",
    "rare_classes": "{n:class} with fewer than {fewest} training examples can hardly be learned: {rarest}",
    "many_classes": "{n} labels are too many for class weights to be reliable; look at f1_macro too",
    "small_validation": "{n:validation example}: {noise}, so small differences between settings are noise",
    "no_test_set": "there is no test set: scores are reported on validation, where the best weights were chosen, and are"
    " slightly optimistic",
    "few_steps": "{n_steps:optimizer step} are few; smaller batches give more (--set training.batch_size={smaller!s}), and so do"
    " more epochs",
    # What the data file showed
    "encoding": "encoding {encoding}: the file is not UTF-8 ({why}) and can be read so; check a text with accents",
    "format_by_content": "format {format}: by the content of the file, not by its name",
    "delimiter": "the cells are separated by {delimiter}",
    "quoted": "cells are in double quotes, which are removed",
    "unquoted": "double quotes have no meaning: as quotes around cells they do not fit all rows",
    "no_header": "no header: the first row looks like data, so the columns are called {columns}",
    "one_of_columns": "head classification: exactly one of the columns {columns} is 1 in every row",
    "flag_columns": "head multi_label: the columns {columns} hold only 0 and 1",
    "format": "head {head}: files in the format '{format}' are for it",
    "names": "head classification: '{column}' has {n:different label}",
    "lists": "head multi_label: the cells of '{column}' are lists",
    "separated": "head multi_label: '{separator}' separates the labels of '{column}'",
    "decimals": "head regression: the cells of '{column}' are numbers with decimals",
    "whole_numbers_regression": "head regression: '{column}' has {n:different whole number}; --head classification treats them"
    " as classes",
    "whole_numbers_classification": "head classification: '{column}' has {n:different whole number}; --head regression treats"
    " them as a measure",
    "tagged_columns": "head token_classification: words in '{tokens}', tags in '{tags}'",
    "sentence_column": "one word per row: the rows with the same '{column}' are a sentence",
    "question_columns": "head question_answering: found the columns {columns}",
    "text_column": "text in '{column}'",
    "pair_columns": "pairs of texts in {columns}",
    "no_labels": "head masked_lm: there are no labels",
    "paragraphs": "an example is a paragraph: blank lines separate them",
    "lines": "an example is a line: no blank line separates paragraphs",
    "scheme_plain": "tag scheme plain: the tags mark no entities",
    "scheme_letters": "tag scheme {scheme}: its letters are {letters}",
    "scheme_begins": "tag scheme {scheme}: {n} of {n_entities:entity} after O begin with {letter}-",
    "split_beside": "{split} set: {file}, from the same folder",
    "split_unused": "{file} is not used: it lacks the columns",
    "test_cut": "a fifth becomes the test set: nothing is chosen by the score that is reported",
    "validation_and_test_cut": "a fifth becomes the validation set and another the test set: nothing is chosen by the score that"
    " is reported",
}
"""Rule → sentence with its numbers."""


def reason(given: Reason) -> str:
    """The sentence of a rule."""
    words = {name: _word(name, value) for name, value in given.values.items()}
    if given.rule == "small_validation":
        error = given.values["standard_error"]
        words["noise"] = (
            "scores are noisy" if error is None else f"the standard error of a share is up to {100 * error:.1f} points"
        )
    return REASONS[given.rule].format(**words)


def _word(name: str, value: Any) -> Any:
    if name == "size":
        return SIZES[value]
    if name in ("low", "high", "highest"):
        return number(value)
    if name == "columns":
        return grammar.listed(f"'{column}'" for column in value)
    if name == "rarest":
        return ", ".join(f"'{label}' ({n})" for label, n in value.items())
    if name == "cut":
        return percent(value, 2)
    if isinstance(value, int):
        return grammar.Count(value)
    return ", ".join(value) if isinstance(value, list | tuple) else value


def with_source(choice: SettingChoice) -> str:
    """The reason of a choice, with its source where that is a publication."""
    return reason(choice.reason) + ("" if choice.source == HOUSE_RULE else f" ({choice.source})")


def comments(advice: Advice) -> dict[tuple[str, ...], str]:
    """Path of a key → its comment in the study's file."""
    return {choice.path: with_source(choice) for choice in advice.choices}


def references(advice: Advice) -> list[str]:
    """The publications behind the choices, in order of use."""
    used = dict.fromkeys(choice.source for choice in advice.choices if choice.source != HOUSE_RULE)
    return [f"{name}: {SOURCES[name]}" for name in used]
