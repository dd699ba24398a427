"""The data that a study's arms read, each distinct one judged once, and the overrides that change one of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from bertft_core.config.study_config import StudyConfig
from bertft_core.evaluation.diagnosis.findings import Outcomes
from bertft_core.records import DatasetCard
from bertft_core.storage.study_results import StudyResults


class DataView(NamedTuple):
    """Data, and the arms that read them."""

    arms: tuple[str, ...]
    results: StudyResults
    """As the first of these arms sees them."""
    named: dict[str, Any]
    """Values of a finding about these data: `arms` where not every arm reads them, `first_of` how many splits of a design."""


def data_views(results: StudyResults, key: Callable[[DatasetCard], Any] = lambda card: card.fingerprint) -> Iterator[DataView]:
    """The cards of a study with different keys, in the order of the arms; those of arms without changes first."""
    card = results.decided.card
    groups: dict[str, list[str]] = {repr(key(card)): []}
    for arm in results.study.arms:
        groups.setdefault(repr(key(card.of_arm(arm))), []).append(arm)
    found = [tuple(arms) for arms in groups.values() if arms]
    first = {"first_of": len(card.draws)} if card.draws else {}  # the rows of the card are of the first split
    for arms in found:
        yield DataView(arms, results.of_arm(arms[0]), ({"arms": arms} if len(found) > 1 else {}) | first)


def over(views: Iterable[DataView], judged: Callable[[DataView], Outcomes]) -> Outcomes:
    """The outcomes for all views; one that is ok is left out after the first view, as it would say nothing new."""
    for i, view in enumerate(views):
        yield from (outcome for outcome in judged(view) if i == 0 or outcome.verdict != "ok")


def for_arms(study: StudyConfig, arms: Sequence[str], *changes: str) -> tuple[str, ...]:
    """Overrides of encoder or data for these arms: of the study's section where one of them reads it, else of each arm's.

    A change is as for `--set`, such as 'data.max_length=128'.
    """
    return tuple(place + change for change in changes for place in _places(study, arms, change.partition("=")[0]))


def _places(study: StudyConfig, arms: Sequence[str], key: str) -> Iterator[str]:
    section, _, name = key.partition(".")
    shared = any(own.data == study.data and own.encoder == study.encoder for own in map(study.of_arm, arms))
    if shared:
        yield ""
    for arm in arms:
        changes = getattr(study.arms[arm], section)
        if not shared or (changes is not None and (not name or name in changes.overrides())):
            yield f"arms.{arm}."
