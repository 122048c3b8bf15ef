"""Adam whose memory can be reset for a part of a parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..wrappers.errors import SettingsError

CORRECTIONS = ("exp_avg_weight", "exp_avg_sq_weight")
"""Where the state keeps each element's own bias corrections of the two running averages, once one
was reset. A correction is the sum of what the gradients so far weigh in the average."""


SETTINGS = ("betas", "eps", "weight_decay", "decoupled_weight_decay")
"""The settings of torch's Adam that ours has, too."""


def require_known(method: str, settings: Mapping[str, Any]) -> None:
    """Raise where a policy asks for more than our Adam has.

    Args:
        method: whose Adam it would be.
        settings: the policy's `optimizer_kwargs`.

    Raises:
        SettingsError: there is such a setting.
    """
    for name in settings:
        if name not in SETTINGS:
            known = ", ".join(SETTINGS)
            raise SettingsError(f"{method} takes {known} of optimizer_kwargs, not {name!r}")


@final
class Adam(Optimizer):
    """`torch.optim.Adam` with `reset`, and bit for bit the same until it is used.

    Kingma and Ba, "Adam: A method for stochastic optimization" (2015), Algorithm 1. Elements that
    were reset have their own bias correction: with zeroed moments and an old step count, the
    first step would be (1 - beta1) / sqrt(1 - beta2) times the learning rate, which is 3.16 times
    for the default betas. The correction of a running average is the sum of its weights, which
    follows the same recursion: it lies beside torch's own state, under "exp_avg_weight" and
    "exp_avg_sq_weight", so that the state of either optimizer loads into the other.

    Args:
        params: the parameters, or groups of them, as for every torch optimizer.
        lr: step size, more than 0.
        betas: decay of the mean and of the square of the gradient, each in [0, 1).
        eps: added to the denominator, 0 or more.
        weight_decay: this times the parameter is added to the gradient (coupled L2), 0 or more.
        decoupled_weight_decay: whether the weight decay instead shrinks the parameter, by this
            times the step size (Loshchilov and Hutter, "Decoupled weight decay regularization"
            (2019), which is AdamW).

    Raises:
        SettingsError: a setting outside of its range.

    Example:
        >>> weight = nn.Parameter(torch.zeros(2, 3))
        >>> adam = Adam([weight], lr=0.1)
        >>> weight.grad = torch.ones(2, 3)
        >>> _ = adam.step()
        >>> adam.reset(weight, 0)
        >>> adam.state[weight]["exp_avg_weight"]
        tensor([[0.0000, 0.0000, 0.0000],
                [0.1000, 0.1000, 0.1000]])
    """

    before_reset: Callable[[], None] | None = None
    """Called before elements are reset: whoever makes the steps in its place may want to know."""

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
    ) -> None:
        for name, value in {"lr": lr, "eps": eps, "weight_decay": weight_decay}.items():
            if not value >= 0:
                raise SettingsError(f"adam setting {name!r} must be 0 or more, not {value}")
        if not all(0 <= beta < 1 for beta in betas):
            raise SettingsError(f"adam setting 'betas' must be in [0, 1), not {betas}")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        defaults["decoupled_weight_decay"] = decoupled_weight_decay
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step for every parameter that has a gradient.

        Args:
            closure: computes the loss and the gradients anew, if given.

        Returns:
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step_one(parameter, parameter.grad, group)
        return loss

    @torch.no_grad()
    def reset(self, parameter: Tensor, index: Any) -> None:
        """Make some elements as new: no moments, and no steps made.

        Args:
            parameter: one of the parameters.
            index: which elements, as in `parameter[index]`.
        """
        state = self.state.get(parameter)
        if not state:
            return
        if self.before_reset is not None:
            self.before_reset()
        if CORRECTIONS[0] not in state:
            steps = state["step"].item()
            for key, beta in zip(CORRECTIONS, self._betas_of(parameter), strict=True):
                # The parameter's own type: torch casts to it when a state is loaded.
                state[key] = torch.full_like(parameter, 1 - beta**steps)
        for key in (*CORRECTIONS, "exp_avg", "exp_avg_sq"):
            state[key][index] = 0

    def _betas_of(self, parameter: Tensor) -> tuple[float, float]:
        return next(
            group["betas"]
            for group in self.param_groups
            if any(member is parameter for member in group["params"])
        )

    def _step_one(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        beta1, beta2 = group["betas"]
        state["step"] += 1
        # The same operations in the same order as torch's, or the last bits would differ.
        # Saved by an earlier version, a group has no such key.
        decoupled = group.get("decoupled_weight_decay", False)
        if group["weight_decay"] != 0 and decoupled:
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
        elif group["weight_decay"] != 0:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        mean.lerp_(gradient, 1 - beta1)
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        if CORRECTIONS[0] in state:
            weight1 = state[CORRECTIONS[0]].mul_(beta1).add_(1 - beta1)
            weight2 = state[CORRECTIONS[1]].mul_(beta2).add_(1 - beta2)
            denominator = (square / weight2).sqrt_().add_(group["eps"])
            parameter.addcdiv_(mean / weight1, denominator, value=-group["lr"])
        else:
            step = state["step"].item()
            step_size = group["lr"] / (1 - beta1**step)
            denominator = (square.sqrt() / (1 - beta2**step) ** 0.5).add_(group["eps"])
            parameter.addcdiv_(mean, denominator, value=-step_size)
