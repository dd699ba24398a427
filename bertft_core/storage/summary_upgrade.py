"""Summaries of older versions in today's form; `upgrade.py` has the table of all steps."""

from typing import Any

Values = dict[str, Any]


def without(values: Values, *names: str) -> Values:
    """All but the fields of these names."""
    return {name: value for name, value in values.items() if name not in names}


def older(why: str | None, arm: str | None = None) -> Values | None:
    """The reason of an older version, which was text."""
    return None if why is None else {"reason": "older version", "arm": arm, "detail": why}


def _refused(note: str, before: str, between: str) -> Values | None:
    """A note such as 'full has no variance components: …' as arm and reason."""
    arm, found, why = note.removeprefix(before).partition(between)
    return older(why, arm) if found else older(note)


def _insights(values: Values) -> Values:
    notes = [_refused(note, "", " has no variance components: ") for note in values.get("variance_notes", ())]
    seeds = "the seeds of ", " are not compared example by example: "
    agreement = [_refused(note, *seeds) for note in values.get("agreement_notes", ())]
    new = without(values, "variance_notes", "agreement_notes") | {"variance_refused": notes, "agreement_refused": agreement}
    for part in ("variance", "agreement"):
        new[part] = [without(found, "sentence", "method") for found in values.get(part, ())]
    for part in ("budgets", "start_many"):
        new[part] = [without(view, "sentence") | {"refused": older(view.get("refused"))} for view in values.get(part, ())]
    new["seeds_needed"] = [without(found, "sentence") for found in values.get("seeds_needed", ())]
    return new


def _probes(values: Values) -> Values:
    absences = [without(one, "reason") | {"why": older(one["reason"])} for one in values.get("absences", ())]
    findings = [without(one, "sentence") for one in values.get("findings", ())]
    return without(values, "verdict") | {"absences": absences, "findings": findings}


def _arm(values: Values, headline: str) -> Values:
    ensemble, selected = values.get("ensemble"), values.get("selected")
    if ensemble is not None:
        why = None if ensemble.get("scores") else ensemble["sentence"].partition(": ")[2]
        members = [seed["scores"].get(headline) for seed in values["seeds"] if seed["index"] in ensemble["seeds"]]
        mean = sum(members) / len(members) if members and None not in members and why is None else None
        ensemble = without(ensemble, "sentence") | {"refused": older(why), "mean_of_seeds": mean}
    return values | {"ensemble": ensemble, "selected": None if selected is None else without(selected, "sentence")}


def _model_selection(values: Values) -> Values:
    choices = [without(one, "n_looked_at", "sentence") | {"n_scores": one["n_looked_at"]} for one in values["choices"]]
    return without(values, "sentences") | {"choices": choices}


REFUSED = {
    "its seeds were selected": "selected_seeds",
    "of its runs ended with a score": "few_seeds",
    "has no split": "missing_split",
    "they have other labels": "other_labels",
    "of other data": "other_data",
}
"""Words of version 1 → the reason that they gave."""


def _refusal(text: str) -> Values | None:
    """A refusal in words, such as 'a and b are not compared: they have other labels', as its reason and arms."""
    names, _, why = text.replace(" is not compared: ", " are not compared: ").partition(" are not compared: ")
    arm, _, baseline = names.partition(" and ")
    reason = next((reason for words, reason in REFUSED.items() if words in why), None)
    if reason == "missing_split" and why.startswith(f"{baseline} "):
        arm, baseline = baseline, arm  # the arm without the split stands first where sizes are not known
    return None if reason is None else {"reason": reason, "arm": arm, "baseline": baseline or None}


RESAMPLED = {"seeds and examples resampled": "both", "seeds resampled": "seeds", "examples resampled": "examples"}


def comparison_1_to_2(values: Values) -> Values:
    """No sentences: numbers stay, refusals become reasons; notes were text only, and `report` makes them again."""
    pairs = [
        without(pair, "sentence", "pairing")
        | {"p_of": RESAMPLED.get(pair.get("p_of")), "n_shared_seeds": pair["n_seeds_arm"] if pair["paired"] else None}
        for pair in values.get("pairs", ())
    ]
    components = [without(found, "sentence") for found in values.get("components", ())]
    arms = [without(arm, "left_out") for arm in values["arms"]]
    refused = [found for text in values.get("refused", ()) if (found := _refusal(text)) is not None]
    return without(values, "notes") | {"version": 2, "arms": arms, "pairs": pairs, "components": components, "refused": refused}


def summary_1_to_2(values: Values) -> Values:
    """Numbers without sentences; what was a reason in words stays as text."""
    headline = "/".join(values[f"headline_{part}"] for part in ("checkpoint", "split", "metric"))
    arms = [_arm(arm, headline) for arm in values["arms"]]
    new = without(values, "ledger", "differences", "margins") | {"version": 2, "arms": arms}
    new["gains_over_majority"] = [without(gain, "sentence") for gain in values.get("margins", ())]
    new["floors"] = [without(floor, "sentence") for floor in values.get("floors", ())]
    if values.get("ledger") is not None:
        new["model_selection"] = _model_selection(values["ledger"])
    if (adaptive := values.get("adaptive")) is not None:
        new["adaptive"] = without(adaptive, "looks", "sentence") | {"interim_analyses": adaptive["looks"]}
    for part, upgrade in (("insights", _insights), ("probes", _probes), ("comparison", comparison_1_to_2)):
        if values.get(part) is not None:
            new[part] = upgrade(values[part])
    return new
