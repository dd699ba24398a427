"""The commented study that `bertft init` writes: one for each task, to be changed by hand."""

DATA = {
    "classification": """\
  text: text # its column; [first, second] for pairs of texts
  label: label""",
    "multi_label": """\
  text: text # its column
  label: labels # one cell with all labels of an example, or a list of columns with 0 and 1
  label_separator: ",\"""",
    "regression": """\
  text: text # its column; [first, second] for pairs of texts
  label: label # a number""",
    "token_classification": """\
  tokens: tokens # column of the words, as a list; CoNLL files need neither
  tags: tags
  scheme: iob2 # how the tags mark entities: iob1, iob2, iobes, io, or plain""",
    "question_answering": """\
  question: question
  context: context
  answers: answers # texts with the position where each starts; files as of SQuAD need no columns""",
    "masked_lm": """\
  text: text # its column; text files need none""",
}
"""Kind of the head → the keys of `data` that name its columns."""
TEMPLATE = """\
# A study of bertft: data × arms × seeds. Check it with `bertft check-data {file}` and `bertft plan {file}`,
# then run it with `bertft run {file}`. Every key: docs/guides/configuration.md
name: {name}
description: What is compared, and why.

data:
  source: files # or hub, with name and revision; or bundled, with name
  train: train.csv # CSV, TSV, JSONL, Parquet; relative to this file
  # validation: validation.csv
  # test: test.csv # in place of split.test_ratio
{columns}
  max_length: 128 # tokens; longer inputs are truncated
  split: {{validation_ratio: 0.2, test_ratio: 0.2}} # what is cut from train where a set is missing

head: {{kind: {kind}}}
# encoder: {{checkpoint: google-bert/bert-base-uncased, revision: main}} # another one than the bundled MiniLM

training: # of every arm, unless it says otherwise
  epochs: 4
  batch_size: 16
  learning_rate: 1e-4

arms: # the settings to compare; the first one is the baseline
  features: {{strategies: [{{kind: feature_extraction}}], learning_rate: 1e-3}}
  full: {{}}
  # searched: {{search: {{space: {{learning_rate: {{low: 1e-5, high: 1e-3, log: true}}}}, n_trials: 8}}}}

seeds: {{n: 5}} # of every arm; `bertft seeds` says how many a difference needs
"""


def study_template(kind: str, name: str, file: str) -> str:
    """The YAML of a study for the head of this kind; its data are files that are to be named."""
    return TEMPLATE.format(kind=kind, name=name, file=file, columns=DATA[kind])
