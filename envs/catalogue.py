"""The streams that come with everlearn, each a function from its settings to its data.

A stream's stationary twin, for control experiments, is `make_stream(name).frozen()`: the same
worlds, for ever in their first context.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from ..wrappers.change import Change
from ..wrappers.drifts import Linear, OrnsteinUhlenbeck, Sine
from ..wrappers.lengths import ClippedNormalLength, GeometricLength
from ..wrappers.observe_context import TASK
from ..wrappers.schedules import OnceBetween, Periodic, Piecewise
from ..wrappers.transitions import LinearRamp, Step, Transition
from ..wrappers.values import (
    After,
    Categorical,
    Clipped,
    LogUniform,
    Mixture,
    Uniform,
    ValueLaw,
    Values,
)
from .metaworld import CW10
from .stream import Stream

CATALOGUE: dict[str, Callable[..., Stream]] = {}
"""Every stream by its id."""


def _listed(name: str) -> Callable[[Callable[..., Stream]], Callable[..., Stream]]:
    def enter(builder: Callable[..., Stream]) -> Callable[..., Stream]:
        CATALOGUE[f"everlearn/{name}"] = builder
        return builder

    return enter


def _in_segments(
    knob: str, law: ValueLaw, mean: float, deviation: float, minimum: int, noise: float = 0.0
) -> Change:
    """Change as SeCBAD's worlds do: in each episode anew, each copy for itself."""
    return Change(
        knob,
        law,
        Piecewise(ClippedNormalLength(mean, deviation, minimum)),
        noise=noise,
        clock="episode",
        scope="independent",
    )


@_listed("SlipperyAnt-v0")
def slippery_ant(change_every: int = 2_000_000, low: float = 0.02, high: float = 2.0) -> Stream:
    """Ant on ground whose friction is drawn anew, hidden from the agent.

    Dohare et al., "Loss of plasticity in deep continual learning", Nature 2024: friction
    log-uniform on [0.02, 2], a new one every two million steps. The published environment waits
    for the episode's end; this one changes at the step itself, inside the episode. It stands on
    gymnasium's Ant-v5, whose observations hold contact forces: returns are not comparable with the
    paper's Ant-v3.

    Args:
        change_every: global environment steps between changes, at least 1.
        low: least friction, above 0.
        high: greatest friction, above `low`.
    """
    friction = Change("friction", LogUniform(low, high), Periodic(change_every))
    return Stream("everlearn/SlipperyAnt-v0", ("Ant-v5",), (friction,))


@_listed("HalfCheetahVelocity-v0")
def half_cheetah_velocity(
    low: float = 0.0, high: float = 3.0, mean_length: float = 60.0, noise: float = 0.12
) -> Stream:
    """HalfCheetah that is to keep a velocity, which changes inside the episode.

    SeCBAD (Chen et al., NeurIPS 2022): velocity uniform on [0, 3], segments max(int(N(60, 20)),
    10), noise 0.12, 200 steps, cost of control 0.05; changes are told in training only.

    Args:
        low: least velocity, metres a second.
        high: greatest velocity, above `low`.
        mean_length: mean of a segment's normal length, in steps.
        noise: standard deviation of the velocity's noise at each step.
    """
    velocity = _in_segments("goal-velocity", Uniform(low, high), mean_length, 20.0, 10, noise)
    return Stream(
        "everlearn/HalfCheetahVelocity-v0",
        ("HalfCheetah-v5",),
        (velocity,),
        world_settings={"ctrl_cost_weight": 0.05, "max_episode_steps": 200},
        boundary_labels="training",
    )


@_listed("HalfCheetahDirection-v0")
def half_cheetah_direction(mean_length: float = 60.0) -> Stream:
    """HalfCheetah that is to run forward or backward, which changes inside the episode.

    Registered by name in SeCBAD's code (Chen et al., NeurIPS 2022) without its definition: the
    segment law is that of its other tasks.

    Args:
        mean_length: mean of a segment's normal length, in steps.
    """
    direction = _in_segments("goal-direction", Categorical((0.0, math.pi)), mean_length, 20.0, 10)
    return Stream(
        "everlearn/HalfCheetahDirection-v0",
        ("HalfCheetah-v5",),
        (direction,),
        world_settings={"ctrl_cost_weight": 0.05, "max_episode_steps": 200},
        boundary_labels="training",
    )


_TIRELESS_ANT = {
    "healthy_reward": 0.0,
    "terminate_when_unhealthy": False,
    "max_episode_steps": 200,
}
"""Ant as in SeCBAD: no reward for staying alive, and no end but the time limit."""


