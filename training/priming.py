"""The heavy-priming experiment: what too much learning from few samples does, and what cures it.

Nothing heavy is imported before it runs, so that the script can answer `--help` at once.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..wrappers.errors import SettingsError
from .settings import require
from .terminal import print_table

if TYPE_CHECKING:
    from ..agents import SAC

CURES = {
    "primed": None,
    "primed, full reset": "all",
    "primed, critics reset": "critic",
    "primed, actor reset": "actor",
}
"""Which networks are reset, for each kind of primed agent."""

_COLORS = {
    "plain": "#4d4d4d",
    "primed": "#c2452d",
    "primed, full reset": "#14487a",
    "primed, critics reset": "#5b8f3a",
    "primed, actor reset": "#b58900",
}
_EVALUATED_EPISODES = 10
_ROWS = 256


@dataclass(frozen=True)
class ProbePriming:
    """Prime SAC on Pendulum with far too many updates on its first steps, and try cures.

    After Nikishin et al., "The primacy bias in deep reinforcement learning" (2022), Section 3,
    scaled down. Networks of two hidden layers of 64 units, learning rate 1e-3, batches of 64, one
    update a step. All primed agents of a seed are one until the reset; the replay buffer is kept.
    """

    seeds: int = 5
    """How many agents of each kind."""

    first_seed: int = 0
    """The first one's seed; the others count on."""

    steps: int = 6_000
    """Environment steps of each agent."""

    random_steps: int = 300
    """Steps of random actions at the beginning: what is primed on."""

    priming: int = 15_000
    """Extra updates after the random steps."""

    reset_at: int = 2_000
    """Step at which cures reset."""

    every: int = 1_000
    """Steps between two evaluations of 10 episodes."""

    output: Path | None = None
    """Where to write the record as JSON lines; by default it is printed only."""

    picture: Path | None = None
    """Where to draw the returns; by default they are not drawn."""

    def run(self) -> None:
        """Experiment, print, and write what is asked for.

        Raises:
            SettingsError: for a number out of range.
        """
        for name in ("seeds", "steps", "random_steps", "priming", "reset_at", "every"):
            require(self, name, getattr(self, name) >= 1, "1 or more")
        if not self.random_steps < self.reset_at < self.steps:
            raise SettingsError("--reset-at must be between --random-steps and --steps")
        probe_priming(self)


def probe_priming(settings: ProbePriming) -> list[dict[str, Any]]:
    """Experiment, print, and write what is asked for.

    Args:
        settings: what to do.

    Returns:
        A row for each evaluation: seed, kind of agent, step, mean return, and the share of the
        critics' hidden units that are active, on average over replayed transitions.
    """
    import torch
    from tqdm import tqdm

    from .benchmark.rounds import write_record

    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    n_agents = settings.seeds * (1 + len(CURES))
    with tqdm(total=n_agents, unit="agent") as progress:
        for seed in range(settings.first_seed, settings.first_seed + settings.seeds):
            for name, agent in _agents(settings, seed):
                progress.set_description(f"seed {seed}, {name}")
                rows += _learn(agent, settings, name, seed)
                progress.update()
            # After each seed, so that whoever stops keeps what there is.
            if settings.output is not None:
                plain = {**asdict(settings), "output": None, "picture": None}
                write_record(settings.output, {"experiment": "priming", "settings": plain}, rows)
    _show(rows, settings)
    if settings.output is not None:
        print(f"record: {settings.output}")
    if settings.picture is not None:
        _draw(rows, settings)
        print(f"picture: {settings.picture}")
    return rows


