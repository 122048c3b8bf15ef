"""Churn reduction: an update shall not move the answers to questions that were not in its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ..layers import Part, compute_outputs
from ..method import Method


@final
@dataclass(eq=False, repr=False)
class ChurnReduction(Method):
    """Continual churn approximated reduction, C-CHAIN (Tang et al. 2025).

    "Mitigating plasticity loss in continual reinforcement learning by reducing churn", ICML 2025,
    after Tang and Berseth, "Improving deep reinforcement learning by reducing the chain effect of
    value and policy churn", NeurIPS 2024.

    How far the network's outputs have moved in the last `delay` gradient steps, on a batch that is
    not the one it learns from now, is added to the loss: see `churn_loss`.

    The published code (bluecontra/C-CHAIN) keeps copies of earlier networks and draws the other
    batch anew. Here it is the training batch of `delay` + 1 steps ago, kept with what the network
    answered right after it had learned from it, so that no network is copied. The code also sets
    its coefficient anew in each iteration, so that the penalty is a constant share of the mean
    policy loss; here it is constant. For SAC's actor the code of 2024 takes the KL divergence of
    Gaussians; here means are compared, as C-CHAIN does for PPO.

    What a features extractor makes of observations is taken as it was. After a reset of the
    network the penalty pulls for `delay` + 1 steps towards what was before.

    Example:
        >>> ChurnReduction(critic_coefficient=0.1)
        ChurnReduction(actor_coefficient=100.0, critic_coefficient=0.1, delay=1)
    """

    name: ClassVar[str] = "churn-reduction"

    actor_coefficient: float = 100.0
    """Weight of the policy's churn, or a classifier's (where C-CHAIN's code begins on the DeepMind
    suite with PPO; CHAIN's SAC takes 5e-4 times the mean size of the actor's loss)."""

    critic_coefficient: float = 0.0
    """Weight of each critic's churn (0 as in C-CHAIN's PPO; CHAIN's SAC takes 0.1)."""

    delay: int = 1
    """Gradient steps between the two networks that are compared (C-CHAIN's and CHAIN's code)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("actor_coefficient", self.actor_coefficient >= 0, "0 or more")
        self.require("critic_coefficient", self.critic_coefficient >= 0, "0 or more")
        self.require("delay", self.delay >= 1, "1 or more")

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Make room for earlier batches and answers, by their age in gradient steps."""
        for part in parts:
            if self._coefficient(part) > 0:
                for age in range(self.delay + 1):
                    for name in _names(part, age):
                        self.register_buffer(name, part.parameters[0].new_empty(0).detach())

    def penalty(self, part: Part) -> Tensor | None:
        """Return the penalty; None during the first `delay` + 1 steps."""
        coefficient = self._coefficient(part)
        if coefficient == 0:
            return None
        inputs, earlier = (self.get_buffer(name) for name in _names(part, self.delay))
        if len(inputs) == 0:
            return None
        return coefficient * churn_loss(earlier, compute_outputs(part, inputs), part.choices)

    def after_step(self, part: Part) -> None:
        """Keep the training batch with what the network answers now."""
        if self._coefficient(part) == 0:
            return
        for age in range(self.delay, 0, -1):
            for name, younger in zip(_names(part, age), _names(part, age - 1), strict=True):
                setattr(self, name, self.get_buffer(younger))
        inputs = part.recall().clone()
        for name, value in zip(
            _names(part, 0), (inputs, compute_outputs(part, inputs)), strict=True
        ):
            setattr(self, name, value)

    def _coefficient(self, part: Part) -> float:
        is_critic = part.name.startswith("critic")
        return self.critic_coefficient if is_critic else self.actor_coefficient

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # Batches differ in size, and there are none before the first steps.
        for name, buffer in self.named_buffers():
            if prefix + name in state_dict:
                setattr(self, name, buffer.new_empty(state_dict[prefix + name].shape))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def churn_loss(earlier: Tensor, present: Tensor, choices: Sequence[int]) -> Tensor:
    """Return how far answers have moved.

    Tang et al. (2025): of policies that choose, the mean over observations of the KL divergence of
    the present from the earlier policy, which is the cross-entropy of the paper's code less a
    constant; of mean actions and values the mean squared difference.

    Args:
        earlier: outputs, of shape (batch, outputs).
        present: outputs later for the same inputs.
        choices: among how many actions each choice is made, where the outputs are logits; several
            choices add up.

    Example:
        >>> churn_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 0.0]]), choices=()).item()
        2.5
        >>> churn_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 3.0]]), choices=(2,)).item()
        0.0
    """
    if not choices:
        return (present - earlier).square().mean()
    pairs = zip(
        earlier.split(list(choices), dim=1), present.split(list(choices), dim=1), strict=True
    )
    divergences = [
        F.kl_div(
            new.log_softmax(dim=1), old.log_softmax(dim=1), reduction="batchmean", log_target=True
        )
        for old, new in pairs
    ]
    return torch.stack(divergences).sum()


def _names(part: Part, age: int) -> tuple[str, str]:
    """Return the names of the buffers with a batch of an age, and the answers to it."""
    return f"{part.name}_inputs_{age}", f"{part.name}_outputs_{age}"
