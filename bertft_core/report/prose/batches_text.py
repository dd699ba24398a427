"""How the texts of a batch are laid out, and why they are padded where they are."""

from bertft_core.config.encoder_families import BatchLayout
from bertft_core.report.prose import grammar, study_question
from bertft_core.storage.study_results import StudyResults

NAMES: dict[BatchLayout, str] = {"packed": "packed", "padded": "padded", "by_length": "padded, one length at a time"}
REASONS: dict[BatchLayout, str] = {
    "packed": "one row of tokens without padding",
    "padded": "to the longest text, because the layers of this encoder cannot be packed",
    "by_length": "because this encoder's result for a text would depend on the padding",
}


def layout(of: BatchLayout) -> str:
    """'packed (one row of tokens without padding)'."""
    return f"{NAMES[of]} ({REASONS[of]})"


def of_runs(results: StudyResults) -> str:
    """A sentence about the batches of each arm's report runs; empty where no record says, as in older studies."""
    layouts = {arm: dict.fromkeys(run.batches for run in results.runs_of(arm) if run.batches) for arm in results.study.arms}
    known = study_question.arms_by((arm for arm in layouts if layouts[arm]), lambda arm: " or ".join(map(layout, layouts[arm])))
    each = [words if len(known) == 1 else f"{words} for {grammar.listed(arms)}" for words, arms in known.items()]
    return f"Batches were {grammar.listed(each)}." if each else ""
