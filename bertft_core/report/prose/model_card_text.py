"""Sentences of the card of an exported model: what it is, how to open it, what it was not measured on, how to make it again."""

from collections.abc import Iterable, Sequence

from bertft_core.config.head_settings import ClassificationHead, MultiLabelHead, RegressionHead, TokenClassificationHead
from bertft_core.records import MetricSummary, RunRecord, StudySummary
from bertft_core.records.ranking import ranked_runs
from bertft_core.report.formatting import escapes, numbers
from bertft_core.report.prose import grammar, model_card_code, paper_text, run_words, study_text
from bertft_core.report.prose.data_findings_text import finding_text
from bertft_core.storage.study_results import StudyResults

STUDY_FILE = "study.yaml"
MOST_LABELS = 20
KEPT_TOPICS = ("Model", "Training", "Search", "Seeds", "Statistics", "Compute", "Software")
"""Of the experimental setup; the data have a section of their own."""


def model_name(record: RunRecord) -> str:
    """The study and the arm."""
    return f"{record.spec.study}-{record.spec.arm}"


def bullets(sentences: Iterable[str]) -> str:
    """A list in Markdown."""
    return "\n".join(f"- {escapes.markdown(each)}" for each in sentences)


def introduction(results: StudyResults, own: StudyResults, record: RunRecord) -> str:
    """What it is, what it started from, and why this run is the one that is exported."""
    study, spec = results.study, record.spec
    head = paper_text.HEADS.get(spec.head.kind, f"a {spec.head.kind.replace('_', ' ')} head")
    ranked = ranked_runs(study, results.planned, results.records).get(spec.arm, [])
    is_best = bool(ranked) and ranked[0].digest == record.digest
    unit = run_words.unit(study)
    chosen = f"the best of {len(ranked)} {unit}s by {study.metric} on validation" if len(ranked) > 1 else f"the only {unit}"
    parts = [
        *([grammar.ended(study.description)] if study.description else []),
        f"{' → '.join(own.card.lineage)} with {head}, fine-tuned by bertft in the study {study.name}.",
        f"These are the weights of {spec.title}, {chosen if is_best else 'as it was asked for'}, at its best step on validation.",
    ]
    return escapes.markdown(" ".join(parts))


def results_note(results: StudyResults, record: RunRecord, rows: Sequence[MetricSummary]) -> str:
    """How to read the table."""
    summary = results.summary
    level = numbers.percent(summary.level)
    (arm,) = (arm for arm in summary.arms if arm.arm == record.spec.arm)
    if arm.selected is not None:
        return (
            f"The run is the best of {arm.selected.start} that were started, by the validation set; it is no sample, so there is "
            "no deviation and no interval."
        )
    unit = run_words.unit(results.study)
    lines = [
        f"Mean and standard deviation (n − 1) over the {unit}s of the arm, collapsed runs included, with the weights of each "
        f"run's best step; intervals are {level} t-intervals of the mean.",
        f"A model that is trained this way scores the mean on average; this one is one of the {unit}s.",
    ]
    return (
        " ".join(lines) if any(row.sd is not None for row in rows) else f"There is one {unit}, so nothing is known of the spread."
    )


def claims(summary: StudySummary, arm: str) -> list[str]:
    """What can be claimed about the arm: the verdicts against the baseline, or that it is the baseline."""
    problems = [grammar.ended(each) for each in study_text.not_counted(summary) if each.startswith(f"{arm}: ")]
    return [*study_text.of_arm(arm, summary), *(f"Runs with problems: {each}" for each in problems)]


def how_to_open(own: StudyResults, record: RunRecord) -> str:
    """Code, and what transformers alone does not do."""
    head = own.study.head
    parts = []
    if not head.is_plain:
        parts += [
            f"Transformers has no place for {grammar.listed(_not_plain(own))}: its own classes open this model and compute "
            "something else. Open it with bertft:"
        ]
    parts += [escapes.fenced(model_card_code.code(own).rstrip()).replace("```\n", "```python\n", 1)]
    notes = [*_of_head(own), *_of_windows(own)]
    if "model/adapter/adapter_config.json" in record.files:
        notes += ["The adapters of LoRA are merged into the weights; adapter/ has them alone, in the format of peft."]
    return "\n\n".join([*parts, *([bullets(notes)] if notes else [])])


