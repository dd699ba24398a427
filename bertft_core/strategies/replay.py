"""Replay: in every step some raw texts are read beside the task's examples, and their masked tokens predicted.

Source:   rehearsal against forgetting (Robins 1995, "Catastrophic Forgetting, Rehearsal and Pseudorehearsal"), with the encoder's
          own masked language modelling (Devlin et al. 2019, section 3.1) as what is rehearsed.
Touches:  the training loss: task + weight · masked LM, each a mean over the targets of the step.
Neutral:  share = 0.
Order:    does not matter.
Limits:   the masked-LM head is the checkpoint's and never learns, as in the probe of forgetting: the encoder has to stay one that
          it can read. Checkpoints without it are refused. Texts are ordered below the order stream, their masks and dropout drawn
          below the dropout stream, so the task's batches, masks and dropout stay as they are without replay. A step costs
          as much more as there are texts. The reported loss is that of the task.
"""

from bertft_core.config.strategy_settings import Replay
from bertft_core.strategies.plan import FinetuningPlan, Rehearsal


def apply(plan: FinetuningPlan, config: Replay) -> None:
    """Set which share of a batch is added, and its weight."""
    if config.share:
        plan.rehearsal = Rehearsal(config.share, config.weight)
