"""Makes gymnasium know the catalogue, and the small worlds that some of its streams stand on."""

from __future__ import annotations

import gymnasium

from .catalogue import CATALOGUE

WORLDS = {
    "everlearn/EndlessCartPole-v0": ("everlearn.envs.cartpoles:EndlessCartPole", 10_000),
    "everlearn/TiltedCartPole-v0": ("everlearn.envs.cartpoles:TiltedCartPole", 1_000),
    "everlearn/TwoArmedBandit-v0": ("everlearn.envs.switching:TwoArmedBandit", 1_000),
    "everlearn/TwoStateChain-v0": ("everlearn.envs.switching:TwoStateChain", 1_000),
}
"""Our own worlds, without any change: where each is, and after how many steps it is truncated."""


def register_catalogue() -> None:
    """Register every world and stream that gymnasium does not know yet."""
    for name, (entry_point, max_episode_steps) in WORLDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(
                id=name, entry_point=entry_point, max_episode_steps=max_episode_steps
            )
    for name in CATALOGUE:
        if name not in gymnasium.registry:
            gymnasium.register(
                id=name,
                entry_point="everlearn.envs.make:make_env",
                vector_entry_point="everlearn.envs.make:make_vector_env",
                kwargs={"stream": name},
            )
