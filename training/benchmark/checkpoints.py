"""What checkpoints of an agent with a large replay buffer cost: seconds, and bytes.

Nothing heavy is imported here, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..settings import require
from ..terminal import print_table

if TYPE_CHECKING:
    from ...agents import SAC

WORLD = "HalfCheetah-v5"
"""Whose observations and actions are kept."""


@dataclass(frozen=True)
class BenchmarkCheckpoints:
    """Measure what checkpoints of SAC cost: seconds, and bytes over those of the new data.

    The replay buffer has transitions of HalfCheetah, drawn at random. The first checkpoint has to
    write all of them, and each that follows what is new, beside networks and optimizers.
    """

    transitions: int = 1_000_000
    """What the replay buffer holds at the first checkpoint."""

    new: int = 10_000
    """Transitions from one checkpoint to the next."""

    checkpoints: int = 6
    """How many to write."""

    n_envs: int = 8
    """Copies of the world."""

    folder: Path | None = None
    """Where to write them, in a folder that goes again; by default where temporary files go."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    def run(self) -> None:
        """Measure and print.

        Raises:
            SettingsError: for a number out of range.
        """
        require(self, "n_envs", self.n_envs >= 1, "1 or more")
        for name in ("transitions", "new"):
            whole = getattr(self, name) >= 1 and getattr(self, name) % self.n_envs == 0
            require(self, name, whole, f"a multiple of --n-envs, which is {self.n_envs}")
        require(self, "new", self.new <= self.transitions, "no more than --transitions")
        require(self, "checkpoints", self.checkpoints >= 1, "1 or more")
        benchmark_checkpoints(self)


def benchmark_checkpoints(settings: BenchmarkCheckpoints) -> list[dict[str, Any]]:
    """Measure, print, and write the record if one is asked for.

    Args:
        settings: what to measure.

    Returns:
        A row for each checkpoint.
    """
    import torch

    from .rounds import write_record

    torch.set_num_threads(1)
    with TemporaryDirectory(dir=settings.folder) as folder:
        rows = checkpoint_rows(settings, Path(folder))
    cells = [
        [
            f"{row['transitions']:,}",
            f"{row['seconds']:.3f}",
            *(f"{row[name] / 1e6:.2f}" for name in ("data_bytes", "rows_bytes", "state_bytes")),
            f"{row['ratio']:.2f}",
        ]
        for row in rows
    ]
    columns = ["transitions", "seconds", "data MB", "rows MB", "state MB", "rows over data"]
    print_table(columns, cells, right=columns)
    if settings.output is not None:
        head: dict[str, Any] = {"benchmark": "checkpoints", "settings": asdict(settings)}
        head["settings"] |= {"folder": None, "output": None}
        write_record(settings.output, {**head, "world": WORLD}, rows)
        print(f"\nrecord: {settings.output}")
    return rows


def checkpoint_rows(settings: BenchmarkCheckpoints, folder: Path) -> list[dict[str, Any]]:
    """Write checkpoints, and return what each cost.

    Args:
        settings: how many, and of how much.
        folder: where to write them.
    """
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.logger import Logger

    from ...agents import SAC, save_checkpoint

    worlds = make_vec_env(WORLD, settings.n_envs, seed=0)
    size = settings.transitions
    agent = SAC("MlpPolicy", worlds, buffer_size=size, backend="eager", seed=0, device="cpu")
    agent.set_logger(Logger(folder=None, output_formats=[]))
    rows = []
    for number in range(settings.checkpoints):
        added = settings.transitions if number == 0 else settings.new
        _live(agent, added // settings.n_envs)
        agent.train(1, agent.batch_size)
        known = set(folder.iterdir())
        began = time.perf_counter()
        save_checkpoint(agent, folder)
        seconds = time.perf_counter() - began
        written = {file.suffix: file.stat().st_size for file in set(folder.iterdir()) - known}
        data = added * transition_bytes(agent)
        rows.append(
            {
                "transitions": added,
                "seconds": seconds,
                "data_bytes": data,
                "rows_bytes": written[".rows"],
                "state_bytes": written[".state"],
                "ratio": written[".rows"] / data,
            }
        )
    worlds.close()
    return rows


def transition_bytes(agent: SAC) -> int:
    """Return the bytes of a transition in a replay buffer of single floats.

    Args:
        agent: whose observations and actions are kept.
    """
    sizes = [space.shape[0] for space in (agent.observation_space, agent.action_space)]  # type: ignore[index]
    # Two observations, an action, and reward, end and time limit.
    return 4 * (2 * sizes[0] + sizes[1] + 3)


def _live(agent: SAC, steps: int) -> None:
    """Add transitions that follow each other, as if they had been lived."""
    import numpy as np

    buffer, n_envs = agent.replay_buffer, agent.n_envs
    assert buffer is not None
    generator = np.random.default_rng(agent.num_timesteps)
    nothing: list[dict[str, Any]] = [{}] * n_envs
    before = generator.normal(size=(n_envs, *agent.observation_space.shape))  # type: ignore[misc]
    for _ in range(steps):
        after = generator.normal(size=before.shape)
        actions = generator.uniform(-1, 1, size=(n_envs, *agent.action_space.shape))  # type: ignore[misc]
        rewards = generator.normal(size=n_envs)
        buffer.add(before, after, actions, rewards, np.zeros(n_envs), nothing)
        before = after
    agent.num_timesteps += steps * n_envs
