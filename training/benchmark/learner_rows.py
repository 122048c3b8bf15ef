"""The rows of the learner's record: who was how fast at what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

import gymnasium
from gymnasium.spaces import flatdim

from . import ppo, sac
from .learner import CLEANRL, COMPILED, ROLLOUT, SB3, SBX, BenchmarkLearner, Shape
from .rounds import Reading, Rounds, machine_speed, run_rounds
from .sbx import SBXProcess

SAC_UPDATES = 128
"""Gradient steps in one turn of SAC."""

Took = dict[str, Reading]


def update_rows(shape: Shape, settings: BenchmarkLearner) -> list[dict[str, Any]]:
    """Measure PPO's update alone.

    Args:
        shape: its sizes.
        settings: what to measure.
    """
    agents = ppo.update_candidates(shape, settings.n_epochs)
    errors = {name: ppo.agreement(agents[SB3], agent) for name, agent in agents.items()}
    rounds = _measure({name: agent.train for name, agent in agents.items()}, settings)
    n_steps = settings.n_epochs * ROLLOUT / shape.batch_size
    operations = shape.operations * settings.n_epochs * ROLLOUT

    def figures(name: str) -> dict[str, Any]:
        return {
            "measured": "update",
            "shape": shape.name,
            "candidate": name,
            "microseconds_a_minibatch": rounds.median(lambda took: took[name].wall / n_steps * 1e6),
            "ratio_to_sb3": _ratio(rounds, SB3, name),
            "cpu_ratio_to_sb3": rounds.median(lambda took: took[SB3].cpu / took[name].cpu),
            "cost_over_compiled": rounds.median(
                lambda took: took[name].cpu / took[COMPILED].cpu - 1
            ),
            "gflops": rounds.median(lambda took: operations / took[name].wall / 1e9),
            "error_of_parameters": errors[name],
            **_told_of(rounds),
        }

    return [figures(name) for name in agents]


def world_rows(world: str, settings: BenchmarkLearner) -> list[dict[str, Any]]:
    """Measure PPO end to end.

    Args:
        world: gymnasium's id.
        settings: what to measure.
    """
    with ExitStack() as stack:
        sbx, versions = _start_sbx(settings, 1, stack)
        turns = ppo.world_candidates(world, settings.copies, settings.n_epochs, sbx, stack)
        rounds = _measure(
            {name: partial(_reading, turn, ROLLOUT) for name, turn in turns.items()}, settings
        )
    operations = _shape_of(world).operations * settings.n_epochs * ROLLOUT

    def figures(name: str) -> dict[str, Any]:
        return {
            "measured": "end to end",
            "world": world,
            "candidate": name,
            "steps_per_second": rounds.median(lambda took: ROLLOUT / took[name].wall),
            **_ratios(rounds, name),
            "ratio_to_cleanrl": _ratio(rounds, CLEANRL, name),
            **_split(rounds, name),
            "gflops": rounds.median(lambda took: operations / took[name].update / 1e9),
            **_told_of(rounds),
            **_versions(name, versions),
        }

    return [figures(name) for name in rounds.candidates]


def sac_rows(threads: int, settings: BenchmarkLearner) -> Iterator[list[dict[str, Any]]]:
    """Measure SAC end to end, by replay ratio.

    Args:
        threads: of every candidate.
        settings: what to measure.
    """
    with ExitStack() as stack:
        sbx, versions = _start_sbx(settings, threads, stack)
        errors = {name: sac.agreement(name) for name in (SB3, "eager", COMPILED)}
        turns = sac.sac_candidates(sbx, stack)
        for ratio in settings.replay_ratios:
            steps = max(SAC_UPDATES // ratio, 1)
            runs = {
                name: partial(_reading, turn, steps, gradient_steps=ratio)
                for name, turn in turns.items()
            }
            rounds = _measure(runs, settings, threads)
            operations = sac.operations() * steps * ratio
            yield [
                {
                    "measured": "SAC end to end",
                    "world": sac.WORLD,
                    "threads": threads,
                    "replay_ratio": ratio,
                    "candidate": name,
                    "updates_per_second": _rate(rounds, name, steps * ratio),
                    **_ratios(rounds, name),
                    **_split(rounds, name),
                    "gflops": _rate(rounds, name, operations / 1e9, "update"),
                    "error_of_parameters": errors.get(name),
                    **_told_of(rounds),
                    **_versions(name, versions),
                }
                for name in turns
            ]


def _reading(turn: Callable[..., dict[str, float]], steps: int, **settings: Any) -> Reading:
    return Reading(**turn(steps, **settings))


def _measure(
    runs: Mapping[str, Callable[[], Any]], settings: BenchmarkLearner, threads: int = 1
) -> Rounds:
    import torch

    def speed() -> float:
        rate = machine_speed(n_threads=threads)
        # It makes each of its own threads use one.
        torch.set_num_threads(threads)
        return rate

    return run_rounds(runs, settings.rounds, settings.most_rounds, speed)


def _start_sbx(
    settings: BenchmarkLearner, threads: int, stack: ExitStack
) -> tuple[SBXProcess | None, dict[str, str]]:
    if settings.sbx_python is None:
        return None, {}
    process = SBXProcess(settings.sbx_python, threads)
    stack.callback(process.close)
    return process, process.versions


def _shape_of(world: str) -> Shape:
    env = gymnasium.make(world)
    inputs, actions = flatdim(env.observation_space), flatdim(env.action_space)
    env.close()
    return Shape(world, inputs, actions, 64, 64)


def _rate(rounds: Rounds, name: str, amount: float, part: str = "wall") -> float:
    return rounds.median(lambda took: amount / getattr(took[name], part))


def _ratio(rounds: Rounds, other: str, name: str, part: str = "wall") -> float | None:
    if other not in rounds.candidates:
        return None
    return rounds.median(lambda took: getattr(took[other], part) / getattr(took[name], part))


def _ratios(rounds: Rounds, name: str) -> dict[str, Any]:
    return {
        "ratio_to_sb3": _ratio(rounds, SB3, name),
        "ratio_to_sbx": _ratio(rounds, SBX, name),
        "update_ratio_to_sb3": _ratio(rounds, SB3, name, "update"),
    }


def _split(rounds: Rounds, name: str) -> dict[str, float]:
    """Return the milliseconds of a turn in each of its parts; what is left is inference."""

    def rest(took: Took) -> float:
        return took[name].wall - took[name].world - took[name].update

    return {
        "world_ms": 1e3 * rounds.median(lambda took: took[name].world),
        "inference_ms": 1e3 * rounds.median(rest),
        "update_ms": 1e3 * rounds.median(lambda took: took[name].update),
    }


def _told_of(rounds: Rounds) -> dict[str, Any]:
    return {
        "rounds": len(rounds.accepted()),
        "rejected": len(rounds.rejected()),
        "machine_gflops": rounds.machine(),
    }


def _versions(name: str, versions: dict[str, str]) -> dict[str, Any]:
    return {"versions": versions} if name == SBX else {}
