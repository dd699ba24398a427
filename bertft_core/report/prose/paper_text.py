"""The 'experimental setup' of a paper, written from the configuration and the records alone."""

from bertft_core.config.study_config import StudyConfig
from bertft_core.records import EncoderIdentity
from bertft_core.records.comparison_record import Comparison
from bertft_core.records.data_card import SplitCard
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import (
    batches_text,
    comparison_text,
    data_card_text,
    grammar,
    machine_text,
    power_text,
    seed_designs_text,
    split_designs_text,
    study_question,
    study_text,
)
from bertft_core.report.prose.metric_names import in_print
from bertft_core.report.prose.paper_settings import search, training
from bertft_core.storage.study_results import StudyResults

HEADS = {"multi_label": "a multi-label head", "masked_lm": "the masked language modelling head"}
"""Names of heads that do not follow from their kind."""
AGGREGATED = {
    "mean": "whose outputs are averaged",
    "max": "and the largest output of each label counts",
    "first": "of which the first is read",
    "attention": "whose outputs are averaged with weights that are learned by attention over the windows (Yang et al. 2016)",
}
"""`head.aggregate` → what becomes of the windows of an input."""
NAMED_PACKAGES = ("torch", "transformers", "numpy", "optuna")
NAMES_OF_SPLITS = {"train": "training"}
CUT = 12
"""Characters of a digest that are printed."""


def setup_text(results: StudyResults) -> list[tuple[str, str]]:
    """(topic, sentences) in the order of a paper: data, model, training, search, seeds, statistics, compute, software."""
    parts = [
        ("Data", data(results)),
        ("Model", model(results)),
        ("Training", training(results.study, results.summary)),
        ("Search", " ".join(search(arm, config.search) for arm, config in results.study.arms.items() if config.search)),
        ("Seeds", seeds(results)),
        ("Statistics", statistics(results)),
        ("Compute", compute(results)),
        ("Software", software(results)),
    ]
    return [(topic, text) for topic, text in parts if text]


def data(results: StudyResults) -> str:
    """Source, sizes, labels, origin of each split, and truncated inputs."""
    card = results.card
    names = NAMES_OF_SPLITS
    sizes = grammar.listed(f"{split.n_examples:,} {names.get(name, name)}" for name, split in card.splits.items())
    of = data_card_text.shared_origins(card)
    origins = grammar.listed(f"{names.get(name, name)} {_from(split, of[name])}" for name, split in card.splits.items())
    text = f"We use {card.name} with {sizes} examples ({origins})"
    if card.labels:
        text += f" and {grammar.several(len(card.labels), 'label')}"
    text += f"; the sizes are those of {split_designs_text.of_card(card)}" if card.draws else ""
    text += f"; its fingerprint (SHA-256 of the prepared examples) begins with {card.fingerprint[:CUT]}."
    arms_of = study_question.arms_by(results.study.arms, lambda arm: _inputs(results.of_arm(arm)))
    if len(arms_of) == 1:
        return f"{text} {grammar.as_sentence(next(iter(arms_of)))}"
    return f"{text} {grammar.as_sentence('; '.join(f'for {grammar.listed(arms)}, {how}' for how, arms in arms_of.items()))}"


def _inputs(results: StudyResults) -> str:
    """How long the inputs of one arm are."""
    card, names = results.card, NAMES_OF_SPLITS
    if getattr(results.study.data, "long_texts", "truncate") == "windows":
        how = AGGREGATED[results.study.head.aggregate]  # type: ignore[union-attr]
        return f"longer inputs are split into overlapping windows of {card.max_length} tokens, {how}"
    ratios = {names.get(name, name): split.truncated_ratio for name, split in card.splits.items() if split.truncated_ratio}
    longer = grammar.listed(f"{100 * ratio:.1f} % of the {name} inputs" for name, ratio in ratios.items()) if ratios else "none"
    return f"inputs have at most {card.max_length} tokens ({longer} {'were' if ratios else 'was'} longer and truncated)"


def _from(split: SplitCard, origin: str) -> str:
    """'cut from train', or 'from train.csv'."""
    return f"{'' if split.origin.cut_from_train else 'from '}{origin}"


def model(results: StudyResults) -> str:
    """Encoder, head, parameters, and the strategies of each arm."""
    sizes = sorted({record.n_parameters for record in results.report_runs if record.n_parameters})
    size = f", {grammar.listed(f'{n:,}' for n in sizes)} parameters in total" if sizes else ""
    kind = results.study.head.kind
    head = HEADS.get(kind, f"a {kind.replace('_', ' ')} head")
    arms_of = study_question.arms_by(results.study.arms, lambda arm: _encoder(results.of_arm(arm).card.encoder))
    each = [f"{name} ({grammar.listed(arms)})" for name, arms in arms_of.items()]
    start = f"All models start from {next(iter(arms_of))}" if len(each) == 1 else f"Models start from {grammar.listed(each)}"
    text = f"{start} with {head}{size}."
    arms = [f"{arm} ({_ways(results.decided.study, arm)})" for arm in results.study.arms]
    noun = "one way" if len(arms) == 1 else f"{len(arms)} ways"
    return (
        f"{text} We compare {noun} of fine-tuning: {grammar.listed(arms)}."
        if len(arms) > 1
        else f"{text} It is fine-tuned as {arms[0]}."
    )


def _encoder(encoder: EncoderIdentity) -> str:
    return encoder.checkpoint + (f" (revision {encoder.revision[:CUT]})" if encoder.revision else "")


