"""Collects sets of experience for learning without a world.

Nothing heavy is imported before it runs, so that the script can answer `--help` at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import yaml

from ..wrappers.errors import SettingsError
from .settings import require

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from ..agents.replay.sets import Episode
    from ..envs import Stream
    from ..envs.make import Backend

Act = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Collect:
    """Collect a set of experience in minari's format.

    What acts is a run's final policy, an agent's zip, or chance. With `--what replay` nothing acts:
    the set is what the run's replay buffer holds.
    """

    output: str
    """The set's folder, such as sets/ant-expert; there must be none."""

    policy: str = "random"
    """Who acts: random, a run folder, or a zip of PPO or SAC."""

    what: Literal["policy", "replay"] = "policy"
    """New episodes of the policy, or all that the run's replay buffer holds."""

    stream: str = ""
    """The changing world, as for training; by default that of the run."""

    segment: int | None = None
    """The segment of the stream in whose context the world stays; by default it changes."""

    steps: int = 10_000
    """Environment steps to collect, over all copies; the last episodes are cut off."""

    n_envs: int = 1
    """Copies of the world that are stepped together."""

    seed: int = 0
    """Where all randomness comes from (0 or more)."""

    deterministic: bool = False
    """Whether the policy takes its most likely action instead of drawing one."""

    random_share: float = 0.0
    """Probability of a random action in place of the policy's."""

    world_backend: str = "auto"
    """What steps the world: native, gymnasium, envpool, or auto: the first that knows it."""

    def check(self) -> None:
        """Raise `SettingsError` for settings that cannot be."""
        require(self, "steps", self.steps >= 1, "1 or more")
        require(self, "n_envs", self.n_envs >= 1, "1 or more")
        require(self, "seed", 0 <= self.seed < 2**31, "from 0 to 2147483647")
        require(self, "random_share", 0 <= self.random_share <= 1, "from 0 to 1")
        if self.segment is not None:
            require(self, "segment", self.segment >= 0, "0 or more")
        if self.what == "replay" and not Path(self.policy).is_dir():
            raise SettingsError(f"--what replay needs a run folder as --policy, not {self.policy}")
        if not self.stream and _config(self.policy) is None:
            raise SettingsError("--stream is needed where --policy is no run folder")
        if Path(self.output).exists():
            raise SettingsError(f"there is a {self.output} already: name another --output")

    def run(self) -> None:
        """Collect and write the set.

        Raises:
            SettingsError: for settings that cannot be used, or a folder that cannot be written.
        """
        from ..agents.replay.sets import write_set
        from ..envs import make_vec_env

        self.check()
        stream = self._stream()
        env = make_vec_env(
            stream if self.segment is None else stream.frozen(),
            self.n_envs,
            self.seed,
            backend=cast("Backend", self.world_backend),
        )
        try:
            if self.what == "replay":
                episodes = list(replayed(self.policy, env))
            else:
                act = self._actor(env)
                begin = _beginning(env, stream, self.segment, self.seed)
                episodes = list(lived(env, act, begin, self.steps))
            spaces = env.observation_space, env.action_space
            write_set(self.output, episodes, *spaces, self._metadata(stream, episodes))
        finally:
            env.close()
        steps = sum(len(episode.rewards) for episode in episodes)
        mean = np.mean([episode.rewards.sum() for episode in episodes])
        print(
            f"{steps:,} steps in {len(episodes):,} episodes, mean return {mean:,.1f}: {self.output}"
        )

    def _stream(self) -> Stream:
        from .streams import read_stream

        config = _config(self.policy)
        if self.stream or config is None:
            return read_stream(self.stream)
        if config.get("normalization"):
            raise SettingsError(
                f"the run {self.policy} has normalized observations or rewards: sets hold them as "
                "they are"
            )
        return read_stream(config["stream"])

    def _actor(self, env: VecEnv) -> Act:
        generator = np.random.default_rng(self.seed)
        space: Any = env.action_space

        def random() -> np.ndarray:
            low, high = np.broadcast_arrays(space.low, space.high)
            return generator.uniform(low, high, (env.num_envs, *space.shape)).astype(space.dtype)

        if not hasattr(space, "low") or not np.isfinite([space.low, space.high]).all():
            raise SettingsError("sets are collected in worlds whose actions are bounded vectors")
        if self.policy == "random":
            return lambda observations: random()
        model = load_agent(self.policy, env)
        model.set_random_seed(self.seed)

        def act(observations: np.ndarray) -> np.ndarray:
            actions = model.predict(observations, deterministic=self.deterministic)[0]
            if self.random_share == 0:
                return actions
            instead = generator.random(env.num_envs) < self.random_share
            return np.where(instead.reshape(-1, *[1] * len(space.shape)), random(), actions)

        return act

    def _metadata(self, stream: Stream, episodes: list[Episode]) -> dict[str, Any]:
        from .run import stamp

        returns = [float(episode.rewards.sum()) for episode in episodes]
        return {
            "algorithm_name": self.policy,
            "stream": stream.to_dict(),
            "segment": self.segment,
            "what": self.what,
            "seed": self.seed,
            "deterministic": self.deterministic,
            "random_share": self.random_share,
            "mean_return": float(np.mean(returns)),
            "stamp": stamp(),
        }


