"""The reproducibility checklists of NLP venues, with the answers that the records give.

The items follow, in our words, the checklist of Dodge et al. 2019 ('Show Your Work') and what ACL and NeurIPS ask of authors.
What only an author can know is marked as such.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bertft_core.report import summary_rows
from bertft_core.report.formatting import escapes, numbers
from bertft_core.report.prose import (
    data_card_text,
    grammar,
    paper_settings,
    paper_text,
    split_designs_text,
    study_question,
    study_text,
)
from bertft_core.report.prose.data_findings_text import finding_text
from bertft_core.report.prose.metric_names import in_print
from bertft_core.storage.study_results import StudyResults

FOR_YOU = "for you to answer"


@dataclass(frozen=True)
class Item:
    """One question; no answer where it is for the author."""

    topic: str
    question: str
    answer: str | None


def checklist(results: StudyResults) -> list[Item]:
    """Every item with the answer from the records; None where they do not have it, or where it is for the author."""
    return [Item(topic, question, (answer(results) or None) if answer is not None else None) for topic, question, answer in ITEMS]


def _sizes(results: StudyResults) -> str:
    if not results.card.draws:
        return f"{study_question.sizes_of(results.card)} examples."
    sizes = grammar.listed(f"{split.n_examples:,} {name}" for name, split in results.card.splits.items())
    return f"{sizes} examples, in {split_designs_text.of_card(results.card)}."


def _labels(results: StudyResults) -> str:
    counts = results.card.splits["train"].label_counts
    if not counts:
        return ""
    shown = [f"{label} {n:,}" for label, n in list(counts.items())[: study_question.MOST_LABELS]]
    more = len(counts) - len(shown)
    where = f", in {split_designs_text.of_card(results.card)}" if results.card.draws else ""
    return f"In training{where}: {grammar.listed([*shown, f'{more} more labels'] if more else shown)}."


def _origins(results: StudyResults) -> str:
    return grammar.listed(f"{split}: {origin}" for split, origin in data_card_text.shared_origins(results.card).items()) + "."


def _prepared(results: StudyResults) -> str:
    findings, drawn = results.card.findings, bool(results.card.draws)
    found = [f"{'' if drawn else f'{each.split}: '}{finding_text(each, drawn=drawn)}" for each in findings]
    lengths = sorted({results.of_arm(arm).card.max_length for arm in results.study.arms})
    size = f"Tokenised with the encoder's own tokenizer, at most {' or '.join(map(str, lengths))} tokens"
    size += ", depending on the arm." if len(lengths) > 1 else "."
    return f"{size} The checks found: {'; '.join(found)}." if found else f"{size} The checks found nothing worth a warning."


def _parameters(results: StudyResults) -> str:
    parts = [
        f"{arm.arm}: {ran.n_parameters:,}, of which {ran.n_trainable_parameters:,} are trained"
        for arm in results.summary.arms
        if (ran := next((record for record in results.runs_of(arm.arm) if record.n_parameters), None)) is not None
    ]
    return "; ".join(parts) + "." if parts else ""


def _model(results: StudyResults) -> str:
    return f"{paper_text.model(results)} {_parameters(results)}".strip()


def _error_bars(results: StudyResults) -> str:
    return f"{paper_text.statistics(results)} {paper_text.seeds(results)}"


def _bounds(results: StudyResults) -> str:
    found = [paper_settings.search(arm, config.search) for arm, config in results.study.arms.items() if config.search is not None]
    return " ".join(found) if found else "Nothing was searched: all settings are those of the configuration."


def _chosen(results: StudyResults) -> str:
    found = [
        f"{arm.arm}: {grammar.listed(f'{name} = {numbers.setting(value)}' for name, value in arm.chosen.items())}"
        for arm in results.summary.arms
        if arm.chosen
    ]
    text = paper_settings.training(results.study, results.summary)
    return f"{text} Chosen by search: {'; '.join(found)}." if found else text


def _n_runs(results: StudyResults) -> str:
    made = {arm.arm: len(results.runs_of(arm.arm)) for arm in results.summary.arms}
    text = f"{grammar.several(sum(made.values()), 'report run')} ({grammar.listed(f'{n} of {arm}' for arm, n in made.items())})."
    trials = sum(len(sweep.trials) for sweep in results.sweeps.values())
    searched = f" The searches tried {grammar.several(trials, 'setting')} in {grammar.several(len(results.search_runs), 'run')}."
    text += searched if results.sweeps else " No search runs."
    uses = () if results.summary.model_selection is None else results.summary.model_selection.splits
    scored = [f"{grammar.several(use.n_evaluations, 'time')} on {use.split}" for use in uses]
    return f"{text} Models were evaluated {grammar.listed(scored)}." if scored else text


def _validation(results: StudyResults) -> str:
    rows = []
    for arm in results.summary.arms:
        row = summary_rows.row_of(arm, "validation", results.summary.headline_checkpoint, results.summary.headline_metric)
        if row is not None:
            rows.append(f"{arm.arm} {numbers.score(row.mean)}{'' if row.sd is None else f' ± {numbers.score(row.sd)}'}")
    return f"Validation {in_print(results.summary.headline_metric)}, mean ± sd: {grammar.listed(rows)}." if rows else ""


def _metric(results: StudyResults) -> str:
    which = "the best validation score" if results.summary.headline_checkpoint == "best" else "the last step"
    return (
        f"{in_print(results.summary.headline_metric)} on {results.summary.headline_split}, weights of {which}; "
        "computed from the stored prediction of every example."
    )


def _runtime(results: StudyResults) -> str:
    parts = [
        f"{arm.arm} {numbers.duration(sum(times) / len(times))}"
        for arm in results.summary.arms
        if (times := [record.train_seconds for record in results.runs_of(arm.arm) if record.train_seconds])
    ]
    return f"Mean training time of a run: {grammar.listed(parts)}. {paper_text.compute(results)}" if parts else ""


def _failures(results: StudyResults) -> str:
    found = study_text.not_counted(results.summary)
    return f"{'; '.join(found)}. All of them are reported." if found else "All runs completed."


def _again(results: StudyResults) -> str:
    return (
        f"One command repeats the study from study.yaml (study digest {results.summary.study_digest[: paper_text.CUT]}); "
        "every run has its three seeds, its digest and the hash of its weights in runs.csv."
    )


ITEMS: tuple[tuple[str, str, Callable[[StudyResults], str] | None], ...] = (
    ("Claims", "Do the claims of abstract and introduction match the results, with their scope and limits?", None),
    ("Data", "How many examples are there in each split?", _sizes),
    ("Data", "How are the labels distributed?", _labels),
    ("Data", "Where do the splits come from?", _origins),
    ("Data", "How were the texts prepared, and what did the checks find?", _prepared),
    ("Data", "In which languages are the texts, who wrote them, and how were they labelled and checked?", None),
    ("Data", "Where can others get the data, and under which licence?", None),
    ("Data", "Do the texts contain personal or offensive content, and was consent given?", None),
    ("Model", "Which model is used, and how many parameters does it have?", _model),
    ("Model", "Under which licences are the encoder and the software used, and does that cover this use?", None),
    ("Experiments", "Which settings were searched, within which bounds, how, and with how many trials?", _bounds),
    ("Experiments", "Which settings were used in the end?", _chosen),
    ("Experiments", "Exactly how many training runs and evaluations were made?", _n_runs),
    ("Experiments", "Which metric is reported, on which split and checkpoint?", _metric),
    ("Experiments", "What is the validation score that belongs to the reported score?", _validation),
    ("Results", "Which differences are claimed, and how many seeds would the others need?", paper_text.claims),
    ("Results", "What do the error bars mean, and what varies between runs?", _error_bars),
    ("Results", "Did runs fail, and were they left out?", _failures),
    ("Results", "Are strong and fairly tuned baselines among the arms?", None),
    ("Compute", "On which hardware, and how long did it take?", _runtime),
    ("Compute", "Which software and which versions?", paper_text.software),
    ("Code", "Can others reproduce it?", _again),
    ("Code", "Where will code, data and models be published?", None),
    ("Ethics", "What are the risks and intended uses of the work, and was there an ethics review where one is needed?", None),
)  # fmt: skip
"""(topic, question, function that answers it); None is for the author."""


def as_markdown(setup: Sequence[tuple[str, str]], items: Sequence[Item]) -> str:
    """Setup and checklist as one text file."""
    lines = ["# For your paper", "", "## Experimental setup", "", escapes.markdown(" ".join(text for _, text in setup)), ""]
    lines += ["## Reproducibility checklist", ""]
    for item in items:
        lines += [f"- **{item.question}** {escapes.markdown(item.answer or FOR_YOU.upper())}"]
    return "\n".join(lines) + "\n"
