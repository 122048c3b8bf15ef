"""The convolutional encoder of DrQ-v2."""

from __future__ import annotations

from typing import final

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from ...wrappers.errors import SettingsError

_CHANNELS = 32
_STRIDES = (2, 1, 1, 1)


@final
class DrQEncoder(BaseFeaturesExtractor):
    """Four convolutions and a trunk, for `policy_kwargs={"features_extractor_class": DrQEncoder}`.

    Yarats et al., "Mastering visual continuous control" (DrQ-v2, 2022), published code: 32 channels
    of 3 x 3 with ReLU, of which the first moves by 2 pixels; then a linear map, a layer norm and
    tanh. In stable-baselines3's SAC the actor has an encoder of its own, where theirs has the
    critics', and weights begin by torch's law, where theirs are orthogonal.

    Args:
        observation_space: images with channels first, at least 16 pixels wide and high.
        features_dim: outputs (DrQ-v2: 50).

    Raises:
        SettingsError: for other observations.

    Example:
        >>> import numpy as np
        >>> encoder = DrQEncoder(spaces.Box(0, 255, (9, 84, 84), np.uint8))
        >>> encoder.convolutions(torch.zeros(1, 9, 84, 84)).shape
        torch.Size([1, 39200])
        >>> encoder(torch.zeros(1, 9, 84, 84)).shape
        torch.Size([1, 50])
    """

    def __init__(self, observation_space: spaces.Box, features_dim: int = 50) -> None:
        shape = observation_space.shape
        if len(shape) != 3 or min(shape[1:]) < 16:
            raise SettingsError(
                f"images of 16 x 16 pixels or more are seen, with channels first, not "
                f"{observation_space}"
            )
        super().__init__(observation_space, features_dim)
        layers: list[nn.Module] = []
        for index, stride in enumerate(_STRIDES):
            inputs = _CHANNELS if index else shape[0]
            layers += [nn.Conv2d(inputs, _CHANNELS, 3, stride), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        with torch.no_grad():
            width = self.convolutions(torch.zeros(1, *shape)).shape[1]
        self.trunk = nn.Sequential(
            nn.Linear(width, features_dim), nn.LayerNorm(features_dim), nn.Tanh()
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Return features, of shape (batch, features_dim).

        Args:
            observations: from 0 to 1, of shape (batch, channels, height, width).
        """
        # As in the published code.
        return self.trunk(self.convolutions(observations - 0.5))
