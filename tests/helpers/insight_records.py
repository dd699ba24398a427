"""Made-up insights of two arms, for tests of the pages that show them."""

from __future__ import annotations

from bertft_core.records.insight_records import (
    Agreement,
    BestOfN,
    BudgetView,
    Component,
    FlippingExample,
    Insights,
    Schedule,
    SeedsNeeded,
    SeedsPoint,
    StartManyView,
    VarianceComponents,
)
from bertft_core.records.not_computed import NotComputed

WHERE = {"metric": "accuracy", "split": "test", "checkpoint": "best"}


def make_variance(arm: str = "full") -> VarianceComponents:
    """Sources with sd 0.02, 0 and 0.01; the second is negative before it is cut, the interval of the first is open."""
    parts = (
        ("init", 0.0004, 0.0004, None, None),
        ("order", -0.00001, 0.0, 0.0, 0.0001),
        ("residual", 0.0001, 0.0001, 0.00005, 0.0004),
    )
    components = tuple(
        Component(source=source, df=3, mean_square=0.001, raw=raw, variance=variance, low=low, high=high, share=variance / 0.0005)
        for source, raw, variance, low, high in parts
    )
    sizes = {"n_init": 4, "n_order": 3, "n_replicates": 1, "n_runs": 12}
    return VarianceComponents(arm=arm, **WHERE, **sizes, mean=0.8, mean_se=0.01, components=components)


def make_agreement(arm: str, kind: str = "classification") -> Agreement:
    """Twenty-one of forty examples that some seeds get right and others wrong."""
    example = FlippingExample(
        example_id="test/7",
        text="not <bad> at all, I would say, and the soup was hot",
        gold="positive",
        answers={"negative": 3, "positive": 2},
        n_right=2,
        disagreement=0.6,
    )
    return Agreement(
        arm=arm,
        split="test",
        checkpoint="best",
        kind=kind,
        unit="example",
        n_seeds=5,
        n_units=40,
        fleiss_kappa=0.81,
        disagreement=0.095,
        jensen_shannon=0.021,
        n_unanimous=19,
        n_flipping=21,
        most_flipping=(example,),
    )


def make_seeds_needed(arm: str, baseline: str | None = None) -> SeedsNeeded:
    """Half-widths and detectable differences that fall with the root of n."""
    curve = tuple(SeedsPoint(n=n, half_width=0.05 / n**0.5, detectable=0.09 / n**0.5) for n in (2, 3, 5, 10, 20, 50))
    numbers = {"n": 5, "mean": 0.03 if baseline else 0.8, "sd": 0.02, "half_width": 0.022, "detectable": 0.04}
    return SeedsNeeded(arm=arm, baseline=baseline, **WHERE, **numbers, curve=curve)


def make_budget(arm: str, source: str = "seeds", hours: float | None = 0.2) -> BudgetView:
    """Five values."""
    points = tuple(
        BestOfN(n=n, v=0.8 + 0.01 * n**0.5, v_sd=0.01, u=0.8 + 0.012 * n**0.5, u_sd=0.008, hours=hours and hours * n)
        for n in range(1, 6)
    )
    return BudgetView(arm=arm, source=source, metric="accuracy", n_values=5, points=points)


def make_insights() -> Insights:
    """Every part."""
    schedules = tuple(
        Schedule(start=4 * k, stop_at=0.3, keep=k, cost=1.9 * k, expected=0.8 + 0.01 * k, sd=0.01) for k in (1, 2, 3)
    )
    uncut = tuple(
        Schedule(start=2 * k, stop_at=1.0, keep=2 * k, cost=1.9 * k, expected=0.79 + 0.01 * k, sd=0.01) for k in (1, 2, 3)
    )
    tpe = NotComputed(reason="dependent trials")
    refused = BudgetView(arm="full", source="trials", metric="accuracy", n_values=8, refused=tpe)
    return Insights(
        variance=(make_variance(),),
        variance_refused=(NotComputed(reason="no complete grid", arm="features"),),
        agreement=(make_agreement("features"), make_agreement("full")),
        budgets=(make_budget("features"), make_budget("full"), refused),
        seeds_needed=(make_seeds_needed("features"), make_seeds_needed("full"), make_seeds_needed("full", "features")),
        start_many=(
            StartManyView(
                arm="full",
                metric="accuracy",
                n_curves=12,
                n_evaluations=10,
                best=schedules,
                uncut=uncut,
                worthwhile=2,
            ),
        ),
    )
