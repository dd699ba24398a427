"""What a picture says of a point or line that is pointed at, and when it is read aloud."""

from typing import Any

from bertft_core.report.prose import grammar

SAID = {
    "band": "{arm}: mean {mean}, {low} to {high} over {n:run} at the end.",
    "profile": "{arm}: {share} of {n:seed} above {tau:.3f}.",
    "seeds needed": "{name}: {value} with the present {n} seeds.",
    "power": "{name}, a difference of {difference}.",
    "budget": "{name}: {first} with {least:.0f}, {last} with {most:.0f}.",
    "schedule": "{name}: {score} for {cost:.3g} whole runs.",
    "curves": "{y} over {x} of {n:run} of {arm}.",
    "seeds": "{arm}: mean {mean}, interval {interval}.",
    "cost": "{arm}: on average {y:.3f} at {x:.3g}.",
    "region": "{region}: {n:example}.",
    "paired seeds": "{arm} beside {baseline}, {n:seed}.",
    "no seeds": "{arm}: no scores.",
    "reliability": "Reliability of {arm}: share right over confidence, {seeds}. {points}",
    "reliability point": "{right:.2f} right at {confidence:.2f}.",
    "bin": "confidence {confidence:.2f}: {right:.2f} right, {percent:.0f} % of the predictions",
}


def said(of: str, **values: Any) -> str:
    """The words for a point, line or picture of a kind."""
    return SAID[of].format(**{name: grammar.Count(value) if name == "n" else value for name, value in values.items()})
