"""What strategies may know of a run before its first step."""

from typing import Any

from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.heads import HEADS
from bertft_core.records import RunSpec
from bertft_core.strategies.plan import TrainContext
from bertft_core.training.optimizer import decayed_names
from bertft_core.training.step_plan import StepPlan


def train_context_of(spec: RunSpec, train: PreparedSplit, model: Any) -> TrainContext:
    """The context of a run; its steps per epoch are those before any strategy changes them."""
    head = HEADS[spec.head.kind]
    return TrainContext(
        init_seed=spec.seeds.init,
        steps_per_epoch=StepPlan(train.n, spec.training, spec.seeds.order).steps_per_epoch,
        weight_decayed=frozenset(decayed_names(model)),
        fresh_head=head.is_drawn,
        labels=spec.labels,
        **head.classes(train, len(spec.labels))._asdict(),
    )
