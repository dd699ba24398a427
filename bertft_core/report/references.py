"""`references.bib`: BibTeX entries of the methods that a study has used, those of its strategies by their cards' sources."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bertft_core.config.study_config import StudyConfig
from bertft_core.records.comparison_record import Comparison
from bertft_core.storage.study_results import StudyResults

ENTRIES = Path(__file__).parent / "templates" / "references.bib"
KEY = re.compile(r"@\w+\{(\w+),")
ALWAYS = ("loshchilov2019decoupled", "wolf2020transformers", "paszke2019pytorch")
OF_STRATEGIES: dict[str, tuple[str, ...]] = {
    "bitfit": ("benzaken2022bitfit",),
    "class_weights": ("king2001logistic", "cui2019classbalanced"),
    "early_stopping": ("prechelt1998early",),
    "feature_extraction": ("peters2019tune",),
    "focal_loss": ("lin2017focal",),
    "freezing": ("lee2019elsa",),
    "full": ("devlin2019bert",),
    "gradual_unfreezing": ("howard2018universal",),
    "label_smoothing": ("szegedy2016rethinking",),
    "legacy_adam": ("devlin2019bert", "mosbach2021stability", "zhang2021revisiting"),
    "llrd": ("howard2018universal", "zhang2021revisiting"),
    "lora": ("hu2022lora",),
    "mixout": ("lee2020mixout",),
    "oversampling": ("buda2018systematic",),
    "prior_decay": ("chelba2004adaptation", "zhang2021revisiting"),
    "reinit": ("zhang2021revisiting",),
    "replay": ("robins1995catastrophic", "devlin2019bert"),
    "stratified_batches": ("cochran1977sampling",),
    "swa": ("izmailov2018averaging",),
}
"""Kind → keys of its sources."""


def references(results: StudyResults) -> str:
    """The entries of what the study used, in the order of the file."""
    keys = {*ALWAYS, *_of_config(results.decided.study), *_of_results(results)}
    return "\n\n".join(entry for key, entry in entries().items() if key in keys) + "\n"


@cache
def entries() -> dict[str, str]:
    """Key → entry, of everything that a study can use."""
    found = ENTRIES.read_text(encoding="utf-8").strip().split("\n\n")
    return {key: entry for entry in found for key in KEY.findall(entry)}


def _of_config(study: StudyConfig) -> Iterator[str]:
    for name, arm in study.arms.items():
        for strategy in arm.strategies:
            yield from OF_STRATEGIES.get(strategy.kind, ())
        head = study.of_arm(name).head
        if getattr(head, "crf", False):
            yield "lafferty2001conditional"
        if getattr(head, "aggregate", None) == "attention":
            yield "yang2016hierarchical"
        if arm.search is not None:
            yield from ("akiba2019optuna", "bergstra2011algorithms")
    if study.probes is not None and study.probes.masked_lm is not None:
        yield "mosbach2021stability"
    if study.probes is not None and study.probes.calibration:
        yield "guo2017calibration"


def _of_results(results: StudyResults) -> Iterator[str]:
    summary = results.summary
    if summary.adaptive is not None:
        yield "starr1966performance"
    if any(arm.selected is not None for arm in summary.arms):
        yield "dodge2020finetuning"
    if results.study.seeds.splits is not None:
        yield "nadeau2003inference"
    elif summary.insights is not None and summary.insights.variance:
        yield "ting1990confidence"
    if summary.comparison is not None:
        yield from _of_comparison(summary.comparison)


def _of_comparison(comparison: Comparison) -> Iterator[str]:
    for pair in comparison.pairs:
        if pair.both is not None and pair.splits is None:
            yield "sellam2022multiberts"
        if pair.p_holm is not None:
            yield "holm1979simple"
        if pair.aso is not None:
            yield "dror2019deep"