def _ways(study: StudyConfig, arm: str) -> str:
    """An arm's strategies, and the settings of head and data in which arms differ."""
    given = {key: value for key, value in study.own_settings(arm).items() if value is not None and not key.startswith("encoder.")}
    own = [f"{key} = {numbers.setting(value)}" for key, value in given.items()]
    return "; ".join([" + ".join(map(study_question.strategy, study.arms[arm].strategies)), *own])


def seeds(results: StudyResults) -> str:
    """How many runs, what varies between them, and how they ended."""
    n, counts = [arm.n_planned for arm in results.summary.arms], study_text.not_counted(results.summary)
    times = grammar.several(n[0], "time") if len(set(n)) == 1 else f"{min(n)} to {max(n)} times"
    text = f"Each arm is trained {times}; {study_question.moving(results.decided.study, results.decided.card)}."
    summary = results.summary
    ways = [seed_designs_text.selected(arm, summary) for arm in summary.arms if arm.selected is not None]
    if summary.adaptive is not None:
        ways.append(seed_designs_text.adaptive(summary.adaptive, [arm.arm for arm in summary.arms]))
    text += "".join(f" {grammar.as_sentence(way)}" for way in ways)
    streams = "Head initialisation, batch order and dropout have separate random streams, derived from one study seed"
    fate = f" Runs with problems: {'; '.join(counts)}." if counts else " All runs completed."
    return f"{text} {streams} ({results.study.seed}).{fate}"


def statistics(results: StudyResults) -> str:
    """What the numbers are, and which test the claims are based on."""
    summary, found = results.summary, results.summary.comparison
    if all(arm.selected is not None for arm in summary.arms):
        return (
            f"We report {in_print(summary.headline_metric)} on {summary.headline_split} of the run of each arm that was best on "
            "the validation set. It was selected among many and is not a sample, so we give no deviation, interval or test."
        )
    crossed, design = study_text.of_crossed(summary), study_text.of_design(summary)
    text = (
        f"We report the mean and the standard deviation (n − 1) over {'seeds' if design is None else 'runs'} of "
        f"{in_print(summary.headline_metric)} on {summary.headline_split}; collapsed runs are included."
    )
    if crossed is not None:
        untested = " We claim no difference between arms." if len(summary.arms) > 1 else ""
        return f"{text} {crossed}{untested}"
    if design is not None:
        return f"{text} {design} {_over_splits(found)}".rstrip()
    if found is None or not found.pairs:
        return f"{text} Intervals of means are {numbers.percent(summary.level)} t-intervals over seeds."
    alone = [pair for pair in found.pairs if pair.both is None]
    together = "the p-value is the largest with seeds and examples, seeds alone and examples alone resampled"
    how = "seeds resampled" if len(alone) == len(found.pairs) else together
    if alone and how == together:
        how += f"; on {grammar.listed(dict.fromkeys(in_print(pair.metric) for pair in alone))} seeds alone"
    how += f"; {comparison_text.resamples(found)}"
    return (
        f"{text} Differences between arms are tested with the multi-bootstrap (Sellam et al. 2022; {how}), its intervals "
        f"({numbers.percent(found.level)}) and p-values corrected for the number of seeds. {_claimed_at(found)}"
    )


def _over_splits(found: Comparison | None) -> str:
    """The test over splits, where there is a pair to test."""
    if found is None or not found.pairs:
        return ""
    f_test = split_designs_text.F_TEST if any(test.name == "5x2cv F" for pair in found.pairs for test in pair.tests) else ""
    return f"{split_designs_text.TEST}{f_test}. {_claimed_at(found)}"


def _claimed_at(found: Comparison) -> str:
    return (
        f"A difference is claimed at p ≤ {1 - found.level:.3g} after Holm's correction over "
        f"{grammar.several(found.n_tests, 'comparison')} (pairs × metrics)."
    )


def claims(results: StudyResults) -> str:
    """Every pair on the headline metric with its verdict and, where it is inconclusive, the seeds needed."""
    comparison, insights = results.summary.comparison, results.summary.insights
    if comparison is None or not comparison.headline_pairs:
        return "No arms were compared."
    parts = []
    for pair in comparison.headline_pairs:
        parts.append(grammar.ended(comparison_text.pair(pair, comparison)))
        needed = [] if insights is None or pair.claimed else insights.seeds_needed
        of_pair = [found for found in needed if (found.arm, found.baseline) == (pair.arm, pair.baseline)]
        parts += [grammar.as_sentence(power_text.seeds_needed(found)) for found in of_pair]
    return " ".join(parts)


def compute(results: StudyResults) -> str:
    """Hardware, run time, and how batches were laid out."""
    report_runs, search_runs = results.report_runs, results.search_runs
    where = sorted({f"{e.device} ({machine_text.details(e)})" for r in report_runs if (e := r.environment)})
    if not report_runs or not where:
        return ""
    mean = sum(record.train_seconds for record in report_runs) / len(report_runs)
    total = sum(record.train_seconds + record.evaluate_seconds for record in (*report_runs, *search_runs))
    searched = f" and {grammar.several(len(search_runs), 'search run')}" if search_runs else ""
    return (
        f"{grammar.several(len(report_runs), 'report run')}{searched} took {numbers.duration(total)} in total "
        f"({numbers.duration(mean)} of training for each report run) on {grammar.listed(where)}. "
        f"{batches_text.of_runs(results)}"
    ).rstrip()


def software(results: StudyResults) -> str:
    """Versions of the packages that affect numbers, and the commit."""
    found = results.environment
    if found is None:
        return ""
    named = [f"{name} {found.packages[name]}" for name in NAMED_PACKAGES if name in found.packages]
    commit = (
        ""
        if found.commit is None
        else f"; bertft at commit {found.commit[:CUT]}{' with uncommitted changes' if found.dirty else ''}"
    )
    return f"{grammar.listed([f'Python {found.python}', *named])}{commit}."
