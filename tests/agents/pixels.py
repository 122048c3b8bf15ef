"""SAC that learns from pixels, at the smallest budget: a test kit, and a script.

As a script it trains for some seeds, and adds a row for each to a record:
`pixels.py runs/records/pixels.jsonl 6000 0`, with a gradient step for each decision.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecFrameStack
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from everlearn.agents import SAC
from everlearn.agents.replay.shifted import ShiftedReplayBuffer
from everlearn.agents.sac.drq_encoder import DrQEncoder
from everlearn.envs import Stream, make_vec_env

RACING = Stream("everlearn/Racing-v0", ("CarRacing-v3",))
EVERY = 4
"""Pixels of which one is seen, each way: 24 of 96."""
REPEATS = 4
"""Steps for which an action is held."""


class SmallFrames(VecEnvWrapper):
    """Grey images with channels first, of every fourth pixel; actions are held for four steps."""

    def __init__(self, venv: VecEnv) -> None:
        height, width, _ = venv.observation_space.shape or (0, 0, 0)
        shape = (1, -(-height // EVERY), -(-width // EVERY))
        super().__init__(venv, spaces.Box(0, 255, shape, np.uint8))

    def reset(self) -> Any:
        return self._shrink(np.asarray(self.venv.reset()))

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        rewards, dones = np.zeros(self.num_envs, np.float32), np.zeros(self.num_envs, np.bool_)
        for _ in range(REPEATS):
            images, paid, dones, infos = self.venv.step(self._actions)
            rewards += paid
            if dones.any():
                break
        for info in infos:
            if "terminal_observation" in info:
                info["terminal_observation"] = self._shrink(info["terminal_observation"][None])[0]
        return self._shrink(np.asarray(images)), rewards, dones, infos

    def _shrink(self, images: np.ndarray) -> np.ndarray:
        seen = images[:, ::EVERY, ::EVERY].astype(np.float32).mean(axis=3)
        return seen.astype(np.uint8)[:, None]


def racing(seed: int, **settings: Any) -> VecEnv:
    """Return one copy of CarRacing, of which three small frames are seen."""
    worlds = make_vec_env(RACING, 1, seed=seed, backend="envpool", **settings)
    return VecFrameStack(SmallFrames(worlds), 3, channels_order="first")


def driver(env: VecEnv, seed: int, **own: Any) -> SAC:
    """Return SAC with DrQ-v2's encoder and randomly shifted images."""
    settings: dict[str, Any] = {
        "learning_rate": 1e-3,
        "batch_size": 32,
        "learning_starts": 300,
        "buffer_size": 10_000,
        "replay_buffer_kwargs": {"shift": 2},
        "policy_kwargs": {"net_arch": [64], "features_extractor_class": DrQEncoder},
        **own,
    }
    return SAC(
        "CnnPolicy",
        env,
        replay_buffer_class=ShiftedReplayBuffer,
        diagnostics=False,
        seed=seed,
        device="cpu",
        **settings,
    )


class Dot(gymnasium.Env[Any, Any]):
    """A bright dot somewhere in a dark image; the action is to say where, and that is all."""

    observation_space = spaces.Box(0, 255, (1, 16, 16), np.uint8)
    action_space = spaces.Box(-1, 1, (1,))

    def reset(self, **settings: Any) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(**settings)
        row, self.column = self.np_random.integers(2, 14, size=2)
        image = np.zeros(self.observation_space.shape or (), np.uint8)
        image[0, row - 1 : row + 2, self.column - 1 : self.column + 2] = 255
        return image, {}

    @property
    def place(self) -> float:
        """From -1, left, to 1, right."""
        return (self.column - 7.5) / 5.5

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        reward = -abs(float(action[0]) - self.place)
        image, _ = self.reset()
        return image, reward, True, False, {}


def find_dots(seed: int, steps: int = 1500) -> float:
    """Train where the dot is to be found, and return how far off the agent is then, on average."""
    agent = driver(Dot(), seed, replay_ratio=1.0, replay_buffer_kwargs={"shift": 1})  # type: ignore[arg-type]
    agent.learn(steps)
    world, misses = Dot(), []
    for index in range(200):
        image, _ = world.reset(seed=1000 + index)
        action, _ = agent.predict(image, deterministic=True)
        misses.append(abs(float(action[0]) - world.place))
    return float(np.mean(misses))


def drive(agent: SAC | None, seed: int, episodes: int = 4) -> list[float]:
    """Return the returns of episodes, always the same ones; by random actions without an agent."""
    env = racing(seed, training=False)
    env.action_space.seed(seed)
    returns: list[float] = []
    observed, total = env.reset(), 0.0
    while len(returns) < episodes:
        if agent is None:
            actions = env.action_space.sample()[None]
        else:
            actions, _ = agent.predict(observed, deterministic=True)  # type: ignore[arg-type]
        observed, rewards, dones, _ = env.step(actions)
        total += float(rewards[0])
        if dones[0]:
            returns.append(round(total, 1))
            total = 0.0
    env.close()
    return returns


def learn_to_drive(seed: int, decisions: int) -> dict[str, Any]:
    """Train, and return what random actions and the agent earn in the same worlds."""
    env = racing(seed)
    agent = driver(env, seed, replay_ratio=1.0).learn(decisions)
    env.close()
    found = {"random": drive(None, seed + 100), "learned": drive(agent, seed + 100)}
    return {"decisions": decisions, "updates": agent._n_updates, **found}


def main(record: str, decisions: str, *seeds: str) -> None:
    """Train for some seeds, and add a row for each to a record."""
    torch.set_num_threads(1)
    for seed in map(int, seeds):
        began = time.process_time()
        row: dict[str, Any] = {"experiment": "driving by pixels", "seed": seed}
        row |= learn_to_drive(seed, int(decisions))
        row["cpu_seconds"] = round(time.process_time() - began, 1)
        with Path(record).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
