"""Do agents with Reactive Exploration recover sooner from shifts, and which family does?

Nothing heavy is imported before it runs, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..wrappers.errors import SettingsError
from .settings import require
from .terminal import print_table

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

AGENTS = ("ppo", "ppo+reactive-exploration", "dqn", "dqn+reactive-exploration")
"""The agents that are compared."""

_COLORS = dict(zip(AGENTS, ("#4d4d4d", "#c2452d", "#14487a", "#5b8f3a"), strict=True))


@dataclass(frozen=True)
class ProbeReaction:
    """Compare PPO and stable-baselines3's DQN, with and without Reactive Exploration.

    In `everlearn/ReactiveCartPole-v0`, which never ends and whose physics, the sign of the force
    among them, go back and forth; after Steinparz et al. 2022, scaled down to minutes an agent.
    Agents have the defaults of stable-baselines3 for one copy of the world: PPO rollouts of 2,048
    steps over all copies, DQN an update for each four steps. What counts is the world's reward a
    step, without any bonus.
    """

    seeds: int = 5
    """How many agents of each kind."""

    first_seed: int = 0
    """The first one's seed; the others count on."""

    steps: int = 300_000
    """Environment steps of each agent, over all copies."""

    n_envs: int = 8
    """Copies of the world, which shift together."""

    change_every: int = 100_000
    """Steps between shifts."""

    block: int = 1_000
    """Steps whose mean reward is one number of the record."""

    soon: int = 5_000
    """Steps at the beginning and at the end of a segment that the table tells."""

    methods: tuple[str, ...] = ("reactive-exploration:hidden_size=64,updates=4",)
    """The methods of the reactive agents (smaller models than the paper's, to save time)."""

    agents: tuple[str, ...] = AGENTS
    """Which agents."""

    output: Path | None = None
    """Where to write the record as JSON lines, a line a run; what is there already is not run."""

    picture: Path | None = None
    """Where to draw the rewards; by default they are not drawn."""

    def run(self) -> None:
        """Compare, print, and write what is asked for.

        Raises:
            SettingsError: a number out of its range, an agent that there is not, or a record of
                other settings.
        """
        for name in ("seeds", "steps", "n_envs", "change_every", "block", "soon"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        for name in ("change_every", "soon"):
            require(self, name, getattr(self, name) % self.block == 0, "a multiple of the block")
        require(self, "block", self.block % self.n_envs == 0, "a multiple of the copies")
        if not self.soon <= self.change_every < self.steps:
            raise SettingsError("--change-every must be from --soon to less than --steps")
        for agent in self.agents:
            if agent not in AGENTS:
                raise SettingsError(f"agents must be of {', '.join(AGENTS)}, not {agent!r}")
        rows = self._read()
        known = {(row["agent"], row["seed"]) for row in rows}
        for seed in range(self.first_seed, self.first_seed + self.seeds):
            for agent in self.agents:
                if (agent, seed) not in known:
                    rows.append(_run(self, agent, seed))
                    self._write(rows)
        _show(rows, self)
        if self.picture is not None:
            _draw(rows, self)

    def _head(self) -> dict[str, Any]:
        left_out = ("seeds", "first_seed", "agents", "output", "picture", "soon")
        settings = {key: value for key, value in asdict(self).items() if key not in left_out}
        return {"experiment": "reaction", "settings": settings}

    def _read(self) -> list[dict[str, Any]]:
        if self.output is None or not self.output.exists():
            return []
        head, *rows = map(json.loads, self.output.read_text(encoding="utf-8").splitlines())
        if {key: head.get(key) for key in ("experiment", "settings")} != json.loads(
            json.dumps(self._head())
        ):
            raise SettingsError(f"{self.output} is the record of other settings")
        return rows

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        from .benchmark.rounds import write_record

        if self.output is not None:
            write_record(self.output, self._head(), rows)


def _run(settings: ProbeReaction, agent: str, seed: int) -> dict[str, Any]:
    """Return a row of the record: the world's mean reward of each block of steps."""
    import time

    import numpy as np
    import torch
    from stable_baselines3 import DQN

    from ..agents import PPO
    from ..agents.reaction.worlds import react
    from ..agents.registry import parse_method
    from ..envs import make_vec_env

    torch.set_num_threads(1)
    began = time.process_time()
    kind, *reacts = agent.split("+")
    methods = [parse_method(text) for text in settings.methods] if reacts else []
    stream = f"everlearn/ReactiveCartPole-v0:change_every={settings.change_every}"
    rewards: list[float] = []
    worlds = _keep_rewards(make_vec_env(stream, settings.n_envs, seed), rewards)
    learner: Any
    if kind == "ppo":
        learner = PPO(
            "MlpPolicy",
            worlds,
            n_steps=max(2048 // settings.n_envs, 2),
            methods=methods,
            backend="eager",
            diagnostics=False,
            seed=seed,
            device="cpu",
        )
    else:
        watched = react(worlds, methods, seed) if methods else worlds
        # A call of `train` for each step of all copies, or for four of them.
        every, updates = max(4 // settings.n_envs, 1), max(settings.n_envs // 4, 1)
        learner = DQN(
            "MlpPolicy",
            watched,
            train_freq=every,
            gradient_steps=updates,
            seed=seed,
            device="cpu",
        )
    learner.learn(settings.steps)
    whole = settings.steps // settings.block
    blocks = np.reshape(rewards[: whole * settings.block], (whole, settings.block)).mean(axis=1)
    return {
        "agent": agent,
        "seed": seed,
        "rewards": [round(float(value), 4) for value in blocks],
        "cpu_seconds": round(time.process_time() - began, 1),
    }


def _keep_rewards(env: VecEnv, rewards: list[float]) -> VecEnv:
    """Return worlds that write down what they give, before any bonus."""
    step_wait = env.step_wait

    def keep() -> Any:
        answer = step_wait()
        rewards.extend(answer[1].tolist())
        return answer

    env.step_wait = keep  # type: ignore[method-assign]
    return env


def summarize(
    rows: Sequence[dict[str, Any]], settings: ProbeReaction
) -> list[tuple[str, int, list[float], list[float]]]:
    """Return each agent's mean rewards a step as each segment begins and ends.

    Args:
        rows: of the record.
        settings: that they were made with.

    Returns:
        By agent and segment: their first `soon` steps and their last, a number for each seed.

    Example:
        >>> settings = ProbeReaction(steps=8, change_every=4, block=1, soon=2)
        >>> row = {"agent": "ppo", "seed": 0, "rewards": [0, 0, 5, 7, -9, -7, 0, 2]}
        >>> summarize([row], settings)
        [('ppo', 0, [0.0], [6.0]), ('ppo', 1, [-8.0], [1.0])]
    """
    from statistics import fmean

    segment, soon = settings.change_every // settings.block, settings.soon // settings.block
    told: list[tuple[str, int, list[float], list[float]]] = []
    for agent in dict.fromkeys(row["agent"] for row in rows):
        lives = [row["rewards"] for row in rows if row["agent"] == agent]
        for number in range(-(-settings.steps // settings.change_every)):
            parts = [rewards[number * segment : (number + 1) * segment] for rewards in lives]
            begins = [fmean(part[:soon]) for part in parts]
            told.append((agent, number, begins, [fmean(part[-soon:]) for part in parts]))
    return told


def _show(rows: Sequence[dict[str, Any]], settings: ProbeReaction) -> None:
    from statistics import fmean

    def cell(values: Sequence[float]) -> str:
        return f"{fmean(values):.2f} ({min(values):.2f} to {max(values):.2f})"

    table = [
        (agent, str(number), str(len(begins)), cell(begins), cell(ends))
        for agent, number, begins, ends in summarize(rows, settings)
    ]
    titles = ("segment", "seeds", f"first {settings.soon:,} steps", f"last {settings.soon:,}")
    print_table(("reward a step of", *titles), table, right=titles)


def _draw(rows: Sequence[dict[str, Any]], settings: ProbeReaction) -> None:
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    assert settings.picture is not None
    figure = Figure(figsize=(8, 4), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    for agent, color in _COLORS.items():
        curves = np.array([row["rewards"] for row in rows if row["agent"] == agent])
        if len(curves):
            steps = (np.arange(curves.shape[1]) + 0.5) * settings.block
            panel.plot(steps, curves.mean(axis=0), color=color, label=agent)
            low, high = curves.min(axis=0), curves.max(axis=0)
            panel.fill_between(steps, low, high, color=color, alpha=0.12, lw=0)
    for shift in range(settings.change_every, settings.steps, settings.change_every):
        panel.axvline(shift, color="#999999", lw=0.8, ls=":")
    panel.set_xlabel("environment steps")
    panel.set_ylabel("reward a step, mean and range of seeds")
    panel.legend(frameon=False, fontsize="small")
    settings.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(settings.picture, dpi=150)