def _not_plain(own: StudyResults) -> list[str]:
    head = own.study.head
    pooling = getattr(head, "pooling", "pooler")
    found = {"crf": "the CRF of its head", "window_attention": "the attention over the windows of a long text"}
    pooled = {"cls": "a head on the first token as it is", "mean": "a head on the mean of all tokens"}
    return [*([pooled[pooling]] if pooling in pooled else []), *(found[name] for name in head.extra_parts)]


def _of_head(own: StudyResults) -> list[str]:
    head = own.study.head
    if isinstance(head, TokenClassificationHead):
        which = {"first": "the first subword", "last": "the last subword", "mean": "the mean of the logits of all subwords"}
        path = " The CRF then finds the best path through the sentence." if head.crf else ""
        return [f"The tag of a word is that of {which[head.word_prediction]}.{path}"]
    if head.kind == "question_answering":
        return [
            f"An answer has at most {head.max_answer_length} tokens; the code above takes the best span of one window.",
            "bertft predict also reads long contexts in windows, and gives no answer where the null score says so.",
        ]
    return ["The output is in the units of the training labels."] if head.kind == "regression" else []


def _of_windows(own: StudyResults) -> list[str]:
    data, head, n = own.study.data, own.study.head, own.card.max_length
    if data.long_texts != "windows" or not isinstance(head, ClassificationHead | MultiLabelHead | RegressionHead):
        return []
    combined = "" if head.is_plain else " of_document() of the opened model does that for the windows of a text."
    return [f"Longer texts were split into overlapping windows of {n} tokens, {paper_text.AGGREGATED[head.aggregate]}.{combined}"]


def data_notes(own: StudyResults) -> list[str]:
    """Labels, length, and what the checks of the data found."""
    card, counts = own.card, own.card.splits["train"].label_counts
    found = [(each.split, finding_text(each, drawn=bool(card.draws))) for each in card.findings]
    labels = [f"{label} {n:,}" for label, n in counts.items()][:MOST_LABELS]
    labels += [f"{len(counts) - MOST_LABELS:,} more"] if len(counts) > MOST_LABELS else []
    return [
        *([f"Labels in training: {grammar.listed(labels)}."] if labels else []),
        f"Inputs have at most {card.max_length} tokens.",
        *(grammar.ended(each if split in each or card.draws else f"{split}: {each}") for split, each in found),
    ]


def training(results: StudyResults) -> str:
    """The experimental setup, as the study's report has it for a paper."""
    found = dict(paper_text.setup_text(results))
    return "\n\n".join(f"**{topic}.** {escapes.markdown(found[topic])}" for topic in KEPT_TOPICS if topic in found)


def limits(results: StudyResults, own: StudyResults, record: RunRecord, licence: str | None) -> list[str]:
    """What nobody measured, and what to know before the numbers are quoted."""
    truncated = [name for name, split in own.card.splits.items() if split.truncated_ratio]
    collapsed = f"The run collapsed: at its end it answered {results.study.metric} no better than a constant predictor does."
    return [
        *([collapsed] if record.status == "collapsed" else []),
        "Nothing was measured beyond the data sets above: no other domains, languages, or groups of people, and no misuse.",
        *study_text.cautions(results.study, results.summary),
        *([f"Longer inputs are truncated, as some of {grammar.listed(truncated)} were."] if truncated else []),
        *([] if licence else ["No licence was recorded. The encoder and the data have their own terms."]),
    ]


def how_to_reproduce(results: StudyResults) -> str:
    """The command, and what it needs."""
    name = results.study.name
    study = results.study
    beside = [*(["its data files"] if results.card.source == "files" else [])]
    beside += (
        ["the folder of its encoder"] if study.encoder.path else ["the home of its earlier study"] if study.encoder.study else []
    )
    where = f"; put {grammar.listed(beside)} beside it" if beside else ""
    command = escapes.fenced(f"bertft run {STUDY_FILE}\nbertft verify {name} --runs all").replace("```\n", "```sh\n", 1)
    return (
        f"`{STUDY_FILE}` is the whole study{where}. The first command trains its runs again; the second trains each once more "
        "and compares the weights bit by bit. On the same kind of machine and with these versions, the digest of the run and the "
        f"SHA-256 of its weights are those below.\n\n"
        f"{command}"
    )
