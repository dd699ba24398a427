"""Settings spread evenly over a search's space: what its trials will be like, before any of them is known. Pure."""

from bertft_core.config.search_space import (
    Choices,
    Range,
    Settings,
    Space,
    Value,
    is_active,
    listed_value,
    n_listed,
    sampled_order,
)

N_TYPICAL = 8


def typical_settings(space: Space, n: int = N_TYPICAL) -> list[Settings]:
    """`n` trials by an additive recurrence (Roberts 2018, "R_d"): as evenly spread as QMC points, without a seed."""
    root = 2.0
    for _ in range(64):  # of x^(d + 1) = x + 1, by iteration
        root = (1 + root) ** (1 / (len(space) + 1))
    shares = {name: root ** -(i + 1) for i, name in enumerate(space)}
    return [_trial(space, {name: (0.5 + (i + 1) * share) % 1 for name, share in shares.items()}) for i in range(n)]


def _trial(space: Space, places: dict[str, float]) -> Settings:
    settings: Settings = {}
    for name in sampled_order(space):
        if is_active(name, settings):
            settings[name] = _value(space[name], places[name])
    return settings


def _value(part: Range | Choices, place: float) -> Value:
    """The value at a share in [0, 1) of the way from the first to the last."""
    if isinstance(part, Choices):
        return part.choices[int(place * len(part.choices))]
    if part.log:
        value = part.low * (part.high / part.low) ** place
        return min(max(round(value), int(part.low)), int(part.high)) if part.integer else min(max(value, part.low), part.high)
    if part.integer or part.step is not None:
        return listed_value(part, int(place * n_listed(part)))
    return part.low + place * (part.high - part.low)
