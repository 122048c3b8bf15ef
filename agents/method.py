"""What a method is: settings, state, and the few places where it takes part in learning."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from gymnasium.spaces import Space
from torch import Tensor, nn
from torch.optim import Optimizer

from ..wrappers.errors import SettingsError
from ..wrappers.settings import convert_settings
from .experience import Experience, Rollout
from .layers import Part, Units

if TYPE_CHECKING:
    from .replay.replay import Replay


class Method(nn.Module):
    """Something that keeps an agent able to learn: abstract base of all methods.

    A method is a `@dataclass(eq=False, repr=False)` whose fields are its settings: plain data,
    each followed by a docstring of one line that names its source. Its state is buffers, registered
    in `attach`, and `generator`: both are saved and loaded with the agent. It takes part by
    overriding some of `attach`, `network`, `optimizer`, `regularize`, `track`, `penalty`,
    `change_gradients`, `observe`, `after_step`, `after_iteration`, `notices`, `reward` and
    `on_change`; with an agent that learns from a replay buffer `before_updates` and
    `entropy_weights`; and with PPO `after_rollout`. All of them do nothing here.

    An agent works with its own copy, built from `settings()`: one instance may be given to many.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(eq=False, repr=False)
        ... class WeightPenalty(Method):
        ...     name = "weight-penalty"
        ...     coefficient: float = 1e-3
        ...
        ...     def regularize(self, name: str, parameters: Sequence[Tensor]) -> Tensor:
        ...         return self.coefficient * sum(p.square().sum() for p in parameters)
        >>> WeightPenalty(coefficient=0.5)
        WeightPenalty(coefficient=0.5)
    """

    name: ClassVar[str]
    """What users call it: "continual-backprop"."""

    brings: ClassVar[str | None] = None
    """What of a network there can be only one of and `network` sets: "activation"."""

    needs_features: ClassVar[bool] = False
    """Whether the hidden layers' `features` are to be kept for its `after_step`."""

    needs_gradients: ClassVar[bool] = False
    """Whether the parameters' `grad`, clipped, is to be kept for its `after_step`."""

    acts_rarely: ClassVar[bool] = False
    """Whether it changes parameters so rarely, if ever, that what only this needs is prepared when
    it first happens."""

    replays: ClassVar[bool] = False
    """Whether it means nothing to agents without a replay buffer, though it has none of its
    seams."""

    generator: torch.Generator | None
    """The source of all its randomness; None unless `attach` makes one."""

    env_steps: int
    """The agent's `num_timesteps` at the end of the last iteration."""

    spaces: tuple[Space[Any], Space[Any]] | None
    """Those of observations and actions, before `attach`; None where there is no world, as in the
    plasticity probe."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Method:
        """Make the module ready for the fields that a dataclass assigns first of all."""
        method = super().__new__(cls)
        nn.Module.__init__(method)
        method.generator = None
        method.env_steps = 0
        method.spaces = None
        return method

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a hand-written constructor: its arguments could not be saved."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            raise TypeError(f"{cls.__name__}: write the settings as fields of a dataclass")

    def __post_init__(self) -> None:
        """Bring each setting to its type; subclasses go on to check the ranges.

        Raises:
            SettingsError: a setting of the wrong type.
        """
        for name, value in convert_settings(self.name, type(self), self.settings()).items():
            setattr(self, name, value)
            if isinstance(value, float):
                self.require(name, math.isfinite(value), "finite")

    def require(self, setting: str, fits: bool, allowed: str) -> None:
        """Raise unless a setting fits.

        Args:
            setting: the field.
            fits: whether its value may be used.
            allowed: the values that may, such as "from 0 to 1".

        Raises:
            SettingsError: it does not fit.
        """
        if not fits:
            value = getattr(self, setting)
            raise SettingsError(f"{self.name} setting {setting!r} must be {allowed}, not {value}")

    def settings(self) -> dict[str, Any]:
        """Return the settings as plain data, from which the method can be built again."""
        if not is_dataclass(self):
            return {}
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def extra_repr(self) -> str:
        """Return the settings for `repr`."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings().items())

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Register the state for an agent's networks.

        Called once, before the first step. Buffers of a loaded agent are filled in afterwards.

        Args:
            parts: the agent's networks.
            seed: for `self.generator = torch.Generator().manual_seed(seed)`; torch's and numpy's
                global generators are not to be used. Differs between the methods of an agent.
        """

    def network(self, policy: nn.Module) -> None:
        """Change the agent's network, in place and before its optimizer is made.

        Args:
            policy: stable-baselines3's policy, or a bare `nn.Sequential`, as the plasticity probe
                trains one; `everlearn.agents.bodies.network_bodies` finds the networks in either.
        """

    def optimizer(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, settings: Mapping[str, Any]
    ) -> Optimizer | None:
        """Return the optimizer to be used, or None for the one that is in use.

        Args:
            parameters: what it is to optimize.
            learning_rate: the initial learning rate; stable-baselines3 goes on to set it.
            settings: the policy's `optimizer_kwargs`.
        """
        return None

    def regularize(self, name: str, parameters: Sequence[Tensor]) -> Tensor | None:
        """Return what is to be added to the loss of a gradient step, as a function of parameters.

        Some back ends compile it into the update, where it costs next to nothing: it may do
        arithmetic of tensors of fixed shapes with the arguments and its own buffers, but neither
        change these nor draw random numbers nor depend on a tensor's value otherwise.

        Args:
            name: the part's.
            parameters: in the order of `part.parameters`, which `attach` was given.

        Returns:
            A scalar, or None. Its gradient is clipped together with the gradient of the loss.
        """
        return None

    def track(self, name: str, parameters: Sequence[Tensor]) -> None:
        """Bring buffers that `regularize` reads up to date after a gradient step.

        What holds for `regularize` holds for it, but that it changes its own buffers in place.

        Args:
            name: the part's.
            parameters: after the step, in the order of `part.parameters`.
        """

    def learning_rate(self, rate: float, steps: int) -> float:
        """Return the learning rate of the updates that come now.

        Asked before each call of `train`: after a rollout for PPO, every `train_freq` steps for
        SAC, whose temperature follows too.

        Args:
            rate: what stable-baselines3's schedule gives, or the method before this one.
            steps: environment steps of the agent's whole life, over all copies of the world.
        """
        return rate

    def penalty(self, part: Part) -> Tensor | None:
        """Return what is to be added to the loss of a gradient step, or None.

        Only for what `regularize` can't express: no back end compiles it, and differentiating it
        can take longer than the update itself.

        Args:
            part: the network; a penalty depends on its parameters.

        Returns:
            A scalar. Its gradient is clipped together with the gradient of the loss.
        """
        return self.regularize(part.name, part.parameters)

    def change_gradients(self, part: Part, gradients: Sequence[Tensor]) -> None:
        """Change, in place, the gradient that the optimizer is about to step with.

        It is that of the loss with all penalties, and clipped where the agent clips.

        Args:
            part: the network.
            gradients: of its parameters, in their order; to be made neither longer nor None.
        """

    def observe(self, name: str, layers: Sequence[Units]) -> None:
        """Measure a network's units after a gradient step, as a part of the update itself.

        Some back ends compile it into the update, where it costs next to nothing: it may do
        arithmetic of tensors of fixed shapes with the arguments and its own buffers, and change
        these in place, but neither draw random numbers nor depend on a tensor's value otherwise.
        Where `part.observed` is False nobody calls it but the method itself, in `after_step`.

        Args:
            name: the part's.
            layers: its hidden layers, from the input to the output.
        """

    def after_step(self, part: Part) -> None:
        """Act after a gradient step; gradients are off.

        Args:
            part: a network whose optimizer has just made a step.
        """

    def after_iteration(self) -> dict[str, float]:
        """Act after an iteration, which for PPO is one rollout with its updates.

        Returns:
            What is to be logged, by tag.
        """
        return {}

    def notices(self, experience: Experience) -> bool:
        """Look at a step of all copies of the world, and say whether the world has changed.

        Where it does, `on_change` of all methods is called after the step, as if the stream had
        told of a change.

        Args:
            experience: the step.
        """
        return False

    def reward(self, experience: Experience, rewards: np.ndarray) -> np.ndarray:
        """Return the rewards that the agent is to learn from.

        What is logged of episodes stays what the world gave.

        Args:
            experience: the step.
            rewards: those of the world, or of the method before this one, of shape (copies,).
        """
        return rewards

    def on_change(self, info: Mapping[str, Any]) -> None:
        """Act when the stream tells its learner that the world has changed, or a method notices.

        Called at most once for an environment step, however many copies of the world changed.

        Args:
            info: what a copy of the world that changed tells about itself; the names are in
                `everlearn.wrappers.info`. Where a method noticed it, "detected" is among them, and
                all that there is if nobody told.
        """

    def after_rollout(self, rollout: Rollout) -> None:
        """Look at a rollout before PPO learns from it; gradients are off.

        Agents that learn otherwise refuse methods that take part here.

        Args:
            rollout: what all copies of the world lived through.
        """

    def before_updates(self, replay: Replay) -> None:
        """Act before an agent learns from its replay buffer, and say how often it is to.

        Called after each rollout, also where no update follows. Agents without a replay buffer
        refuse methods that take part here.

        Args:
            replay: what is replayed; `ratio` may be set.
        """

    def entropy_weights(self) -> Tensor | None:
        """Return the weight of each action dimension in SAC's entropy, or None for 1 each.

        Asked once, after `attach`: a buffer of shape (dimensions,), which is read at each gradient
        step and may be changed in place. Other agents refuse methods that take part here.
        """
        return None

    def get_extra_state(self) -> Tensor:
        """Return the generator's state, for `state_dict`."""
        if self.generator is None:
            return torch.empty(0, dtype=torch.uint8)
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Bring the generator's state back.

        Args:
            state: from `get_extra_state`.
        """
        if self.generator is not None:
            self.generator.set_state(state.cpu())


def overrides(method: Method, *seams: str) -> bool:
    """Say whether a method takes part in learning through one of some seams.

    Args:
        method: the method.
        *seams: names of methods of `Method`.

    Example:
        >>> class Idle(Method):
        ...     name = "idle"
        >>> overrides(Idle(), "after_step", "penalty")
        False
    """
    return any(getattr(type(method), seam) is not getattr(Method, seam) for seam in seams)


def may_reset_optimizer(methods: Iterable[Method], soon: bool = False) -> bool:
    """Say whether methods act where they may let the optimizer forget some of what it knows.

    Args:
        methods: an agent's.
        soon: whether to ask only those that do not act rarely.

    Example:
        >>> class Idle(Method):
        ...     name = "idle"
        >>> may_reset_optimizer([Idle()])
        False
    """
    asked = [method for method in methods if not (soon and method.acts_rarely)]
    return any(overrides(method, "after_step", "on_change") for method in asked)


def needs_replay(method: Method) -> bool:
    """Say whether only an agent that learns from a replay buffer can have a method.

    Args:
        method: the method.
    """
    return method.replays or overrides(method, "before_updates", "entropy_weights")


def needs_rollouts(method: Method) -> bool:
    """Say whether only an agent that learns from rollouts can have a method.

    Args:
        method: the method.
    """
    return overrides(method, "after_rollout")


def refuse_rollouts(methods: Iterable[Method], learner: str) -> None:
    """Refuse methods that only an agent which learns from rollouts can have.

    Args:
        methods: a learner's.
        learner: what it is: "SAC".

    Raises:
        SettingsError: naming the first of them.
    """
    for method in methods:
        if needs_rollouts(method):
            raise SettingsError(
                f"the method {method.name!r} needs an agent that learns from rollouts, as PPO "
                f"does, not {learner}"
            )


def refuse_replay(methods: Iterable[Method], learner: str) -> None:
    """Refuse methods that only an agent with a replay buffer can have.

    Args:
        methods: a learner's.
        learner: what it is: "PPO".

    Raises:
        SettingsError: naming the first of them.
    """
    for method in methods:
        if needs_replay(method):
            raise SettingsError(
                f"the method {method.name!r} needs an agent that learns from a replay buffer, as "
                f"SAC does, not {learner}"
            )
