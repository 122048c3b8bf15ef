"""The losses of learning one set after another, as pure functions of explicit tensors."""

from __future__ import annotations

from torch import Tensor


def smoothed_actions(actions: Tensor, noise: Tensor, clip: float) -> Tensor:
    """Return actions with clipped noise, from -1 to 1.

    Fujimoto et al., "Addressing function approximation error in actor-critic methods" (TD3, 2018),
    equation 14.

    Args:
        actions: from -1 to 1.
        noise: of the same shape.
        clip: the largest change.

    Example:
        >>> import torch
        >>> smoothed_actions(torch.tensor([0.0, 0.9]), torch.tensor([-3.0, 3.0]), 0.5)
        tensor([-0.5000,  1.0000])
    """
    return (actions + noise.clamp(-clip, clip)).clamp(-1, 1)


def cautious_loss(values: Tensor, actions: Tensor, taken: Tensor, weight: float) -> Tensor:
    """Return the actor's loss of TD3+BC: values, by their size, against imitation.

    Fujimoto and Gu, "A minimalist approach to offline reinforcement learning" (2021), equations 3
    and 5.

    Args:
        values: of the actor's actions, of shape (batch,).
        actions: the actor's, of shape (batch, dimensions).
        taken: those of the data, of the same shape.
        weight: alpha of the paper.

    Example:
        >>> import torch
        >>> one = torch.ones(1, 1)
        >>> cautious_loss(torch.tensor([4.0]), one, one / 2, 2.5)
        tensor(-2.2500)
    """
    scale = weight / values.detach().abs().mean().clamp(min=1e-8)
    return -(scale * values).mean() + cloning_loss(actions, taken)


def cloning_loss(actions: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared distance of actions from others.

    Args:
        actions: of shape (batch, dimensions).
        targets: of the same shape; no gradient goes through them.

    Example:
        >>> import torch
        >>> cloning_loss(torch.ones(2, 1), torch.zeros(2, 1))
        tensor(1.)
    """
    return (actions - targets.detach()).square().mean()
