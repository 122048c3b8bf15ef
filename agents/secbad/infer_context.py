"""Worlds that tell an agent, beside their observations, what is inferred of their context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from ...wrappers import info as info_names
from ...wrappers.errors import SettingsError
from ..experience import count_actions, count_inputs, encode_actions
from .learner import ContextLearner
from .networks import ContextNetworks, Moments
from .settings import ContextInference
from .tracker import Belief, Inferred, begin_again, first_belief, infer


@final
class InferContext(VecEnvWrapper):
    """Appends to observations a belief about the hidden context, and learns how to infer it.

    Chen et al., "An adaptive deep RL method for non-stationary environments with piecewise stable
    context" (NeurIPS 2022), SeCBAD, and its rivals. Any agent of stable-baselines3 can learn on
    it; ours log what it measures and save it in their checkpoints and zips. A policy sees
    observation, mean and deviation side by side, where the released code embeds the observation,
    and mean and logarithm of the variance, by layers of their own: as they are, logarithms are so
    large that they drown the rest. Its loss does not reach the encoder, as there.

    Encoder and decoder learn every `settings.train_every` steps, by themselves. With
    `settings.labels` they need to be told of changes while they learn (a stream's
    `boundary_labels`), as the released code does; acting never needs it.

    Args:
        venv: the copies of the world, with flat observations.
        settings: what is inferred and how.
        seed: of everything that is drawn here.

    Raises:
        SettingsError: observations or actions that it can't take in, or no context to tell.

    Example:
        >>> from everlearn.agents import PPO
        >>> from everlearn.agents.secbad import ContextInference, InferContext
        >>> from everlearn.envs import make_vec_env
        >>> worlds = make_vec_env("everlearn/CartPoleForceSign-v0", n_envs=2, seed=0)
        >>> worlds = InferContext(worlds, ContextInference(latent_size=2), seed=0)
        >>> worlds.observation_space.shape  # 4 of CartPole, mean and deviation of the context
        (8,)
        >>> agent = PPO("MlpPolicy", worlds, n_steps=32, batch_size=16, device="cpu").learn(64)
    """

    _features: np.ndarray
    _first: np.ndarray

    def __init__(
        self, venv: VecEnv, settings: ContextInference | None = None, seed: int = 0
    ) -> None:
        self.settings = ContextInference() if settings is None else settings
        observed: Any = venv.observation_space
        n_observed = count_inputs(observed, "context inference")
        n_acted = count_actions(venv.action_space, "context inference")
        self._knobs = _knobs(venv) if self.settings.kind == "oracle" else ()
        self.networks = ContextNetworks(n_observed, n_acted, self.settings, seed)
        self.contexts = Moments(len(self._knobs))
        self.learner: ContextLearner | None = ContextLearner(self.networks, venv.num_envs, seed)
        self.inferred: Inferred | None = None
        """What is known after the last step; None where nothing is learned or seen."""
        self._n_features = _n_features(self.settings, self.networks, len(self._knobs))
        super().__init__(venv, _widened(observed, self._n_features))
        self._begin()

    def twin(self, venv: VecEnv) -> InferContext:
        """Return other worlds that infer with what is learned here, and learn nothing themselves.

        Args:
            venv: copies of the same kind of world, to try the agent in.
        """
        other = InferContext(venv, self.settings)
        other.networks, other.contexts, other.learner = self.networks, self.contexts, None
        # A stream that is held still may list its knobs in another order.
        other._knobs = self._knobs
        return other

    def reset(self) -> Any:
        """Begin an episode in every copy; nothing is known of any context."""
        observations = self._flatten(self.venv.reset())
        self._begin()
        self._last = observations
        infos = self.venv.unwrapped.reset_infos
        self._features = self._without_memory(infos, self._features)
        return self._join(observations, self._features)

    def step_async(self, actions: np.ndarray) -> None:
        """Pass the actions on."""
        self._actions = actions
        self.venv.step_async(actions)

    @torch.no_grad()
    def step_wait(self) -> VecEnvStepReturn:
        """Take the step, and take it in."""
        observations, rewards, dones, infos = self.venv.step_wait()
        observations, ended = self._flatten(observations), np.flatnonzero(dones)
        after = observations.copy()
        for i in ended:
            after[i] = np.asarray(infos[i]["terminal_observation"]).reshape(-1)
        actions = encode_actions(self.action_space, self._actions)
        steps = np.concatenate(
            [self._last, actions, after - self._last, rewards[:, None]], axis=1
        ).astype(np.float32)
        if self.learner is not None:
            self.networks.add(torch.from_numpy(steps))
        self._see(steps)
        if self.learner is not None:
            self.learner.add(steps, self._first)
        features = self._without_memory(infos, self._features)
        for i in ended:
            infos[i]["terminal_observation"] = np.concatenate([after[i], features[i]])
        self._pass_on(infos, dones, features)
        self._last = observations
        return self._join(observations, self._features), rewards, dones, infos

    def read_log(self) -> dict[str, float]:
        """Return the means of what was measured since this was last called, by tag."""
        log = {} if self.learner is None else self.learner.read_log()
        if self.inferred is not None and self.settings.kind == "secbad":
            ages = torch.arange(1.0, self.settings.ages + 1)
            log["context/expected_age"] = (self.inferred.log_ages.exp() @ ages).mean().item()
        return log

    def get_learned(self) -> dict[str, Any]:
        """Return what was learned, for other worlds of this kind to go on from."""
        return {"networks": self.networks.state_dict(), "contexts": self.contexts.state_dict()}

    def set_learned(self, learned: dict[str, Any]) -> None:
        """Go on from what others have learned.

        Args:
            learned: from `get_learned`, with the same settings.

        Raises:
            SettingsError: it is of other settings.
        """
        try:
            self.networks.load_state_dict(learned["networks"])
            self.contexts.load_state_dict(learned["contexts"])
        except RuntimeError:
            raise SettingsError(
                "what was learned of contexts does not fit: give InferContext the settings of the "
                "agent that was saved"
            ) from None

    def get_state(self) -> dict[str, Any]:
        """Return all that decides how inference goes on, as plain data, between two steps."""
        return {
            **self.get_learned(),
            "learner": None if self.learner is None else self.learner.get_state(),
            "belief": tuple(self._belief),
            "inferred": None if self.inferred is None else tuple(self.inferred),
            "history": self._history.copy(),
            "features": self._features.copy(),
            "last": self._last.copy(),
            "first": self._first.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned.

        Args:
            state: of worlds that infer by the same settings.
        """
        self.set_learned(state)
        if self.learner is not None:
            self.learner.set_state(state["learner"])
        self._belief = Belief(*(tensor.clone() for tensor in state["belief"]))
        inferred = state["inferred"]
        self.inferred = None if inferred is None else Inferred(*(t.clone() for t in inferred))
        self._history = np.array(state["history"])
        self._features = np.array(state["features"])
        self._last = np.array(state["last"])
        self._first = np.array(state["first"])

    def _begin(self) -> None:
        n_copies, networks = self.num_envs, self.networks
        self._belief = first_belief(networks, n_copies)
        self.inferred = None
        self._history = np.zeros((n_copies, self.settings.frames, networks.n_step), np.float32)
        self._features = self._first_features()
        self._last = np.zeros((n_copies, networks.n_observed), np.float32)
        self._first = np.ones(n_copies, dtype=bool)

    def _see(self, steps: np.ndarray) -> None:
        """Take a step of every copy into what the agent is told."""
        if self.settings.learns:
            scaled = self.networks.scale(torch.from_numpy(steps))
            self._belief, self.inferred = infer(self.networks, self._belief, scaled)
            deviation = torch.exp(0.5 * self.inferred.log_variance)
            self._features = torch.cat([self.inferred.mean, deviation], dim=1).numpy()
        elif self.settings.kind == "history":
            scaled = self.networks.scale(torch.from_numpy(steps))
            self._history = np.concatenate([self._history[:, 1:], scaled.numpy()[:, None]], axis=1)
            self._features = self._history.reshape(self.num_envs, -1)

    def _without_memory(self, infos: Sequence[dict[str, Any]], features: np.ndarray) -> np.ndarray:
        """Return the features, which are the context itself for an oracle."""
        if self.settings.kind != "oracle":
            return features
        told = [[info[info_names.CONTEXT][knob] for knob in self._knobs] for info in infos]
        contexts = torch.tensor(told, dtype=torch.float32)
        if self.learner is not None:
            self.contexts.add(contexts)
        return self.contexts.scale(contexts).numpy()

    def _pass_on(
        self, infos: Sequence[dict[str, Any]], dones: np.ndarray, features: np.ndarray
    ) -> None:
        """Carry what is known over to the next step, which may be of another episode."""
        begun = self.venv.unwrapped.reset_infos
        nexts = [begun[i] if done else infos[i] for i, done in enumerate(dones)]
        told = (info.get(info_names.BOUNDARY) for info in (*nexts, *infos))
        self._first = np.any(np.array([bool(one) for one in told]).reshape(2, -1), axis=0)
        self._features = features
        if dones.any():
            self._features = self._without_memory(nexts, features)
            if self.settings.at_episode_end == "reset":
                self._first = self._first | dones
                self._belief = begin_again(self._belief, torch.from_numpy(dones))
                self._history[dones] = 0
                if self.settings.kind != "oracle":
                    fresh = self._first_features()
                    self._features = np.where(dones[:, None], fresh, self._features)

    def _first_features(self) -> np.ndarray:
        features = np.zeros((self.num_envs, self._n_features), np.float32)
        if self.settings.learns:
            # The deviations of N(0, 1).
            features[:, self.settings.latent_size :] = 1
        return features

    def _flatten(self, observations: Any) -> np.ndarray:
        # A copy: worlds may write the next observations into the same array.
        return np.array(observations, dtype=np.float32).reshape(self.num_envs, -1)

    def _join(self, observations: np.ndarray, features: np.ndarray) -> np.ndarray:
        return np.concatenate([observations, features], axis=1)


def _n_features(settings: ContextInference, networks: ContextNetworks, n_knobs: int) -> int:
    if settings.learns:
        return 2 * settings.latent_size
    return {"history": settings.frames * networks.n_step, "oracle": n_knobs, "memoryless": 0}[
        settings.kind
    ]


def _widened(space: spaces.Box, n_features: int) -> spaces.Box:
    edge = np.full(n_features, np.inf, dtype=np.float32)
    return spaces.Box(
        np.concatenate([space.low.reshape(-1), -edge]).astype(np.float32),
        np.concatenate([space.high.reshape(-1), edge]).astype(np.float32),
        dtype=np.float32,
    )


def _knobs(venv: VecEnv) -> tuple[str, ...]:
    engine = getattr(venv.unwrapped, "engine", None)
    if engine is None:
        raise SettingsError("an oracle needs the worlds of a stream, which tell their context")
    return tuple(change.knob for change in engine.changes)
