"""Plasticity injection: a fresh head learns on top of a frozen one, which changes no output."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast, final

import torch
from torch import Tensor, nn

from ...wrappers.errors import SettingsError
from ..layers import Part
from ..residual import Residual
from .occasional import Occasional
from .renewal import draw_fresh


@final
@dataclass(eq=False, repr=False)
class PlasticityInjection(Occasional):
    """Plasticity injection (Nikishin et al. 2023).

    "Deep reinforcement learning with plasticity injection", NeurIPS 2023.

    At the first occasion each head h becomes h + new - old: h is frozen, `new` is a fresh copy by
    the network's own law which learns from then on, and `old` is the same copy, frozen. The
    outputs do not change, not by a bit; how many parameters learn does not either. What lies below
    the head is shared and goes on learning. Later occasions do nothing.

    A network with several outputs, as SAC's actor, has a copy of the head for each. Target
    networks get the same copies at the same time, and then follow by Polyak averaging. The agent
    learns on the reference back end. The copies are there, unused, from the beginning, so that
    each parameter is in the optimizer once, and stays there.

    Example:
        >>> PlasticityInjection(every_steps=500_000, at_change=False).last_layers
        2
    """

    name: ClassVar[str] = "plasticity-injection"

    at_change: bool = True
    """Whether the first told change is the occasion (this package's: the paper injects once, at a
    time chosen by hand)."""

    networks: Literal["all", "actor", "critic"] = "all"
    """Which networks; "critic" means all critics (Nikishin et al. 2023: a value network)."""

    last_layers: int = 2
    """Layers of the head, the output included, or 0 for all (Nikishin et al. 2023: 2, above a
    convolutional encoder)."""

    def __post_init__(self) -> None:
        """Check the settings' ranges.

        Raises:
            SettingsError: one is outside of its range.
        """
        super().__post_init__()
        self.require("last_layers", self.last_layers >= 0, "0 or more")

    def network(self, policy: nn.Module) -> None:
        """Give each head its copies, unless there is never an occasion.

        Raises:
            SettingsError: the method can't see into the networks, or they have too few layers.
        """
        self.switch = _Switch([])
        if not self.has_occasions:
            return
        for name, modules, outputs in _networks(policy):
            if self.networks in ("all", name):
                head = self._head(name, modules)
                # All copies first: they must not copy each other's hooks.
                made = [_Injection([*head, output]) for output in outputs]
                for injection in made:
                    injection.connect()
                self.switch.injections += made

    def attach(self, parts: Sequence[Part], seed: int) -> None:
        """Begin to count.

        Raises:
            SettingsError: weights are made of other parameters, which a fresh head would lack.
        """
        for part in parts:
            part.places(layer.incoming.weight for layer in part.hidden)
        super().attach(parts, seed)

    def act(self) -> None:
        """Inject, if that was not done before."""
        if self.switch.on:
            return
        fresh: dict[int, Tensor] = {}
        seed = self.draw_seed()
        for part in self.parts:
            drawn = draw_fresh(part, seed)
            for parameters in (part.parameters, part.target):
                fresh |= {id(p): value for p, value in zip(parameters, drawn, strict=False)}
        for injection in self.switch.injections:
            injection.renew(fresh)
        self.switch.turn(True)

    def after_iteration(self) -> dict[str, float]:
        """Return whether there was an injection."""
        (tag,) = super().after_iteration()
        return {tag: float(self.switch.on)}

    def _head(self, name: str, modules: Sequence[nn.Module]) -> list[nn.Module]:
        """Return the hidden modules of the head."""
        if self.last_layers == 0:
            return list(modules)
        maps = (nn.Linear, Residual)
        starts = [i for i, module in enumerate(modules) if isinstance(module, maps)]
        if self.last_layers > len(starts) + 1:
            raise SettingsError(
                f"{self.name} setting 'last_layers' must be {len(starts) + 1} or less, as the "
                f"{name} has {len(starts) + 1} layers, not {self.last_layers}"
            )
        if self.last_layers == 1:
            return []
        if any(isinstance(module, Residual) for module in modules):
            raise SettingsError(
                f"{self.name} setting 'last_layers' must be 0 or 1 where there are residual "
                f"blocks, not {self.last_layers}"
            )
        return list(modules[starts[1 - self.last_layers] :])


@final
class _Injection(nn.Module):
    """The two copies of a head, kept in its output layer."""

    def __init__(self, head: Sequence[nn.Module]) -> None:
        super().__init__()
        self.on = False
        self._first, self._last = (head[0],), (head[-1],)
        self._head = tuple(parameter for module in head for parameter in module.parameters())
        self.new, self.old = (copy.deepcopy(nn.Sequential(*head)) for _ in range(2))
        self.turn(False)
        self._inputs: Tensor | None = None

    def connect(self) -> None:
        """Take part in what the head gives."""
        # In tuples, lest they become submodules.
        (first,), (last,) = self._first, self._last
        first.register_forward_pre_hook(self._keep)
        last.register_forward_hook(self._add)
        last.add_module("injection", self)

    def turn(self, on: bool) -> None:
        """Let the copies take part, and the new one learn in place of the head."""
        self.on = on
        for parameter in self._head:
            parameter.requires_grad_(not on)
            if on:
                parameter.grad = None
        self.new.requires_grad_(on)
        self.old.requires_grad_(False)

    def get_extra_state(self) -> Tensor:
        return torch.tensor([self.on])

    def set_extra_state(self, state: Tensor) -> None:
        self.turn(bool(state[0]))

    def renew(self, fresh: dict[int, Tensor]) -> None:
        """Make both copies what the head would be if the network began anew."""
        copies = zip(self._head, self.new.parameters(), self.old.parameters(), strict=True)
        for parameter, new, old in copies:
            new.copy_(fresh[id(parameter)])
            old.copy_(new)

    def _keep(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if self.on:
            self._inputs = inputs[0]

    def _add(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        if not self.on or self._inputs is None:
            return output
        units, self._inputs = self._inputs, None
        # The difference first: it is exactly 0 where the copies are equal.
        return output + (self.new(units) - self.old(units))


@final
class _Switch(nn.Module):
    """Whether the injection has been, which is saved with the method."""

    def __init__(self, injections: Sequence[_Injection]) -> None:
        super().__init__()
        self.on = False
        # No submodules: they belong to the policy.
        self.injections = list(injections)

    def turn(self, on: bool) -> None:
        """Turn all injections on or off."""
        self.on = on
        for injection in self.injections:
            injection.turn(on)

    def get_extra_state(self) -> Tensor:
        return torch.tensor([self.on])

    def set_extra_state(self, state: Tensor) -> None:
        self.turn(bool(state[0]))


def _networks(policy: nn.Module) -> Iterator[tuple[str, list[nn.Module], list[nn.Linear]]]:
    """Yield of each network its kind, its hidden modules, and its outputs."""
    holder: Any = policy
    if hasattr(policy, "mlp_extractor"):
        body = holder.mlp_extractor
        yield "actor", _flatten(getattr(body, "policy_net", body)), [holder.action_net]
        yield "critic", _flatten(getattr(body, "value_net", body)), [holder.value_net]
    elif hasattr(policy, "critic_target"):
        actor = holder.actor
        yield "actor", _flatten(actor.latent_pi), [actor.mu, actor.log_std]
        for critic in (holder.critic, holder.critic_target):
            for network in critic.q_networks:
                *hidden, output = _flatten(network)
                yield "critic", hidden, [cast(nn.Linear, output)]
    elif isinstance(policy, nn.Sequential):
        *hidden, output = _flatten(policy)
        yield "network", hidden, [cast(nn.Linear, output)]
    else:
        raise SettingsError(f"methods can't see into a {type(policy).__name__}")


def _flatten(module: nn.Module) -> list[nn.Module]:
    if not isinstance(module, nn.Sequential):
        raise SettingsError(f"methods can't see into a {type(module).__name__}")
    nested = [_flatten(m) if isinstance(m, nn.Sequential) else [m] for m in module]
    return [one for modules in nested for one in modules]