def load_agent(policy: str, env: VecEnv) -> Any:
    """Return the agent of a run folder or of a zip.

    Args:
        policy: the folder, or the zip's path.
        env: the worlds it is to act in.

    Raises:
        SettingsError: there is none that fits the worlds.
    """
    from ..agents import PPO, SAC
    from .run import MODEL

    path = Path(policy)
    file = path / MODEL if path.is_dir() else path
    if not file.is_file():
        raise SettingsError(f"there is no agent in {policy}: name a finished run's folder or a zip")
    config = _config(policy)
    names: dict[str, list[Any]] = {"ppo": [PPO], "sac": [SAC]}
    reasons = []
    for kind in names.get(config["agent"] if config else "", [SAC, PPO]):
        try:
            model = kind.load(file, device="cpu")
        except Exception as error:
            reasons.append(str(error).split("\n")[0])
            continue
        if hasattr(model.policy, "lstm_actor"):
            raise SettingsError(
                f"the agent of {policy} has a memory, which sets are collected without: name "
                "one of PPO or SAC"
            )
        if model.observation_space.shape != env.observation_space.shape:
            raise SettingsError(
                f"the agent of {policy} observes {model.observation_space}, not "
                f"{env.observation_space}"
            )
        return model
    raise SettingsError(f"the agent of {policy} cannot be loaded: {reasons[0]}")


def lived(env: VecEnv, act: Act, observations: np.ndarray, steps: int) -> Iterator[Episode]:
    """Yield the episodes that a policy lives, as they end; those that are cut off come last.

    Args:
        env: the worlds, which have begun.
        act: from observations to actions.
        observations: where they begin.
        steps: environment steps in all; more than these are not told.
    """
    from ..agents.replay.sets import Episode

    lives: list[list[tuple[Any, ...]]] = [[] for _ in range(env.num_envs)]
    left = steps
    while left > 0:
        actions = act(observations)
        following, rewards, dones, infos = env.step(actions)
        for copy, info in enumerate(infos[:left]):
            end = info["terminal_observation"] if dones[copy] else following[copy]  # type: ignore[index]
            lives[copy].append((observations[copy], actions[copy], rewards[copy], end))
            if dones[copy]:
                cut_off = bool(info.get("TimeLimit.truncated", False))
                yield _episode(Episode, lives[copy], not cut_off, info)
                lives[copy] = []
        left -= env.num_envs
        observations = cast("np.ndarray", following)
    for life in lives:
        if life:
            yield _episode(Episode, life, False, {})


def replayed(folder: str, env: VecEnv) -> Iterator[Episode]:
    """Yield the episodes in a run's replay buffer, as far as they are there.

    Args:
        folder: the run's.
        env: worlds like those it has learned in.
    """
    from ..agents.replay.earlier import read_earlier
    from ..agents.replay.sets import Episode

    found = read_earlier(folder, env.observation_space, env.action_space)
    space: Any = env.action_space
    starts = [0, *(np.flatnonzero(found.ends[:-1]) + 1).tolist()]
    for start, stop in zip(starts, [*starts[1:], len(found)], strict=True):
        actions = found.actions[start:stop].reshape(-1, *space.shape)
        actions = space.low + (actions + 1) / 2 * (space.high - space.low)
        yield Episode(
            np.concatenate(
                [found.observations[start:stop], found.next_observations[stop - 1 : stop]]
            ),
            actions.astype(space.dtype),
            found.rewards[start:stop],
            bool(found.terminals[stop - 1]),
        )


def _episode(kind: type[Episode], life: list[tuple[Any, ...]], ended: bool, info: Any) -> Episode:
    begins, actions, rewards, ends = zip(*life, strict=True)
    context = {f"context/{knob}": float(v) for knob, v in info.get("context", {}).items()}
    observations = np.stack([*begins, ends[-1]])
    return kind(observations, np.stack(actions), np.array(rewards, np.float32), ended, context)


def _beginning(env: Any, stream: Stream, segment: int | None, seed: int) -> np.ndarray:
    """Begin all copies: in the stream as it is, or held in the context of a segment."""
    if segment is not None:
        from ..envs.contexts import contexts_of_segments

        (held,) = contexts_of_segments(stream, (segment,), seed)
        context = {knob: np.full(env.num_envs, v) for knob, v in held.context.items()}
        env.engine.hold(context, seed)
        seeds = np.random.SeedSequence(seed).generate_state(env.num_envs) % 2**31
        env.prepare_anew([int(one) for one in seeds])
    return env.reset()


def _config(policy: str) -> dict[str, Any] | None:
    """Return the configuration of a run folder, or None of anything else."""
    file = Path(policy) / "config.yaml"
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return config if isinstance(config, dict) and "stream" in config else None
