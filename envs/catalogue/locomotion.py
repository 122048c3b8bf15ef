"""Streams of MuJoCo's bodies, whose ground, goal or strength changes."""

from __future__ import annotations

import math

from ...wrappers.change import Change
from ...wrappers.drifts import OrnsteinUhlenbeck, Sine
from ...wrappers.lengths import ClippedNormalLength
from ...wrappers.schedules import OnceBetween, Periodic, Piecewise
from ...wrappers.values import After, Categorical, Clipped, LogUniform, Uniform, ValueLaw
from ..stream import Stream
from .listing import listed


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


@listed("SlipperyAnt-v0")
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


@listed("HalfCheetahVelocity-v0")
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


@listed("HalfCheetahDirection-v0")
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


@listed("AntDirection-v0")
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


@listed("AntGoal-v0")
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


@listed("WalkerPhysics-v0")
def walker_physics(mean_length: float = 60.0) -> Stream:
    """Walker2d whose masses, gravity and strength change inside the episode.

    The segment law is SeCBAD's (Chen et al., NeurIPS 2022); the quantities and ranges are ours.

    Args:
        mean_length: mean of a segment's normal length, in steps.
    """
    return _physics("everlearn/WalkerPhysics-v0", "Walker2d-v5", mean_length)


@listed("HopperPhysics-v0")
def hopper_physics(mean_length: float = 60.0) -> Stream:
    """Hopper whose masses, gravity and strength change inside the episode.

    The segment law is SeCBAD's (Chen et al., NeurIPS 2022); the quantities and ranges are ours.

    Args:
        mean_length: mean of a segment's normal length, in steps.
    """
    return _physics("everlearn/HopperPhysics-v0", "Hopper-v5", mean_length)


@listed("LegBreakAnt-v0")
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


@listed("DriftingHalfCheetah-v0")
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
