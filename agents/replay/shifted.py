"""A replay buffer of images, each of which is moved a little whenever it is sampled."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from ...wrappers.errors import SettingsError
from .around import AroundReplayBuffer
from .random_shift import random_shift


@final
class ShiftedReplayBuffer(AroundReplayBuffer):
    """A replay buffer whose samples are moved at random, observations and next ones apart.

    Kostrikov et al., "Image augmentation is all you need" (DrQ, 2021), with one sample in place of
    their means over several. Ma et al. (2024) find that it keeps critics plastic.

    Args:
        *args: as for `AroundReplayBuffer`.
        shift: the farthest that an image moves, in pixels, at least 1 (DrQ: 4 of 84).
        **kwargs: as for `AroundReplayBuffer`.

    Raises:
        SettingsError: observations that are no images with channels first, or a shift out of its
            range.

    Example:
        >>> from gymnasium import spaces
        >>> space, action = spaces.Box(0, 255, (1, 8, 8), np.uint8), spaces.Box(-1, 1, (1,))
        >>> buffer = ShiftedReplayBuffer(10, space, action, shift=2)
        >>> image = np.zeros((1, 1, 8, 8), np.uint8)
        >>> buffer.add(image, image, np.zeros((1, 1)), np.zeros(1), np.zeros(1), [{}])
        >>> buffer.sample(3).observations.shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(self, *args: Any, shift: int = 4, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if shift < 1:
            raise SettingsError(f"shift must be 1 or more, not {shift}")
        if len(self.obs_shape) != 3:
            space = self.observation_space
            raise SettingsError(f"images are moved, with channels first, not {space}")
        self.shift = shift

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """Draw transitions, and move their images.

        Args:
            batch_size: how many.
            env: worlds that scale observations and rewards, if they do.
        """
        samples = self.own.sample(batch_size, env)
        return samples._replace(
            observations=self._move(samples.observations),
            next_observations=self._move(samples.next_observations),
        )

    def _move(self, images: Tensor) -> Tensor:
        shifts = np.random.randint(0, 2 * self.shift + 1, size=(len(images), 2))
        return self.to_torch(random_shift(images.cpu().numpy(), self.shift, shifts), copy=False)