@_listed("AntDirection-v0")
def ant_direction(mean_length: float = 60.0, noise: float = 0.02) -> Stream:
    """Ant that is to run in a direction, which changes inside the episode.

    SeCBAD's AntDir2D (Chen et al., NeurIPS 2022): direction uniform on the circle, segments
    max(int(N(60, 20)), 10), noise 0.02, 200 steps, cost of control 0.1.

    Args:
        mean_length: mean of a segment's normal length, in steps.
        noise: standard deviation of the direction's noise at each step, in radians.
    """
    direction = _in_segments(
        "goal-direction", Uniform(0.0, 2 * math.pi), mean_length, 20.0, 10, noise
    )
    return Stream(
        "everlearn/AntDirection-v0",
        ("Ant-v5",),
        (direction,),
        world_settings={"ctrl_cost_weight": 0.1, **_TIRELESS_ANT},
        boundary_labels="training",
    )


@_listed("AntGoal-v0")
def ant_goal(reach: float = 2.0, mean_length: float = 60.0) -> Stream:
    """Ant that is to be at a place of the plane, which changes inside the episode.

    Registered by name in SeCBAD's code (Chen et al., NeurIPS 2022) without its definition: the
    goal uniform on a square and the L1 distance as cost are ours.

    Args:
        reach: half the side of the square of goals, in metres, above 0.
        mean_length: mean of a segment's normal length, in steps.
    """
    goals = tuple(
        _in_segments(f"goal-{axis}", Uniform(-reach, reach), mean_length, 20.0, 10) for axis in "xy"
    )
    return Stream(
        "everlearn/AntGoal-v0",
        ("Ant-v5",),
        goals,
        world_settings={"forward_reward_weight": 0.0, "ctrl_cost_weight": 0.1, **_TIRELESS_ANT},
        boundary_labels="training",
    )


def _physics(name: str, world: str, mean_length: float) -> Stream:
    changes = (
        _in_segments("mass-scale", LogUniform(0.5, 2.0), mean_length, 20.0, 10),
        _in_segments("gravity-scale", Uniform(0.5, 1.5), mean_length, 20.0, 10),
        _in_segments("actuator-gain-scale", Uniform(0.5, 1.5), mean_length, 20.0, 10),
    )
    return Stream(name, (world,), changes, boundary_labels="training")


@_listed("WalkerPhysics-v0")
def walker_physics(mean_length: float = 60.0) -> Stream:
    """Walker2d whose masses, gravity and strength change inside the episode.

    The segment law is SeCBAD's (Chen et al., NeurIPS 2022); the quantities and ranges are ours.

    Args:
        mean_length: mean of a segment's normal length, in steps.
    """
    return _physics("everlearn/WalkerPhysics-v0", "Walker2d-v5", mean_length)


@_listed("HopperPhysics-v0")
def hopper_physics(mean_length: float = 60.0) -> Stream:
    """Hopper whose masses, gravity and strength change inside the episode.

    The segment law is SeCBAD's (Chen et al., NeurIPS 2022); the quantities and ranges are ours.

    Args:
        mean_length: mean of a segment's normal length, in steps.
    """
    return _physics("everlearn/HopperPhysics-v0", "Hopper-v5", mean_length)


@_listed("CartPoleForceSign-v0")
def cartpole_force_sign(mean_length: float = 60.0) -> Stream:
    """CartPole whose left and right swap at hidden moments, also between episodes.

    The smallest world that asks for inference of its context: without memory it cannot be solved,
    with a few past steps it is easy. Segments are SeCBAD's, on a clock that episodes do not reset.

    Args:
        mean_length: mean of a segment's normal length, in steps.
    """
    force = Change(
        "cartpole-force",
        Categorical((-10.0, 10.0)),
        Piecewise(ClippedNormalLength(mean_length, 20.0, 10)),
        clock="copy",
        scope="independent",
    )
    return Stream(
        "everlearn/CartPoleForceSign-v0", ("CartPole-v1",), (force,), boundary_labels="training"
    )


