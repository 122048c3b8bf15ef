"""A model of the world: what follows an action, what it pays, and which action it was."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from .flat_networks import FlatNetworks, Networks, answer
from .scales import ForgettingScale
from .transitions import Rows


class Errors(NamedTuple):
    """How far a model is off, for each step.

    Attributes:
        dynamics: squared norm of the forward model's error, of shape (batch,).
        reward: squared error of the reward model, of shape (batch,).
    """

    dynamics: Tensor
    reward: Tensor


@final
class DynamicsModel(nn.Module):
    """Forward, inverse and reward model (Pathak et al. 2017, ICM; Steinparz et al. 2022).

    With `n_features` the forward model f predicts features: e = f(p(s), a) - p(s'), where the
    encoder p learns to make the action predictable from p(s) and p(s') by the inverse model g. The
    loss is w |e|^2 / 2 + (1 - w) (g's loss) + (reward model's squared error), without a gradient
    through p(s'). Without features, f predicts how the observation changes, and there is no g.

    Observations, their changes and rewards are scaled by means and deviations that forget: neither
    authors scale, which for pixels is not needed.

    Args:
        observed: numbers in an observation.
        acted: the space of actions.
        n_actions: numbers in an encoded action.
        n_features: numbers in the features, or 0 to predict observations.
        hidden: units of each hidden layer.
        forward_weight: w.
        learning_rate: Adam's.
        horizon: steps after which the scales have forgotten most.
        generator: draws the weights.
    """

    def __init__(
        self,
        observed: int,
        acted: spaces.Space[Any],
        n_actions: int,
        n_features: int,
        hidden: int,
        forward_weight: float,
        learning_rate: float,
        horizon: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self._discrete = isinstance(acted, spaces.Discrete)
        self._learned = n_features > 0
        self._weight = forward_weight if self._learned else 1.0
        self.n_outputs = n_features or observed
        widths: dict[str, tuple[int, ...]] = {
            "forward": (self.n_outputs + n_actions, hidden, hidden, self.n_outputs),
            "reward": (observed + n_actions, hidden, hidden, 1),
        }
        if self._learned:
            widths["encoder"] = (observed, hidden, n_features)
            widths["inverse"] = (2 * n_features, hidden, n_actions)
        self.networks = FlatNetworks(widths, learning_rate, generator)
        self.observations = ForgettingScale(observed, horizon)
        self.changes = ForgettingScale(observed, horizon)
        self.rewards = ForgettingScale(1, horizon)

    def rescale(self, rows: Rows) -> None:
        """Let the scales take in some steps."""
        self.observations.update(rows.observations)
        self.changes.update(rows.next_observations - rows.observations)
        self.rewards.update(rows.rewards)

    @torch.no_grad()
    def errors(self, rows: Rows) -> Errors:
        """Return how far the model is off at some steps."""
        networks = self.networks.split(self.networks.values)
        before, after = self._features(networks, rows)
        dynamics = self._predict(networks, before, rows) - after
        return Errors(dynamics.square().sum(dim=1), self._reward_error(networks, rows))

    def loss(self, networks: Networks, rows: Rows) -> Tensor:
        """Return what is to be minimised.

        Args:
            networks: all of them.
            rows: the steps.
        """
        before, after = self._features(networks, rows)
        error = self._predict(networks, before, rows) - after.detach()
        loss = self._weight * error.square().sum(dim=1).mean() / 2
        loss = loss + self._reward_error(networks, rows).mean()
        if not self._learned:
            return loss
        guesses = answer(networks["inverse"], torch.cat([before, after], dim=1))
        if self._discrete:
            inverse = functional.cross_entropy(guesses, rows.actions)
        else:
            inverse = functional.mse_loss(guesses, rows.actions)
        return loss + (1 - self._weight) * inverse

    def learn(self, rows: Rows) -> None:
        """Make a gradient step."""
        self.networks.learn(lambda networks: self.loss(networks, rows))

    def _features(self, networks: Networks, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return what the forward model reads, and what it is to predict."""
        before = self.observations(rows.observations)
        if not self._learned:
            return before, self.changes(rows.next_observations - rows.observations)
        both = torch.cat([before, self.observations(rows.next_observations)])
        features = answer(networks["encoder"], both)
        first, second = features.split(len(before))
        return first, second

    def _predict(self, networks: Networks, features: Tensor, rows: Rows) -> Tensor:
        inputs = torch.cat([features, rows.actions], dim=1)
        return answer(networks["forward"], inputs)

    def _reward_error(self, networks: Networks, rows: Rows) -> Tensor:
        inputs = torch.cat([self.observations(rows.observations), rows.actions], dim=1)
        guess = answer(networks["reward"], inputs)
        return (guess - self.rewards(rows.rewards)).square().squeeze(1)
