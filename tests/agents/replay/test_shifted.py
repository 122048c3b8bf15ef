from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from everlearn.agents import SAC, load_checkpoint, save_checkpoint
from everlearn.agents.replay.random_shift import random_shift
from everlearn.agents.replay.shifted import ShiftedReplayBuffer
from everlearn.agents.sac.drq_encoder import DrQEncoder
from everlearn.wrappers.errors import SettingsError

ACTION = spaces.Box(-1, 1, (1,))
IMAGES = spaces.Box(0, 255, (2, 16, 16), np.uint8)


class Screen(gymnasium.Env[Any, Any]):
    """A world of noise."""

    observation_space = IMAGES
    action_space = ACTION

    def reset(self, **settings: Any) -> tuple[Any, dict[str, Any]]:
        super().reset(**settings)
        return self.look(), {}

    def step(self, action: Any) -> Any:
        return self.look(), float(action[0]), False, bool(self.np_random.random() < 0.1), {}

    def look(self) -> np.ndarray:
        return self.np_random.integers(0, 256, IMAGES.shape, dtype=np.uint8)


@pytest.mark.parametrize("pad", [0, 1, 4])
def test_a_shift_is_a_crop_of_the_padded_image(pad: int) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (30, 3, 9, 7), dtype=np.uint8)
    shifts = generator.integers(0, 2 * pad + 1, (30, 2))
    found = random_shift(images, pad, shifts)
    assert found.dtype == np.uint8
    padded = np.pad(images, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="edge")
    for image, shifted, (down, right) in zip(padded, found, shifts, strict=True):
        assert np.array_equal(shifted, image[:, down : down + 9, right : right + 7])
    assert np.array_equal(random_shift(images, pad, shifts * 0 + pad), images)


def test_observations_and_next_ones_move_apart_and_nothing_else_does() -> None:
    buffer = ShiftedReplayBuffer(10, IMAGES, ACTION, "cpu", shift=2)
    world = Screen()
    image, _ = world.reset(seed=0)
    buffer.add(image[None], image[None], np.full((1, 1), 0.5), np.ones(1), np.zeros(1), [{}])
    samples = buffer.sample(200)
    assert samples.observations.dtype == torch.uint8
    distinct = {tuple(flat.tolist()) for flat in samples.observations.flatten(start_dim=1)}
    assert len(distinct) == 25
    together = (samples.observations == samples.next_observations).flatten(start_dim=1).all(dim=1)
    assert 0 < together.sum() < 40
    assert (samples.actions == 0.5).all()
    assert (samples.rewards == 1).all()
    assert np.array_equal(buffer.own.slots[0, 0], image)


@pytest.mark.slow
def test_sac_learns_from_images_and_goes_on_to_the_last_bit(tmp_path: Path) -> None:
    def build() -> SAC:
        return SAC(
            "CnnPolicy",
            Screen(),
            replay_buffer_class=ShiftedReplayBuffer,
            replay_buffer_kwargs={"shift": 2},
            policy_kwargs={
                "net_arch": [8],
                "features_extractor_class": DrQEncoder,
                "features_extractor_kwargs": {"features_dim": 6},
            },
            learning_starts=4,
            batch_size=2,
            buffer_size=50,
            backend="reference",
            diagnostics=False,
            seed=0,
            device="cpu",
        )

    whole = build().learn(10)
    save_checkpoint(whole, tmp_path)
    whole.learn(6, reset_num_timesteps=False)
    again = build()
    load_checkpoint(tmp_path, again)
    again.learn(6, reset_num_timesteps=False)
    assert whole._n_updates == again._n_updates > 8
    for mine, its in zip(whole.policy.parameters(), again.policy.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_what_cannot_be() -> None:
    with pytest.raises(SettingsError, match="shift must be 1 or more, not 0"):
        ShiftedReplayBuffer(10, IMAGES, ACTION, shift=0)
    with pytest.raises(SettingsError, match="images are moved, with channels first"):
        ShiftedReplayBuffer(10, spaces.Box(0, 1, (3,)), ACTION)
    with pytest.raises(SettingsError, match="images of 16 x 16 pixels or more are seen"):
        DrQEncoder(spaces.Box(0, 255, (3, 8, 8), np.uint8))
