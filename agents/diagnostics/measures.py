"""What is measured of one network: of its layers, and of all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..layers import Part
from . import churn, gradients, ranks, units, weights
from .observation import Seen, Site, sites

Measured = dict[tuple[str, str | None, str], float]
"""What was measured, by the part, its layer or None, and the measure's name."""

AllSeen = Mapping[nn.Linear, Seen]
"""What passed through each linear map."""


def look(found: Measured, part: Part, seen: AllSeen) -> None:
    """Measure units and weights, as far as it takes next to no time.

    Args:
        found: where to write.
        part: the network.
        seen: what passed through it.
    """
    for site in sites(part):
        outputs = seen[site.linear].outputs
        values = {"drm_dormant_fraction": units.drm_dormant_fraction(outputs)}
        if site.hidden is not None:
            features = seen[site.hidden.outgoing[0]].inputs
            values["dormant_fraction"] = units.dormant_fraction(features)
            active = units.active_units(features, site.hidden.activation)
            if active is not None:
                values["active_fraction"] = units.active_fraction(active)
                values["dead_fraction"] = units.dead_fraction(active)
        found |= {(part.name, site.name, name): value for name, value in values.items()}
    for name in ("dormant_fraction", "drm_dormant_fraction", "active_fraction", "dead_fraction"):
        _pool(found, part, name)
    found[part.name, None, "weight_norm"] = weights.weight_norm(matrices(part))
    found[part.name, None, "weight_magnitude"] = weights.weight_magnitude(matrices(part))


def look_closer(found: Measured, part: Part, seen: AllSeen) -> None:
    """Measure what single layers span, and how large they are.

    Args:
        found: where to write.
        part: the network.
        seen: what passed through it.
    """
    rate = part.optimizer.param_groups[0]["lr"]
    for site in sites(part):
        weight = site.linear.weight
        values = {
            "weight_norm": weights.weight_norm([weight]),
            "weight_magnitude": weights.weight_magnitude([weight]),
            "effective_learning_rate": weights.effective_learning_rate(rate, weight),
        }
        if site.hidden is not None:
            features = seen[site.hidden.outgoing[0]].inputs
            spectrum = ranks.singular_values(features)
            values |= {
                "effective_rank": ranks.effective_rank(spectrum),
                "stable_rank": ranks.stable_rank(spectrum),
                "srank": ranks.srank(spectrum),
                "approximate_rank": ranks.approximate_rank(spectrum),
                "numerical_rank": ranks.numerical_rank(spectrum, max(features.shape)),
            }
        found |= {(part.name, site.name, name): value for name, value in values.items()}


def compare_weights(found: Measured, part: Part, before: Mapping[nn.Parameter, Tensor]) -> None:
    """Measure how far weights have moved.

    Args:
        found: where to write.
        part: the network.
        before: each parameter's value before.
    """

    def change(parameters: Sequence[nn.Parameter]) -> float:
        return weights.weight_change([before[p] for p in parameters], parameters)

    found[part.name, None, "weight_change"] = change(matrices(part))
    for site in sites(part):
        found[part.name, site.name, "weight_change"] = change(site.weight)


def compare_answers(
    found: Measured, part: Part, before: AllSeen, after: AllSeen, discrete: bool
) -> None:
    """Measure how far policy or values have moved.

    Args:
        found: where to write.
        part: the network; the one called "actor" is the policy.
        before: what passed through it with its parameters of before.
        after: what passes through it now, on the same batch.
        discrete: whether the policy is logits of a finite set of actions.
    """
    old, new = (seen[part.output[0]].outputs for seen in (before, after))
    if part.name != "actor":
        found[part.name, None, "value_churn"] = churn.output_churn(old, new)
    else:
        measure = churn.greedy_churn if discrete else churn.output_churn
        found[part.name, None, "policy_churn"] = measure(old, new)


def differentiate(found: Measured, parts: Sequence[Part], loss: Tensor) -> None:
    """Measure a loss's gradient.

    Args:
        found: where to write.
        parts: the networks that learn from it.
        loss: a scalar.
    """
    parameters = [parameter for part in parts for parameter in part.parameters]
    gradient = {parameter: torch.zeros_like(parameter) for parameter in parameters}
    # A method may have frozen some of them.
    learning = [parameter for parameter in parameters if parameter.requires_grad]
    computed = torch.autograd.grad(loss, learning, allow_unused=True)
    for parameter, value in zip(learning, computed, strict=True):
        if value is not None:
            gradient[parameter] = value
    for part in parts:
        all_of_part = [gradient[parameter] for parameter in matrices(part)]
        found[part.name, None, "gradient_norm"] = weights.weight_norm(all_of_part)
        found[part.name, None, "gradient_magnitude"] = weights.weight_magnitude(all_of_part)
        found[part.name, None, "gradient_zero_fraction"] = gradients.zero_fraction(all_of_part)
        for site in sites(part):
            for weight in site.weight:
                own = gradient[weight]
                dormant = gradients.gradient_dormant_fraction(own)
                found[part.name, site.name, "gradient_norm"] = weights.weight_norm([own])
                found[part.name, site.name, "gradient_dormant_fraction"] = dormant
        _pool(found, part, "gradient_dormant_fraction")


def matrices(part: Part) -> list[nn.Parameter]:
    """Return a network's weight matrices, without biases and what is no weight.

    Args:
        part: the network.
    """
    return [parameter for parameter in part.parameters if parameter.ndim > 1]


def _pool(found: Measured, part: Part, name: str) -> None:
    """Write the share among all units of the layers that have it."""
    having: list[Site] = [site for site in sites(part) if (part.name, site.name, name) in found]
    count = sum(site.width for site in having)
    if having:
        total = sum(found[part.name, site.name, name] * site.width for site in having)
        found[part.name, None, name] = total / count if count else 0.0