@_listed("ReactiveCartPole-v0")
def reactive_cartpole(change_every: int = 500_000, gradual: bool = False) -> Stream:
    """CartPole without an end that goes back and forth between two sets of physics.

    Reactive Exploration (Steinparz et al., CoLLAs 2022): half the pole's length 0.5 or 1, the
    cart's mass 1 or 2, the force 10 or -10; at once, or all the way long.

    Args:
        change_every: global environment steps between changes, at least 1.
        gradual: whether the values move evenly from one set to the other and back.
    """
    transition: Transition = LinearRamp(change_every) if gradual else Step()
    sets = {
        "cartpole-length": (0.5, 1.0),
        "cartpole-masscart": (1.0, 2.0),
        "cartpole-force": (10.0, -10.0),
    }
    changes = tuple(
        Change(knob, Values(values), Periodic(change_every), transition)
        for knob, values in sets.items()
    )
    return Stream("everlearn/ReactiveCartPole-v0", ("everlearn/EndlessCartPole-v0",), changes)


@_listed("CataclysmicCartPole-v0")
def cataclysmic_cartpole(
    kind: Literal["force", "damping", "track", "all"] = "all", gradual: bool = False
) -> Stream:
    """CartPole with a continuous action that is broken once in each episode, without a cue.

    Inspired by Kelly et al., "Discovering adaptable symbolic algorithms from scratch" (IROS 2023),
    whose exact specification is not public: laws and ranges are ours. The force's factor may turn
    around, because its size alone hardly asks for another policy.

    Args:
        kind: what breaks: the force, the joint's damping, the track's angle, or all three.
        gradual: whether it takes 200 steps instead of none.
    """
    laws: dict[str, tuple[str, ValueLaw]] = {
        "force": ("action-gain", After(1.0, Mixture((Uniform(-1.0, -0.3), Uniform(0.3, 1.0))))),
        "damping": ("tilted-cartpole-damping", After(0.0, Uniform(0.0, 0.2))),
        "track": ("tilted-cartpole-track-angle", After(0.0, Uniform(-15.0, 15.0))),
    }
    transition: Transition = LinearRamp(200) if gradual else Step()
    changes = tuple(
        Change(
            knob,
            law,
            OnceBetween(200, 800),
            transition,
            clock="episode",
            scope="independent",
        )
        for name, (knob, law) in laws.items()
        if kind in (name, "all")
    )
    return Stream("everlearn/CataclysmicCartPole-v0", ("everlearn/TiltedCartPole-v0",), changes)


@_listed("LegBreakAnt-v0")
def leg_break_ant(earliest: int = 100, latest: int = 500) -> Stream:
    """Ant that loses the power of one leg once in each episode.

    After the quadruped of Kelly et al. (IROS 2023), one of whose legs goes passive. The leg's
    actuators have no effect, and their actions cost what they did.

    Args:
        earliest: first step of the episode at which it may happen, at least 1.
        latest: last step at which it may happen.
    """
    leg = Change(
        "leg-failure",
        After(-1.0, Categorical((0.0, 1.0, 2.0, 3.0))),
        OnceBetween(earliest, latest),
        clock="episode",
        scope="independent",
    )
    return Stream("everlearn/LegBreakAnt-v0", ("Ant-v5",), (leg,))


def _lifelong(name: str, world: str, change_every: int) -> Stream:
    offset = Change("observation-offset", Linear(0.0, 1.0), Periodic(change_every))
    return Stream(f"everlearn/{name}", (world,), (offset,))


@_listed("LifelongCartPole-v0")
def lifelong_cartpole(change_every: int = 160_000) -> Stream:
    """CartPole whose observations get another constant offset at each level.

    TRAC's lifelong control (Muppidi et al., NeurIPS 2024): no offset at first, then each drawn from
    N(0, 2^2), a level every 200 iterations of 800 steps.

    Args:
        change_every: global environment steps between levels, at least 1.
    """
    return _lifelong("LifelongCartPole-v0", "CartPole-v1", change_every)


@_listed("LifelongAcrobot-v0")
def lifelong_acrobot(change_every: int = 160_000) -> Stream:
    """Acrobot whose observations get another constant offset at each level.

    TRAC's lifelong control (Muppidi et al., NeurIPS 2024), see LifelongCartPole.

    Args:
        change_every: global environment steps between levels, at least 1.
    """
    return _lifelong("LifelongAcrobot-v0", "Acrobot-v1", change_every)


@_listed("LifelongLunarLander-v0")
def lifelong_lunar_lander(change_every: int = 160_000) -> Stream:
    """LunarLander whose observations get another constant offset at each level.

    TRAC's lifelong control (Muppidi et al., NeurIPS 2024), see LifelongCartPole. EnvPool steps it
    where gymnasium's Box2D is not installed.

    Args:
        change_every: global environment steps between levels, at least 1.
    """
    return _lifelong("LifelongLunarLander-v0", "LunarLander-v3", change_every)


