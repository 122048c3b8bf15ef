"""Loaded, an agent learns on to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from everlearn.agents import PPO, SAC, ContinualBackprop, load_checkpoint, save_checkpoint
from everlearn.envs import make_vec_env
from everlearn.envs.stream import Stream
from everlearn.wrappers.change import Change
from everlearn.wrappers.schedules import Periodic
from everlearn.wrappers.values import LogUniform

STEPS, HALF = 192, 96
Build = Callable[[], Any]


class Saves(BaseCallback):
    """Saves at the beginning of the rollouts at some steps."""

    def __init__(self, path: Path, steps: tuple[int, ...] = (HALF,)) -> None:
        super().__init__()
        self.path = path
        self.steps = steps
        self.sizes: list[int] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps in self.steps:
            self.sizes.append(save_checkpoint(self.model, self.path, {"steps": self.num_timesteps}))


def worlds(kind: str) -> Any:
    if kind == "sb3":
        return DummyVecEnv([lambda: gymnasium.make("Pendulum-v1", max_episode_steps=20)] * 2)
    if kind == "normalized":
        return VecNormalize(worlds("gymnasium"))
    # Changes at 92, which is just before the checkpoint, and often after it.
    world = "InvertedPendulum-v5"
    stream = Stream(
        name="changing",
        worlds=(world,),
        changes=(
            Change("gravity-scale", LogUniform(0.5, 2.0), Periodic(46)),
            Change("reward-scale", LogUniform(0.5, 2.0), Periodic(30)),
        ),
    )
    return make_vec_env(stream, n_envs=2, seed=3, backend=kind)  # type: ignore[arg-type]


def ppo(kind: str, cls: Any = PPO, **settings: Any) -> Any:
    return cls(
        "MlpPolicy",
        worlds(kind),
        n_steps=16,
        batch_size=16,
        n_epochs=2,
        policy_kwargs={"net_arch": [8, 8]},
        seed=1,
        device="cpu",
        **settings,
    )


def sac(kind: str, cls: Any = SAC, **settings: Any) -> Any:
    return cls(
        "MlpPolicy",
        worlds(kind),
        learning_starts=24,
        batch_size=8,
        buffer_size=settings.pop("buffer_size", 120),
        policy_kwargs={"net_arch": [8, 8]},
        seed=1,
        device="cpu",
        **settings,
    )


def methods() -> list[Any]:
    return [ContinualBackprop(replacement_rate=0.05, maturity=3)]


AGENTS: dict[str, Callable[[str], Any]] = {
    "ppo": lambda kind: ppo(kind, backend="reference"),
    "ppo-eager": lambda kind: ppo(kind, backend="eager"),
    "ppo-method": lambda kind: ppo(kind, backend="eager", methods=methods()),
    "ppo-method-reference": lambda kind: ppo(kind, backend="reference", methods=methods()),
    "sac": lambda kind: sac(kind, backend="reference", iteration_steps=32, replay_ratio=0.3),
    "sac-method": lambda kind: sac(
        kind, backend="reference", iteration_steps=32, methods=methods(), buffer_size=40
    ),
    "sb3-ppo": lambda kind: ppo(kind, stable_baselines3.PPO),
    "sb3-sac": lambda kind: sac(kind, stable_baselines3.SAC),
}


def numbers(agent: Any) -> dict[str, np.ndarray]:
    """Return all parameters, and what the optimizers know."""
    found = {name: tensor.numpy().copy() for name, tensor in agent.policy.state_dict().items()}
    for name in ("policy.optimizer", "actor.optimizer", "critic.optimizer"):
        owner: Any = agent
        for part in name.split("."):
            owner = getattr(owner, part, None)
        if owner is not None:
            for index, state in owner.state_dict()["state"].items():
                found |= {f"{name}.{index}.{k}": np.asarray(v) for k, v in state.items()}
    found["last"] = agent._last_obs
    found["episodes"] = np.array([episode["r"] for episode in agent.ep_info_buffer])
    found["noise"] = np.concatenate([torch.rand(3).numpy(), np.random.rand(3)])
    return {name: np.array(value) for name, value in found.items()}


def compare(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)


def learn_on(build: Build, path: Path) -> dict[str, np.ndarray]:
    agent = build()
    assert load_checkpoint(path, agent) == {"steps": agent.num_timesteps}
    agent.learn(STEPS - agent.num_timesteps, reset_num_timesteps=False)
    agent.env.close()
    return numbers(agent)


@pytest.mark.parametrize("kind", ["native", "gymnasium", "envpool", "sb3", "normalized"])
@pytest.mark.parametrize("agent", AGENTS)
def test_learning_goes_on_to_the_last_bit(agent: str, kind: str, tmp_path: Path) -> None:
    if kind in ("sb3", "normalized") and "method" in agent:
        pytest.skip("the other worlds tell")

    def build() -> Any:
        return AGENTS[agent](kind)

    whole = build()
    whole.learn(STEPS, Saves(tmp_path, steps=(32, HALF)))
    whole.env.close()
    expected = numbers(whole)
    torch.rand(100)
    compare(learn_on(build, tmp_path), expected)
