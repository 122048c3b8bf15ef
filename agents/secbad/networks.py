"""Encoder and decoder of contexts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.stats import qmc
from torch import Tensor, nn

from .settings import ContextInference

LEAST_DEVIATION = 0.05
"""Least learned deviation of a prediction, in deviations of what is predicted."""

_LEAST_SCALE = 1e-4
_MOST_SCALED = 10.0
_ERROR_WEIGHT = 0.05
_LOG_VARIANCE = (-8.0, 2.0)


class Moments(nn.Module):
    """Mean and variance of all that was seen, number by number.

    Args:
        size: how many numbers.
    """

    mean: Tensor
    square: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("square", torch.zeros(size))
        self.register_buffer("count", torch.zeros(()))

    def add(self, rows: Tensor) -> None:
        """Take note of some more (Chan et al. 1979).

        Args:
            rows: of shape (rows, size).
        """
        count = self.count + len(rows)
        apart = rows.mean(dim=0) - self.mean
        self.square += (rows - rows.mean(dim=0)).square().sum(dim=0)
        self.square += apart.square() * self.count * len(rows) / count
        self.mean += apart * len(rows) / count
        self.count.copy_(count)

    def scale(self, rows: Tensor) -> Tensor:
        """Bring numbers to mean 0 and variance 1; those that never changed stay small.

        Args:
            rows: of shape (..., size).
        """
        deviation = (self.square / self.count.clamp(min=1)).sqrt().clamp(min=_LEAST_SCALE)
        return ((rows - self.mean) / deviation).clamp(-_MOST_SCALED, _MOST_SCALED)


class ContextNetworks(nn.Module):
    """What is learned of contexts: q(context | some steps) and p(reward, next state | context).

    The encoder is SeCBAD's recurrent one (VariBAD's; Zintgraf et al. 2020), but for its input: it
    sees a step whole (observation, action, change, reward), so that it can begin anywhere; theirs
    sees action, next observation and reward. Before any step its posterior is N(0, 1) itself.
    The decoder has one hidden layer, which reward and state share.

    Args:
        n_observed: numbers in an observation.
        n_acted: numbers in an action.
        settings: sizes.
        seed: of the initial weights and of the sampled contexts; torch's own generator stays as it
            is.
    """

    hazard: Tensor
    points: Tensor
    square_errors: Tensor

    def __init__(
        self, n_observed: int, n_acted: int, settings: ContextInference, seed: int
    ) -> None:
        super().__init__()
        self.settings = settings
        self.n_observed, self.n_acted = n_observed, n_acted
        self.n_step = 2 * n_observed + n_acted + 1
        n_predicted = {"both": n_observed + 1, "state": n_observed, "reward": 1}[settings.predict]
        latent, hidden = settings.latent_size, settings.hidden_size
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.encoder = nn.GRU(self.n_step, hidden)
            self.posterior = nn.Linear(hidden, 2 * latent)
            self.of_latent = nn.Linear(latent, settings.decoder_size, bias=False)
            self.of_step = nn.Linear(n_observed + n_acted, settings.decoder_size)
            self.prediction = nn.Linear(settings.decoder_size, n_predicted)
        self.register_buffer("square_errors", torch.ones(n_predicted))
        self.observed = Moments(n_observed)
        self.changes = Moments(n_observed)
        self.rewards = Moments(1)
        self.register_buffer("hazard", settings.hazard.float())
        # The same points for all ages and steps: differences of likelihoods are not their noise.
        engine = qmc.Halton(latent, rng=seed)
        draws = qmc.MultivariateNormalQMC(np.zeros(latent), engine=engine)
        self.register_buffer("points", torch.from_numpy(draws.random(settings.n_samples)).float())

    def add(self, steps: Tensor) -> None:
        """Take note of steps' scales.

        Args:
            steps: as they are, of shape (steps, n_step).
        """
        observed, _, changes, rewards = self._split(steps)
        self.observed.add(observed)
        self.changes.add(changes)
        self.rewards.add(rewards)

    def scale(self, steps: Tensor) -> Tensor:
        """Bring steps to common scales.

        Args:
            steps: observation, action, change of the observation and reward, side by side, of
                shape (..., n_step).
        """
        observed, actions, changes, rewards = self._split(steps)
        scaled = self.observed.scale(observed), actions
        return torch.cat([*scaled, self.changes.scale(changes), self.rewards.scale(rewards)], -1)

    def advance(self, hidden: Tensor, steps: Tensor) -> Tensor:
        """Let encoders that began at different times see one more step: a GRU's equations.

        Args:
            hidden: of shape (copies, ages, hidden).
            steps: scaled, the same for all ages, of shape (copies, n_step).

        Returns:
            Of the shape of `hidden`.
        """
        one: Any = self.encoder
        seen = nn.functional.linear(steps, one.weight_ih_l0, one.bias_ih_l0).unsqueeze(1)
        kept = nn.functional.linear(hidden, one.weight_hh_l0, one.bias_hh_l0)
        reset_seen, update_seen, new_seen = seen.chunk(3, dim=-1)
        reset_kept, update_kept, new_kept = kept.chunk(3, dim=-1)
        reset = torch.sigmoid(reset_seen + reset_kept)
        update = torch.sigmoid(update_seen + update_kept)
        new = torch.tanh(new_seen + reset * new_kept)
        return new + update * (hidden - new)

    def read(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return posteriors of the context.

        Args:
            hidden: encoders that saw a step at least, of shape (..., hidden).

        Returns:
            Means and logarithms of variances, of shape (..., latent).
        """
        mean, log_variance = self.posterior(hidden).chunk(2, dim=-1)
        return mean, log_variance.clamp(*_LOG_VARIANCE)

    def decode(self, latents: Tensor, steps: Tensor) -> Tensor:
        """Predict changes of the observation and rewards, scaled.

        Args:
            latents: contexts, of shape (..., latent).
            steps: scaled, of shape (..., n_step), to be broadcast against `latents`; only
                observation and action are looked at.

        Returns:
            Of shape (..., predictions).
        """
        hidden = self.of_latent(latents) + self.of_step(
            steps[..., : self.n_observed + self.n_acted]
        )
        return self.prediction(torch.relu(hidden))

    def target(self, steps: Tensor) -> Tensor:
        """Return what is to be predicted of steps.

        Args:
            steps: scaled, of shape (..., n_step).
        """
        first = self.n_observed + self.n_acted
        last = self.n_step - 1 if self.settings.predict == "state" else self.n_step
        return steps[..., self.n_step - 1 if self.settings.predict == "reward" else first : last]

    def log_deviations(self) -> Tensor:
        """Return the logarithms of the predictions' deviations, of shape (predictions,).

        Learned ones are the root mean squares of late errors, the optimum of Rybkin et al., "Simple
        and effective VAE training with calibrated decoders" (2021).
        """
        if self.settings.noise == "unit":
            return torch.zeros_like(self.square_errors)
        return 0.5 * self.square_errors.clamp(min=LEAST_DEVIATION**2).log()

    def note_errors(self, squares: Tensor) -> None:
        """Let errors of an update enter the learned deviations.

        Args:
            squares: mean squares, of shape (predictions,).
        """
        self.square_errors.lerp_(squares, _ERROR_WEIGHT)

    def _split(self, steps: Tensor) -> tuple[Tensor, ...]:
        return steps.split([self.n_observed, self.n_acted, self.n_observed, 1], dim=-1)