def _agents(settings: ProbePriming, seed: int) -> Iterator[tuple[str, SAC]]:
    """Yield an agent that is not primed, and each kind of primed agent when it may be cured."""
    import torch

    from ..agents import SAC
    from ..agents.plasticity.resets import Resets

    def make() -> SAC:
        return SAC(
            "MlpPolicy",
            "Pendulum-v1",
            learning_rate=1e-3,
            batch_size=64,
            buffer_size=10_000,
            learning_starts=settings.random_steps,
            policy_kwargs={"net_arch": [64, 64]},
            backend="eager",
            diagnostics=False,
            seed=seed,
            device="cpu",
        )

    yield "plain", make()
    primed = make().learn(settings.random_steps)
    primed.train(settings.priming, 64)
    _learn_to(primed, settings.reset_at)
    file = io.BytesIO()
    primed.save(file)
    for name, networks in CURES.items():
        methods = [] if networks is None else [Resets(networks=networks, every_steps=None)]  # type: ignore[arg-type]
        # The agent that stays as it is goes through the same, so that all see the same worlds.
        agent = SAC.load(file, env=primed.get_env(), device="cpu", methods=methods)
        agent.replay_buffer = copy.deepcopy(primed.replay_buffer)
        with torch.no_grad():
            for method in agent.methods:
                assert isinstance(method, Resets)
                method.act()
        yield name, agent


def _learn_to(agent: SAC, step: int) -> None:
    if step > agent.num_timesteps:
        agent.learn(step - agent.num_timesteps, reset_num_timesteps=False)


def _learn(agent: SAC, settings: ProbePriming, name: str, seed: int) -> list[dict[str, Any]]:
    rows = []
    for step in range(settings.every, settings.steps + 1, settings.every):
        if step < agent.num_timesteps:
            continue
        _learn_to(agent, step)
        score, active = _evaluate(agent)
        rows.append({"seed": seed, "agent": name, "step": step, "return": score, "active": active})
    return rows


def _evaluate(agent: SAC) -> tuple[float, float]:
    """Return the mean return of some episodes, and the share of the critics' active units."""
    import numpy as np
    import torch
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    from ..agents.layers import compute_features

    # The same worlds for all.
    worlds = make_vec_env("Pendulum-v1", _EVALUATED_EPISODES, seed=1_000)
    scores, _ = evaluate_policy(agent, worlds, _EVALUATED_EPISODES, return_episode_rewards=True)
    state = np.random.get_state()
    assert agent.replay_buffer is not None
    batch = agent.replay_buffer.sample(_ROWS)
    np.random.set_state(state)
    inputs = torch.cat([batch.observations, batch.actions], dim=1)
    shares = [
        (units > 0).float().mean().item()
        for part in agent.parts
        if part.name != "actor"
        for units in compute_features(part.hidden, inputs)
    ]
    return float(np.mean(scores)), float(np.mean(shares))


def _curves(rows: Sequence[dict[str, Any]], key: str) -> dict[str, dict[int, list[float]]]:
    curves: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        curves.setdefault(row["agent"], {}).setdefault(row["step"], []).append(row[key])
    return curves


def _show(rows: Sequence[dict[str, Any]], settings: ProbePriming) -> None:
    from statistics import mean

    returns, active = (_curves(rows, key) for key in ("return", "active"))
    table = []
    for name, curve in returns.items():
        last = curve[max(curve)]
        reached = f"{min(last):.0f} to {max(last):.0f}"
        share = f"{mean(active[name][max(curve)]):.2f}"
        table.append((name, f"{mean(last):.0f}", reached, share))
    numbers = (f"return at {settings.steps:,}", "of the seeds", "active units")
    print_table(("agent", *numbers), table, right=numbers)


def _draw(rows: Sequence[dict[str, Any]], settings: ProbePriming) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    assert settings.picture is not None
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    for name, curve in _curves(rows, "return").items():
        steps, scores = list(curve), list(curve.values())
        color = _COLORS[name]
        panel.plot(steps, [sum(s) / len(s) for s in scores], color=color, label=name)
        panel.fill_between(
            steps, [min(s) for s in scores], [max(s) for s in scores], color=color, alpha=0.12, lw=0
        )
    panel.axvline(settings.reset_at, color="#999999", lw=0.8, ls=":")
    panel.set_xlabel("environment steps")
    panel.set_ylabel(f"return, mean and range of {settings.seeds} seeds")
    panel.legend(frameon=False, fontsize="small")
    settings.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(settings.picture, dpi=150)
