"""Checkpoints from which learning goes on to the last bit."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Any, NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer

from ..replay.growing import Growing
from .agent_state import describe_agent, get_agent_state, require_same, set_agent_state
from .folder import CheckpointFolder, Found, Written
from .tree import CheckpointError

__all__ = [
    "CheckpointError",
    "Found",
    "apply_checkpoint",
    "keeps_worlds",
    "load_checkpoint",
    "read_checkpoint",
    "save_checkpoint",
]


class _Followed(NamedTuple):
    """The checkpoint that the next one follows, and the replay buffer whose rows it has."""

    written: Written
    buffer: ReferenceType[ReplayBuffer] | None


_followed: WeakKeyDictionary[BaseAlgorithm, dict[Path, _Followed]] = WeakKeyDictionary()
"""For each agent the folders it is saved in."""


def save_checkpoint(
    model: BaseAlgorithm, path: str | Path, extra: dict[str, Any] | None = None
) -> int:
    """Save all that decides how learning goes on, so that `load_checkpoint` gives it back exactly.

    Networks, optimizers, methods, replay buffer, counters, the generators of Python, numpy and
    torch, and the worlds with their stream. Call it between two calls of `learn`, or in a callback
    at `on_rollout_start`: with state-dependent exploration only between calls. It may be called as
    often as wanted: two checkpoints are kept, and of our replay buffers only new rows are
    written. Worlds that cannot be put back into a state (envpool's, gymnasium's of other makers,
    those in a VecEnv of stable-baselines3) begin new episodes here, as they do again in
    `load_checkpoint`.

    Args:
        model: an agent of this package, or of stable-baselines3.
        path: a folder for this agent's checkpoints alone.
        extra: plain data of one's own, which `load_checkpoint` returns.

    Returns:
        How many bytes were written.

    Raises:
        CheckpointError: they cannot be written; earlier checkpoints are unharmed.

    Example:
        >>> import tempfile
        >>> from everlearn.agents import PPO, load_checkpoint, save_checkpoint
        >>> agent = PPO("MlpPolicy", "CartPole-v1", n_steps=64, device="cpu").learn(64)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = save_checkpoint(agent, folder)
        ...     other = PPO("MlpPolicy", "CartPole-v1", n_steps=64, device="cpu")
        ...     _ = load_checkpoint(folder, other)
        >>> other.learn(64, reset_num_timesteps=False).num_timesteps
        128
    """
    folder = CheckpointFolder(Path(path).absolute())
    world_seed = None if keeps_worlds(model) else _world_seed(model)
    tree = {
        "agent": describe_agent(model),
        "learner": get_agent_state(model),
        "world": None if (worlds := _worlds(model)) is None else worlds.get_state(),
        "world_seed": world_seed,
        "extra": extra,
    }
    before = _before(model, folder.path)
    rows, first_needed = None, 0
    buffer = getattr(model, "replay_buffer", None)
    if isinstance(buffer, Growing):
        saved = before.files[-1]["end"] if before is not None and before.files else 0
        first_needed = buffer.first_needed
        if buffer.n_added > saved:
            rows = buffer.get_rows(saved)
    written = folder.write(tree, rows, before, first_needed)
    _follow(model, folder.path, written)
    if world_seed is not None:
        _begin_anew(model, world_seed)
    return written.size


def load_checkpoint(path: str | Path, model: BaseAlgorithm) -> dict[str, Any] | None:
    """Bring an agent, and the worlds it learns in, to where `save_checkpoint` saw them.

    The newest checkpoint that is whole is used; one line on standard error says if a newer one is
    damaged. `model.learn(n, reset_num_timesteps=False)` then goes on as if nothing had happened.
    Nothing that is read is run: a checkpoint of strangers can do no more than teach wrong things.

    Args:
        path: the folder.
        model: built by the same code as the agent that was saved.

    Returns:
        The `extra` it was saved with.

    Raises:
        CheckpointError: there is no whole checkpoint, or it does not fit the agent.
    """
    found = read_checkpoint(path)
    for sentence in found.damaged:
        print(f"everlearn: {sentence}; an earlier checkpoint is used", file=sys.stderr)
    apply_checkpoint(path, found, model)
    return found.tree["extra"]


def read_checkpoint(path: str | Path) -> Found:
    """Read the newest whole checkpoint, to look at it or to apply it.

    Args:
        path: the folder.

    Raises:
        CheckpointError: there is none.
    """
    return CheckpointFolder(Path(path).absolute()).read()


def apply_checkpoint(path: str | Path, found: Found, model: BaseAlgorithm) -> None:
    """Bring an agent and its worlds to where a checkpoint is.

    Args:
        path: the folder it was read from.
        found: the checkpoint.
        model: built by the same code as the agent that was saved.

    Raises:
        CheckpointError: it does not fit the agent.
    """
    try:
        require_same(model, found.tree["agent"])
        worlds = _worlds(model)
        if (found.tree["world"] is None) != (worlds is None):
            raise CheckpointError(
                "the checkpoint does not fit the worlds: they are of another kind"
            )
        set_agent_state(model, found.tree["learner"], found.rows)
        if worlds is not None:
            worlds.set_state(found.tree["world"])
        if found.tree["world_seed"] is not None:
            _begin_anew(model, found.tree["world_seed"])
    except CheckpointError:
        raise
    # Whatever a stranger's state brings about is the state's fault.
    except Exception as error:
        sentence = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"the checkpoint does not fit the agent: {sentence}") from error
    _follow(model, Path(path).absolute(), found.written)


def keeps_worlds(model: BaseAlgorithm) -> bool:
    """Tell whether an agent's worlds are put back into their state, and not begun anew.

    Args:
        model: the agent.
    """
    return bool(getattr(_worlds(model), "keeps_state", False))


def _before(model: BaseAlgorithm, path: Path) -> Written | None:
    """Return the checkpoint to which the next one can add, or None where it must be whole."""
    followed = _followed.get(model, {}).get(path)
    if followed is None:
        return None
    buffer: Any = getattr(model, "replay_buffer", None)
    files = followed.written.files
    if followed.buffer is not None and followed.buffer() is not buffer:
        return None
    if files and files[-1]["end"] > buffer.n_added:
        return None
    return followed.written if all((path / f["file"]).exists() for f in files) else None


def _follow(model: BaseAlgorithm, path: Path, written: Written) -> None:
    buffer = getattr(model, "replay_buffer", None)
    reference = None if buffer is None else ref(buffer)
    _followed.setdefault(model, {})[path] = _Followed(written, reference)


def _worlds(model: BaseAlgorithm) -> Any:
    """Return the innermost VecEnv if it has a state."""
    worlds = None if model.env is None else model.env.unwrapped
    return worlds if hasattr(worlds, "get_state") else None


def _world_seed(model: BaseAlgorithm) -> int:
    """Return the seed with which worlds are begun anew, far from all others of this agent."""
    seed = secrets.randbits(63) if model.seed is None else model.seed
    return int(np.random.SeedSequence([seed, model.num_timesteps]).generate_state(1)[0] % 2**31)


def _begin_anew(model: BaseAlgorithm, seed: int) -> None:
    """Begin an episode in every copy, from a seed."""
    env: Any = model.env
    worlds = _worlds(model)
    if worlds is not None:
        worlds.prepare_anew(seed)
    else:
        env.seed(seed)
    model._last_obs = env.reset()
    model._last_episode_starts = np.ones(env.num_envs, dtype=bool)
    if (normalizer := model.get_vec_normalize_env()) is not None:
        model._last_original_obs = normalizer.get_original_obs()
