"""Worlds whose episodes are parts of trials, each in one context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from ...wrappers.errors import SettingsError
from ...wrappers.info import TRIAL
from ..experience import count_actions, count_inputs, encode_actions
from .level_replay import LevelReplay, LevelSampling

_WHO = "a trial"

_LONGEST_ROLLOUT = 65_536
"""Steps of each copy after which an agent is known to tell no advantages."""


@final
class Trials(VecEnvWrapper):
    """Several episodes in one context are one trial, which the agent takes for an episode.

    RL² (Duan et al., "RL²: fast reinforcement learning via slow reinforcement learning", 2016; Wang
    et al., "Learning to reinforcement learn", 2016): the agent observes, beside the world, its last
    action and reward and whether an episode has just begun anew. Its memory is kept from one
    episode of a trial to the next, and what it maximises is the return of the trial: `dones` are
    the ends of trials, which are never bootstrapped from. `info["episode"]` still tells of each
    episode, and at a trial's end `info["trial"]` of all of its episodes.

    The context of a trial is one of `levels`, drawn by prioritized level replay (Jiang et al.,
    2021). This package's PPO and RecurrentPPO tell it the advantages that levels are scored by;
    with other agents levels can only be drawn uniformly. Of a level that was lived in several times
    in a rollout the last score counts.

    Args:
        venv: the copies of the world, with flat observations, which tell of episodes' returns, as
            `make_vec_env` of everlearn and of stable-baselines3 make them; of a stream, if there
            are levels.
        episodes: of a trial, 1 or more.
        levels: contexts, each with a value for every knob of the stream. From now on nothing else
            changes the worlds. None: contexts are as the worlds have them.
        sampling: how levels are drawn.
        told: whether the agent is told action, reward and beginnings.
        seed: of what is drawn, 0 or more.

    Raises:
        SettingsError: a value out of range, observations or actions that it can't take in, or
            worlds whose contexts can't be chosen; at the end of an episode, worlds that do not tell
            of it; after 65,536 steps without a score, an agent that tells none.

    Example:
        >>> from everlearn.agents.recurrent_ppo import RecurrentPPO
        >>> from everlearn.envs import make_vec_env
        >>> worlds = make_vec_env("everlearn/CartPoleForceSign-v0", n_envs=2, seed=0)
        >>> levels = [{"cartpole-force": force} for force in (-12.0, -8.0, 8.0, 12.0)]
        >>> worlds = Trials(worlds, episodes=3, levels=levels, seed=0)
        >>> worlds.observation_space.shape  # 4 of CartPole, 2 actions, reward, beginning
        (8,)
        >>> agent = RecurrentPPO("MlpLstmPolicy", worlds, n_steps=32, device="cpu").learn(64)
    """

    def __init__(
        self,
        venv: VecEnv,
        episodes: int = 3,
        levels: Sequence[Mapping[str, float]] | None = None,
        sampling: LevelSampling | None = None,
        told: bool = True,
        seed: int = 0,
    ) -> None:
        if episodes < 1:
            raise SettingsError(f"{_WHO} has 1 or more episodes, not {episodes}")
        if seed < 0:
            raise SettingsError(f"the seed of trials must be 0 or more, not {seed}")
        observed: Any = venv.observation_space
        count_inputs(observed, _WHO)
        self.episodes, self.told = episodes, told
        self._n_told = count_actions(venv.action_space, _WHO) + 2 if told else 0
        super().__init__(venv, _widened(observed, self._n_told))
        self.replay: LevelReplay | None = None
        if levels is not None:
            self._take_over(levels, LevelSampling() if sampling is None else sampling)
        self._generator = np.random.default_rng([seed, 0x714A15])
        self._level = np.zeros(self.num_envs, dtype=np.int64)
        self._played = np.zeros(self.num_envs, dtype=np.int64)
        self._results: list[list[dict[str, Any]]] = [[] for _ in range(self.num_envs)]
        self._lived: list[tuple[np.ndarray, np.ndarray]] = []
        self._anew = False

    def twin(self, venv: VecEnv) -> Trials:
        """Return other worlds with such trials, whose contexts are their own.

        Args:
            venv: copies of the same kind of world, to try the agent in.
        """
        return Trials(venv, self.episodes, told=self.told)

    def reset(self) -> Any:
        """Begin a trial in every copy."""
        self._played[:] = 0
        self._results = [[] for _ in range(self.num_envs)]
        self._lived = []
        self._anew = True
        observations = self.venv.reset()
        self._anew = False
        return self._join(observations, np.zeros((self.num_envs, self._n_told), np.float32))

    def step_async(self, actions: np.ndarray) -> None:
        """Pass the actions on."""
        self._actions = actions
        self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Take the step."""
        lived = self._level.copy()
        observations, rewards, ended, infos = self.venv.step_wait()
        self._played = self._played + ended
        over = self._played == self.episodes
        told = self._tell(rewards, ended)
        for copy in np.flatnonzero(ended):
            if "episode" not in infos[copy]:
                raise SettingsError(
                    f"{_WHO} needs worlds that tell of episodes' returns: wrap them in "
                    "stable-baselines3's VecMonitor"
                )
            self._results[copy] = [*self._results[copy], dict(infos[copy]["episode"])]
        for copy in np.flatnonzero(over):
            infos[copy][TRIAL] = self._results[copy]
            self._results[copy] = []
            last = np.asarray(infos[copy]["terminal_observation"], np.float32).reshape(1, -1)
            infos[copy]["terminal_observation"] = self._join(last, told[copy : copy + 1])[0]
            # Nothing comes after a trial's end.
            infos[copy]["TimeLimit.truncated"] = False
        self._played = np.where(over, 0, self._played)
        if self.replay is not None and self.replay.sampling.kind == "prioritized":
            self._lived.append((lived, over))
            if len(self._lived) > _LONGEST_ROLLOUT:
                raise SettingsError(
                    "this agent scores no levels: use PPO or RecurrentPPO of everlearn.agents, or "
                    "draw levels uniformly"
                )
        told[over] = 0
        return self._join(observations, told), rewards, over, infos

    def see_advantages(self, advantages: np.ndarray) -> None:
        """Score levels by a rollout.

        Args:
            advantages: of all its steps, of shape (steps, copies).
        """
        lived, self._lived = self._lived[-len(advantages) :], []
        if self.replay is None or not lived:
            return
        levels, overs = (np.array(column) for column in zip(*lived, strict=True))
        numbers = np.cumsum(overs, axis=0) - overs
        for copy in range(self.num_envs):
            for number in range(int(numbers[-1, copy]) + 1):
                rows = numbers[:, copy] == number
                score = float(np.abs(advantages[rows, copy]).mean())
                self.replay.tell(int(levels[rows, copy][0]), score)

    def read_log(self) -> dict[str, float]:
        """Return what is known of levels, by tag."""
        return {} if self.replay is None else self.replay.log()

    def get_learned(self) -> dict[str, Any]:
        """Return what was learned that other worlds would act by: nothing."""
        return {}

    def set_learned(self, learned: dict[str, Any]) -> None:
        """Take over what was learned: nothing.

        Args:
            learned: from `get_learned`.
        """

    def get_state(self) -> dict[str, Any]:
        """Return all that decides how trials go on, as plain data, between two rollouts."""
        return {
            "generator": self._generator.bit_generator.state,
            "level": self._level.copy(),
            "played": self._played.copy(),
            "results": [list(results) for results in self._results],
            "replay": None if self.replay is None else self.replay.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned.

        Args:
            state: of worlds with the same trials and levels.
        """
        self._generator.bit_generator.state = state["generator"]
        self._level, self._played = np.array(state["level"]), np.array(state["played"])
        self._results = [list(results) for results in state["results"]]
        if self.replay is not None:
            self.replay.set_state(state["replay"])
        self._lived = []

    def _take_over(self, levels: Sequence[Mapping[str, float]], sampling: LevelSampling) -> None:
        engine = getattr(self.venv.unwrapped, "engine", None)
        if engine is None:
            raise SettingsError("levels need the worlds of a stream, whose contexts can be chosen")
        if not levels:
            raise SettingsError("there must be a level at least")
        knobs = [change.knob for change in engine.changes]
        if any(sorted(level) != sorted(knobs) for level in levels):
            raise SettingsError(
                f"each level must have a value for {', '.join(knobs)}, and no other"
            )
        self._values = {knob: np.array([level[knob] for level in levels]) for knob in knobs}
        self.replay = LevelReplay(len(levels), sampling)
        engine.take_over(levels[0], self._choose)

    def _choose(self, which: np.ndarray) -> dict[str, np.ndarray]:
        """Say in which contexts episodes begin that begin now: the last one's if a trial goes on.

        Args:
            which: copies, of shape (copies,).
        """
        assert self.replay is not None
        # The world asks within its step, before the end of its episode is counted.
        over = which & (self._anew | (self._played + 1 >= self.episodes))
        for copy in np.flatnonzero(over):
            self._level[copy] = self.replay.draw(self._generator)
        return {knob: values[self._level] for knob, values in self._values.items()}

    def _tell(self, rewards: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Return what the agent is told of the last step, of shape (copies, numbers)."""
        if not self.told:
            return np.zeros((self.num_envs, 0), np.float32)
        actions = encode_actions(self.action_space, self._actions)
        return np.concatenate([actions, rewards[:, None], ended[:, None]], axis=1, dtype=np.float32)

    def _join(self, observations: Any, told: np.ndarray) -> np.ndarray:
        flat = np.array(observations, dtype=np.float32).reshape(len(told), -1)
        return np.concatenate([flat, told], axis=1)


def _widened(space: spaces.Box, n_told: int) -> spaces.Box:
    edge = np.full(n_told, np.inf, dtype=np.float32)
    return spaces.Box(
        np.concatenate([space.low.reshape(-1), -edge]).astype(np.float32),
        np.concatenate([space.high.reshape(-1), edge]).astype(np.float32),
        dtype=np.float32,
    )
