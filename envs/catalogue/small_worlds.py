"""Streams of small worlds, which run in seconds."""

from __future__ import annotations

from typing import Any, Literal

from ...wrappers.change import Change
from ...wrappers.drifts import Linear
from ...wrappers.lengths import ClippedNormalLength, GeometricLength
from ...wrappers.schedules import OnceBetween, Periodic, Piecewise
from ...wrappers.transitions import LinearRamp, Step, Transition
from ...wrappers.values import After, Categorical, Mixture, Uniform, ValueLaw, Values
from ..stream import Stream
from .listing import listed


@listed("CartPoleForceSign-v0")
def cartpole_force_sign(mean_length: float = 60.0, redraw: bool = True) -> Stream:
    """CartPole whose left and right swap at hidden moments, also between episodes.

    The smallest world that asks for inference of its context: without memory it cannot be solved,
    with a few past steps it is easy. Segments are SeCBAD's, on a clock that episodes do not reset.

    Args:
        mean_length: mean of a segment's normal length, in steps.
        redraw: whether each segment's side is drawn anew, so that half of the changes are none, or
            every change swaps.
    """
    sides: ValueLaw = Categorical((-10.0, 10.0)) if redraw else Values((10.0, -10.0))
    force = Change(
        "cartpole-force",
        sides,
        Piecewise(ClippedNormalLength(mean_length, 20.0, 10)),
        clock="copy",
        scope="independent",
    )
    return Stream(
        "everlearn/CartPoleForceSign-v0", ("CartPole-v1",), (force,), boundary_labels="training"
    )


@listed("CartPoleForces-v0")
def cartpole_forces(
    episodes: int = 3, least: float = 5.0, most: float = 15.0, horizon: int = 100
) -> Stream:
    """CartPole whose hidden force has another size and side every few episodes.

    A space of contexts for agents that adapt within a trial, as RL² does: least to most newtons, to
    either side. Laws and ranges are ours.

    Args:
        episodes: of each copy between changes, at least 1.
        least: of the force's size, in newtons.
        most: of the force's size, in newtons.
        horizon: steps of an episode at most.
    """
    force = Change(
        "cartpole-force",
        Mixture((Uniform(-most, -least), Uniform(least, most))),
        Periodic(episodes),
        clock="episodes",
        scope="independent",
    )
    return Stream(
        "everlearn/CartPoleForces-v0",
        ("CartPole-v1",),
        (force,),
        world_settings={"max_episode_steps": horizon},
        boundary_labels="training",
    )


@listed("ReactiveCartPole-v0")
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


@listed("CataclysmicCartPole-v0")
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


def _lifelong(name: str, world: str, change_every: int) -> Stream:
    offset = Change("observation-offset", Linear(0.0, 1.0), Periodic(change_every))
    return Stream(f"everlearn/{name}", (world,), (offset,))


@listed("LifelongCartPole-v0")
def lifelong_cartpole(change_every: int = 160_000) -> Stream:
    """CartPole whose observations get another constant offset at each level.

    TRAC's lifelong control (Muppidi et al., NeurIPS 2024): no offset at first, then each drawn from
    N(0, 2^2), a level every 200 iterations of 800 steps.

    Args:
        change_every: global environment steps between levels, at least 1.
    """
    return _lifelong("LifelongCartPole-v0", "CartPole-v1", change_every)


@listed("LifelongAcrobot-v0")
def lifelong_acrobot(change_every: int = 160_000) -> Stream:
    """Acrobot whose observations get another constant offset at each level.

    TRAC's lifelong control (Muppidi et al., NeurIPS 2024), see LifelongCartPole.

    Args:
        change_every: global environment steps between levels, at least 1.
    """
    return _lifelong("LifelongAcrobot-v0", "Acrobot-v1", change_every)


@listed("LifelongLunarLander-v0")
def lifelong_lunar_lander(change_every: int = 160_000) -> Stream:
    """LunarLander whose observations get another constant offset at each level.

    TRAC's lifelong control (Muppidi et al., NeurIPS 2024), see LifelongCartPole. EnvPool steps it
    where gymnasium's Box2D is not installed.

    Args:
        change_every: global environment steps between levels, at least 1.
    """
    return _lifelong("LifelongLunarLander-v0", "LunarLander-v3", change_every)


@listed("SwitchingBandit-v0")
def switching_bandit(probability: float = 0.001) -> Stream:
    """Two-armed bandit whose best arm switches at random.

    Abel et al., "A definition of continual reinforcement learning" (NeurIPS 2023): an agent that
    stops learning loses.

    Args:
        probability: of a switch at a step, above 0 and at most 1.
    """
    switch = Change("bandit-best-arm", Values((0.0, 1.0)), Piecewise(GeometricLength(probability)))
    return Stream("everlearn/SwitchingBandit-v0", ("everlearn/TwoArmedBandit-v0",), (switch,))


@listed("HiddenArm-v0")
def hidden_arm(episodes: int = 3, pulls: int = 5) -> Stream:
    """Two-armed bandit in short episodes whose best arm and pay change every few episodes.

    A space of contexts in which agents that adapt within a trial gain from one episode to the next,
    as RL² does on bandits (Duan et al. 2016). What the arms pay is scaled by 0.5 to 1.5, which
    makes contexts many; laws and ranges are ours.

    Args:
        episodes: of each copy between changes, at least 1.
        pulls: steps of an episode.
    """
    when: dict[str, Any] = {
        "schedule": Periodic(episodes),
        "clock": "episodes",
        "scope": "independent",
    }
    return Stream(
        "everlearn/HiddenArm-v0",
        ("everlearn/TwoArmedBandit-v0",),
        (
            Change("bandit-best-arm", Categorical((0.0, 1.0)), **when),
            Change("reward-scale", Uniform(0.5, 1.5), **when),
        ),
        world_settings={"max_episode_steps": pulls},
        boundary_labels="training",
    )


@listed("SwitchingChain-v0")
def switching_chain(probability: float = 0.001) -> Stream:
    """Two-state world whose rewarding state switches at random.

    Abel et al., "A definition of continual reinforcement learning" (NeurIPS 2023).

    Args:
        probability: of a switch at a step, above 0 and at most 1.
    """
    switch = Change("chain-goal", Values((0.0, 1.0)), Piecewise(GeometricLength(probability)))
    return Stream("everlearn/SwitchingChain-v0", ("everlearn/TwoStateChain-v0",), (switch,))
