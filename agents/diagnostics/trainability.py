"""How fast a copy of a network learns something new."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..supervised import SupervisedLearner, squared_error


@torch.no_grad()
def trainability(
    network: nn.Sequential,
    inputs: Tensor,
    generator: torch.Generator,
    steps: int = 100,
    learning_rate: float = 1e-3,
) -> float:
    """Return how much of random targets a copy of a network learns within some steps of Adam.

    After Lyle et al., "Understanding plasticity in neural networks" (2023), whose measure is the
    targets' variance less the loss after a fixed budget of optimization. Here a target is what the
    network puts out already plus a standard normal number for each input and output, so that the
    task is as hard for large outputs as for small ones. The network itself stays as it is.

    Args:
        network: from the inputs to a linear output.
        inputs: of shape (batch, inputs).
        generator: where the targets come from.
        steps: gradient steps, each with the whole batch.
        learning_rate: Adam's.

    Returns:
        1 less the mean squared error after the last step: 0 if nothing was learnt, 1 at most.

    Example:
        >>> network = nn.Sequential(nn.Linear(3, 256), nn.ReLU(), nn.Linear(256, 1))
        >>> inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
        >>> trainability(network, inputs, torch.Generator().manual_seed(1), steps=500) > 0.9
        True
        >>> abs(trainability(network, inputs, torch.Generator().manual_seed(1), steps=0)) < 1e-6
        True
    """
    copied = copy.deepcopy(network)
    before = copied(inputs)
    noise = torch.randn(before.shape, generator=generator).to(before)
    # In one batch of finite size the noise's mean square is not quite 1.
    targets = before + noise / noise.square().mean().sqrt()
    learner = SupervisedLearner(copied, learning_rate=learning_rate, loss=squared_error)
    for _ in range(steps):
        learner.step(inputs, targets)
    return 1 - squared_error(copied(inputs), targets)[0].item()
