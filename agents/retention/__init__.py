"""What keeps old tasks while new ones are learned, one file a method.

A retention method is a `Method` as any other, with all seams of one: `regularize` and `penalty` for
what is added to the loss (EWC, cloning), `change_gradients` for what is done with the gradient
before the optimizer's step (A-GEM), `after_step` to put back what must not move (PackNet, WSN,
masks). As a `RetentionMethod` it is also told where tasks begin and end, and says what the network
of an earlier task is:

- `start_task(task, previous)` before the first step of a task, and again when a task comes back:
  begin a head, choose a mask, draw from the memory of `previous`.
- `end_task(task)` after the last step of a task, with the task's data at hand: `task.sample(n,
  generator)` draws examples, `task.train(n)` makes gradient steps on them (PackNet retrains so).
- `parameters_for(part, task, parameters)` returns what a network's parameters are when it acts in a
  task, from those that it has now or that the method before this one returned: heads and masks are
  nothing else. It is differentiable, and changes nothing.

Whoever learns (`SupervisedLearner` on the proving ground, `SAC`) calls, in this order,

    start_task(task 0, None), step, step, ..., end_task(task 0), start_task(task 1, task 0), ...

and at a task's start lets the optimizer forget all, unless it is asked not to. `acting_for` puts
the parameters of a task into the networks for as long as the agent is tried in it;
`outputs_with` evaluates a network with other parameters than its own, to be differentiated.

Only the part "actor" (for a bare network, "network") is a policy: `is_policy(part)`. Critics forget
too, but nobody asks them about old tasks; published methods leave them alone.

State is buffers, as for any method, but that a retention method may register them at any time:
loading a saved state makes those that it has. What is no buffer is lost.
"""

from .a_gem import AGEM
from .clear import CLEAR
from .clonex import ClonEx
from .fine_tuning import FineTuning
from .l2_previous import L2Previous
from .l2m import L2M
from .mas import MAS
from .multi_head import MultiHead
from .online_ewc import OnlineEWC
from .packnet import PackNet
from .perfect_memory import PerfectMemory
from .reset_and_distill import ResetAndDistill
from .retention_method import RetentionMethod
from .tail import TAIL
from .wsn import WSN

__all__ = [
    "AGEM",
    "CLEAR",
    "L2M",
    "MAS",
    "TAIL",
    "WSN",
    "ClonEx",
    "FineTuning",
    "L2Previous",
    "MultiHead",
    "OnlineEWC",
    "PackNet",
    "PerfectMemory",
    "ResetAndDistill",
    "RetentionMethod",
]
