"""How encoder and decoder learn."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from .losses import Losses, chain_divergence, log_likelihood, mean_over
from .memory import StepMemory
from .networks import ContextNetworks


def variational_losses(
    networks: ContextNetworks,
    steps: Tensor,
    valid: Tensor,
    times: Tensor,
    targets: Tensor,
    noise: Tensor,
) -> Losses:
    """Return what posteriors of some segments cost.

    Each chosen moment's posterior is to explain chosen steps of its own segment, past and future
    (Chen et al. 2022, Section 4.2, which is VariBAD's bound within a segment). All predictions have
    deviation 1 here, as in the released code: with learned ones those that need no context would
    weigh hundreds of times as much as those that do, and no context would be learned.

    Args:
        networks: encoder and decoder.
        steps: scaled, of shape (length, segments, n_step).
        valid: which steps there are, a beginning of each segment, of shape (length, segments).
        times: moments, of shape (times, segments).
        targets: the steps that each is to explain, of shape (times, targets, segments).
        noise: standard normal, of shape (times, segments, latent).
    """
    means, log_variances = networks.read(networks.encoder(steps)[0])
    segments = torch.arange(steps.shape[1])
    mean, log_variance = means[times, segments], log_variances[times, segments]
    latents = mean + torch.exp(0.5 * log_variance) * noise
    seen = steps[targets, segments]
    predictions = networks.decode(latents.unsqueeze(1), seen)
    expected = networks.target(seen)
    explained = log_likelihood(predictions, expected, torch.zeros_like(networks.square_errors))
    return Losses(
        -explained.sum(dim=1).mean(),
        mean_over(chain_divergence(means, log_variances), valid),
        (expected - predictions).detach().square().flatten(end_dim=-2).mean(dim=0),
    )


@final
class ContextLearner:
    """Trains a context's networks on what was lived lately.

    Args:
        networks: encoder and decoder.
        n_copies: copies of the world.
        seed: of all that is drawn.
    """

    def __init__(self, networks: ContextNetworks, n_copies: int, seed: int) -> None:
        settings = networks.settings
        self.networks = networks
        self._generator = np.random.default_rng([seed, 1])
        self._memory = StepMemory(
            max(settings.memory_steps // n_copies, 1), n_copies, networks.n_step
        )
        self._optimizer = torch.optim.Adam(networks.parameters(), lr=settings.learning_rate)
        self._n_copies = n_copies
        self._since = 0
        self._n_updates = 0
        self._sums: dict[str, float] = defaultdict(float)

    def add(self, steps: np.ndarray, first: np.ndarray) -> None:
        """Remember a step of every copy, and learn when it is time to.

        Args:
            steps: as they are, of shape (copies, n_step).
            first: whether each is known to begin a segment, of shape (copies,).
        """
        settings = self.networks.settings
        if not settings.learns:
            return
        self._memory.add(steps, first)
        self._since += self._n_copies
        if self._since >= settings.train_every:
            self._since = 0
            for _ in range(settings.updates):
                self._update()

    def read_log(self) -> dict[str, float]:
        """Return the means of what was measured since this was last called, by tag."""
        sums = dict(self._sums)
        self._sums.clear()
        count = sums.pop("count", 0.0)
        means = {f"context/{name}": total / count for name, total in sums.items()}
        if count:
            deviations = self.networks.log_deviations().exp()
            means["context/deviation"] = deviations.mean().item()
        return means

    def get_state(self) -> dict[str, Any]:
        """Return all that decides how it goes on, but the networks, as plain data."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "memory": self._memory.get_state(),
            "generator": self._generator.bit_generator.state,
            "since": self._since,
            "n_updates": self._n_updates,
            "sums": dict(self._sums),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned.

        Args:
            state: of a learner of the same settings.
        """
        # Torch would go on in the very tensors that it is given.
        self._optimizer.load_state_dict(deepcopy(state["optimizer"]))
        self._memory.set_state(state["memory"])
        self._generator.bit_generator.state = state["generator"]
        self._since = int(state["since"])
        self._n_updates = int(state["n_updates"])
        self._sums = defaultdict(float, state["sums"])

    def _update(self) -> None:
        settings, generator = self.networks.settings, self._generator
        steps, valid = self._memory.draw(
            generator, settings.batch_size, settings.stretch, settings.uses_labels
        )
        lengths = valid.sum(dim=0).numpy()
        # Behind the longest there is nothing to be learned.
        steps, valid = steps[: lengths.max()], valid[: lengths.max()]

        def moments(*shape: int) -> Tensor:
            drawn = generator.random((*shape, settings.batch_size)) * lengths
            return torch.from_numpy(drawn.astype(np.int64))

        shape = (settings.n_times, settings.batch_size, settings.latent_size)
        noise = torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))
        times, targets = moments(shape[0]), moments(shape[0], settings.n_targets)
        with torch.enable_grad():
            losses = variational_losses(
                self.networks, self.networks.scale(steps), valid, times, targets, noise
            )
            loss = losses.reconstruction + settings.kl_weight * losses.divergence
            self._optimizer.zero_grad()
            loss.backward()
        if settings.anneal_updates is not None:
            rate = settings.learning_rate / (1 + self._n_updates / settings.anneal_updates)
            self._optimizer.param_groups[0]["lr"] = rate
        self._n_updates += 1
        torch.nn.utils.clip_grad_norm_(self.networks.parameters(), 10.0)
        self._optimizer.step()
        self.networks.note_errors(losses.square_errors)
        self._sums["count"] += 1
        self._sums["loss"] += loss.item()
        self._sums["reconstruction"] += losses.reconstruction.item()
        self._sums["divergence"] += losses.divergence.item()