@_listed("DriftingHalfCheetah-v0")
def drifting_half_cheetah(period: float = 50.0) -> Stream:
    """HalfCheetah whose goal velocity and wind drift from episode to episode.

    Like the dynamic-parameter worlds of LILAC (Xie, Harrison and Finn, ICML 2021): constant inside
    an episode, Markov from one to the next. The laws are ours.

    Args:
        period: episodes in which the goal velocity goes up and down once, above 0.
    """
    changes = (
        Change("goal-velocity", Sine(1.5, 1.5, period), Periodic(1), clock="episodes"),
        Change(
            "wind-x",
            Clipped(OrnsteinUhlenbeck(0.0, 4.0, 0.1), -10.0, 10.0),
            Periodic(1),
            clock="episodes",
        ),
    )
    return Stream("everlearn/DriftingHalfCheetah-v0", ("HalfCheetah-v5",), changes)


@_listed("SwitchingBandit-v0")
def switching_bandit(probability: float = 0.001) -> Stream:
    """Two-armed bandit whose best arm switches at random.

    Abel et al., "A definition of continual reinforcement learning" (NeurIPS 2023): an agent that
    stops learning loses.

    Args:
        probability: of a switch at a step, above 0 and at most 1.
    """
    switch = Change("bandit-best-arm", Values((0.0, 1.0)), Piecewise(GeometricLength(probability)))
    return Stream("everlearn/SwitchingBandit-v0", ("everlearn/TwoArmedBandit-v0",), (switch,))


@_listed("SwitchingChain-v0")
def switching_chain(probability: float = 0.001) -> Stream:
    """Two-state world whose rewarding state switches at random.

    Abel et al., "A definition of continual reinforcement learning" (NeurIPS 2023).

    Args:
        probability: of a switch at a step, above 0 and at most 1.
    """
    switch = Change("chain-goal", Values((0.0, 1.0)), Piecewise(GeometricLength(probability)))
    return Stream("everlearn/SwitchingChain-v0", ("everlearn/TwoStateChain-v0",), (switch,))


def _sequence(name: str, worlds: tuple[str, ...], steps: int, **settings: object) -> Stream:
    """Put whole worlds one after the other, told to the agent."""
    task = Change(TASK, Values(tuple(float(i) for i in range(len(worlds)))), Periodic(steps))
    return Stream(
        f"everlearn/{name}",
        worlds,
        (task,),
        world_settings=settings,
        boundary_labels="always",
    )


@_listed("CW10-v0")
def cw10(steps_per_task: int = 1_000_000) -> Stream:
    """Continual World's ten manipulation tasks, one after the other.

    Wolczyk et al., "Continual World" (NeurIPS 2021), on version 3 of Meta-World's tasks, whose
    rewards have another scale: returns are not comparable. After the tenth task the first comes
    again: twice ten tasks are CW20.

    Args:
        steps_per_task: global environment steps on each task, at least 1.
    """
    return _sequence("CW10-v0", CW10, steps_per_task)


@_listed("CW20-v0")
def cw20(steps_per_task: int = 1_000_000) -> Stream:
    """Continual World's ten manipulation tasks, twice; the name says that it lasts 20 tasks.

    Wolczyk et al., "Continual World" (NeurIPS 2021), see CW10.

    Args:
        steps_per_task: global environment steps on each task, at least 1.
    """
    return _sequence("CW20-v0", CW10 * 2, steps_per_task)


@_listed("CW3-v0")
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


@_listed("Atari6-v0")
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


@_listed("MiniGridSequence-v0")
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


@_listed("WalkerCycle-v0")
def walker_cycle(steps_per_task: int = 500_000) -> Stream:
    """The walker of dm_control, which is to stand, to walk and to run in turn.

    State observations; the cycle is ours.

    Args:
        steps_per_task: global environment steps on each task, at least 1.
    """
    worlds = ("WalkerStand-v1", "WalkerWalk-v1", "WalkerRun-v1")
    return _sequence("WalkerCycle-v0", worlds, steps_per_task)


@_listed("WalkerCheetahCycle-v0")
def walker_cheetah_cycle(steps_per_task: int = 500_000) -> Stream:
    """Two bodies of dm_control in turn: the walker walks, the cheetah runs.

    State observations, padded to the longer; the cycle is ours.

    Args:
        steps_per_task: global environment steps on each body, at least 1.
    """
    return _sequence("WalkerCheetahCycle-v0", ("WalkerWalk-v1", "CheetahRun-v1"), steps_per_task)
