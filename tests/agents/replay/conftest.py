from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from everlearn.agents import SAC
from everlearn.envs import make_vec_env


@pytest.fixture(scope="session")
def sac() -> Callable[..., SAC]:
    """Build a tiny SAC in a world that changes every 50 steps, with a buffer of 60."""

    def build(**settings: Any) -> SAC:
        return SAC(
            "MlpPolicy",
            make_vec_env("everlearn/SlipperyAnt-v0:change_every=50", 2, seed=1),
            learning_starts=20,
            batch_size=8,
            buffer_size=60,
            replay_ratio=0.25,
            iteration_steps=20,
            policy_kwargs={"net_arch": [8]},
            device="cpu",
            backend="eager",
            diagnostics=False,
            **{"seed": 1, **settings},
        )

    return build
