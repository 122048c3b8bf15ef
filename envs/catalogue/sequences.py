"""Streams of whole worlds, one after the other."""

from __future__ import annotations

from ...wrappers.change import Change
from ...wrappers.observe_context import TASK
from ...wrappers.schedules import Periodic
from ...wrappers.values import Values
from ..metaworld import CW10
from ..stream import Stream
from .listing import listed


def _sequence(name: str, worlds: tuple[str, ...], steps: int, **settings: object) -> Stream:
    """Put whole worlds one after the other; the learner is told when one begins."""
    task = Change(TASK, Values(tuple(float(i) for i in range(len(worlds)))), Periodic(steps))
    return Stream(
        f"everlearn/{name}",
        worlds,
        (task,),
        world_settings=settings,
        boundary_labels="always",
    )


@listed("CW10-v0")
def cw10(steps_per_task: int = 1_000_000) -> Stream:
    """Continual World's ten manipulation tasks, one after the other.

    Wolczyk et al., "Continual World" (NeurIPS 2021), on version 3 of Meta-World's tasks, whose
    rewards have another scale: returns are not comparable. After the tenth task the first comes
    again: twice ten tasks are CW20.

    Args:
        steps_per_task: global environment steps on each task, at least 1.
    """
    return _sequence("CW10-v0", CW10, steps_per_task)


@listed("CW20-v0")
def cw20(steps_per_task: int = 1_000_000) -> Stream:
    """Continual World's ten manipulation tasks, twice; the name says that it lasts 20 tasks.

    Wolczyk et al., "Continual World" (NeurIPS 2021), see CW10.

    Args:
        steps_per_task: global environment steps on each task, at least 1.
    """
    return _sequence("CW20-v0", CW10 * 2, steps_per_task)


@listed("CW3-v0")
def cw3(steps_per_task: int = 100_000) -> Stream:
    """Three of Continual World's tasks that are learned fast: a button, a faucet and a window.

    A short form for machines without a cluster (our choice of tasks), see CW10.

    Args:
        steps_per_task: global environment steps on each task, at least 1.
    """
    worlds = (
        "MetaWorld/HandlePressSide-v3",
        "MetaWorld/FaucetClose-v3",
        "MetaWorld/WindowClose-v3",
    )
    return _sequence("CW3-v0", worlds, steps_per_task)


@listed("Atari6-v0")
def atari6(steps_per_task: int = 12_500_000) -> Stream:
    """Six Atari games, one after the other, again and again.

    CORA (Powers et al., CoLLAs 2022): 50 million frames of each game, four to a step, all 18
    actions.

    Args:
        steps_per_task: global environment steps on each game, at least 1.
    """
    games = ("SpaceInvaders", "Krull", "BeamRider", "Hero", "StarGunner", "MsPacman")
    worlds = tuple(f"{game}-v5" for game in games)
    return _sequence("Atari6-v0", worlds, steps_per_task, full_action_space=True)


@listed("MiniGridSequence-v0")
def minigrid_sequence(steps_per_task: int = 200_000) -> Stream:
    """Four small grid worlds, from an empty room to a locked door, again and again.

    The sequence is ours, chosen to be cheap.

    Args:
        steps_per_task: global environment steps on each world, at least 1.
    """
    worlds = (
        "MiniGrid-Empty-5x5-v0",
        "MiniGrid-Empty-8x8-v0",
        "MiniGrid-DoorKey-5x5-v0",
        "MiniGrid-DoorKey-6x6-v0",
    )
    return _sequence("MiniGridSequence-v0", worlds, steps_per_task)


@listed("WalkerCycle-v0")
def walker_cycle(steps_per_task: int = 500_000) -> Stream:
    """The walker of dm_control, which is to stand, to walk and to run in turn.

    State observations; the cycle is ours.

    Args:
        steps_per_task: global environment steps on each task, at least 1.
    """
    worlds = ("WalkerStand-v1", "WalkerWalk-v1", "WalkerRun-v1")
    return _sequence("WalkerCycle-v0", worlds, steps_per_task)


@listed("WalkerCheetahCycle-v0")
def walker_cheetah_cycle(steps_per_task: int = 500_000) -> Stream:
    """Two bodies of dm_control in turn: the walker walks, the cheetah runs.

    State observations, padded to the longer; the cycle is ours.

    Args:
        steps_per_task: global environment steps on each body, at least 1.
    """
    return _sequence("WalkerCheetahCycle-v0", ("WalkerWalk-v1", "CheetahRun-v1"), steps_per_task)
