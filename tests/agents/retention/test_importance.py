from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from everlearn.agents.layers import Part, hidden_layers
from everlearn.agents.retention.answers import Answers, answers_with, divergence
from everlearn.agents.retention.importance import answer_sensitivity, fisher_information

INPUTS = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]])


def build(outputs: int, spread: float | None = None, choices: tuple[int, ...] = ()) -> Part:
    torch.manual_seed(1)
    body = nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.Tanh())
    heads = [nn.Linear(5, 2) for _ in range(outputs)]
    own = [p for module in (body, *heads) for p in module.parameters()]
    extra = None if spread is None else nn.Parameter(torch.tensor([spread, spread / 2]))
    own += [] if extra is None else [extra]
    layers = hidden_layers(body, heads)
    part = Part("actor", layers, tuple(heads), tuple(own), torch.optim.Adam(own), extra)
    part.choices = choices
    return part


def by_autograd(part: Part, n_draws: int, log_probs: Callable[[Answers, Tensor], Tensor]) -> Tensor:
    """Return the mean square of the gradient of log-probabilities of drawn actions."""
    torch.manual_seed(2)
    total = torch.zeros(sum(p.numel() for p in part.parameters))
    for row in INPUTS:
        answers = answers_with(part, part.parameters, row.unsqueeze(0))
        with torch.no_grad():
            if part.choices:
                draws = Categorical(logits=answers.means[0]).sample((n_draws,))
            else:
                draws = Normal(answers.means[0], answers.log_stds[0].exp()).sample((n_draws,))

        # The log-probability is a function of the few answers: its gradients in these for all
        # draws, times their Jacobian, are the gradients in the weights.
        leaf = [each.detach().expand(n_draws, -1).requires_grad_() for each in answers]
        slopes = torch.autograd.grad(
            log_probs(Answers(*leaf), draws).sum(), leaf, allow_unused=True
        )
        known = [torch.zeros_like(leaf[0]) if s is None else s for s in slopes]
        rows = []
        for answer in torch.cat(list(answers), dim=1)[0]:
            found = (
                torch.autograd.grad(
                    answer,
                    part.parameters,
                    retain_graph=True,
                    allow_unused=True,
                    materialize_grads=True,
                )
                if answer.requires_grad
                else [torch.zeros_like(p) for p in part.parameters]
            )
            rows.append(torch.cat([each.reshape(-1) for each in found]))
        total += (torch.cat(known, dim=1) @ torch.stack(rows)).square().mean(dim=0) / len(INPUTS)
    return total


def normal(answers: Answers, draws: Tensor) -> Tensor:
    return Normal(answers.means, answers.log_stds.exp()).log_prob(draws).sum(dim=1)


def categorical(answers: Answers, draws: Tensor) -> Tensor:
    return Categorical(logits=answers.means).log_prob(draws)


@pytest.mark.parametrize(
    ("part", "log_probs"),
    [
        (build(2), normal),
        (build(1), normal),
        (build(1, spread=-0.5), normal),
        (build(1, choices=(2,)), categorical),
    ],
    ids=["sac", "bare", "ppo", "choice"],
)
def test_closed_form_fisher_is_that_of_draws(
    part: Part, log_probs: Callable[[Answers, Tensor], Tensor]
) -> None:
    found = torch.cat([each.reshape(-1) for each in fisher_information(part, INPUTS)])
    drawn = by_autograd(part, 100_000, log_probs)
    assert (found - drawn).abs().max() <= 0.05 * found.max()
    assert (found - drawn).norm() <= 0.05 * found.norm()


def test_fisher_by_hand() -> None:
    mean, log_std = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(log_std.weight, 0.5)
    own = (*mean.parameters(), *log_std.parameters())
    part = Part("actor", (), (mean, log_std), own, torch.optim.SGD(own))
    of_mean, of_log_std = fisher_information(part, torch.tensor([[2.0], [4.0]]))
    # x^2 / sigma^2 with sigma = exp(x / 2), and 2 x^2.
    wanted = (4 * torch.tensor(-2.0).exp() + 16 * torch.tensor(-4.0).exp()) / 2
    torch.testing.assert_close(of_mean, wanted.reshape(1, 1))
    torch.testing.assert_close(of_log_std, torch.tensor([[20.0]]))


def test_a_clamped_standard_deviation_carries_no_information() -> None:
    mean, log_std = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(log_std.weight, 3.0)
    own = (*mean.parameters(), *log_std.parameters())
    part = Part("actor", (), (mean, log_std), own, torch.optim.SGD(own))
    assert fisher_information(part, torch.tensor([[2.0]]))[1].item() == 0


def test_sensitivity_is_the_mean_of_absolute_gradients() -> None:
    part = build(2)
    wanted = [torch.zeros_like(parameter) for parameter in part.parameters]
    for row in INPUTS:
        answers = answers_with(part, part.parameters, row.unsqueeze(0))
        length = torch.cat(list(answers)).square().sum()
        for total, each in zip(wanted, torch.autograd.grad(length, part.parameters), strict=True):
            total += each.abs() / len(INPUTS)
    for found, each in zip(answer_sensitivity(part, INPUTS), wanted, strict=True):
        torch.testing.assert_close(found, each)


def test_divergence_is_that_of_torch() -> None:
    torch.manual_seed(0)
    old, new = (Answers(torch.randn(6, 3), torch.randn(6, 3)) for _ in range(2))
    first, second = (Normal(each.means, each.log_stds.exp()) for each in (old, new))
    wanted = torch.distributions.kl_divergence(first, second).sum(dim=1).mean()
    torch.testing.assert_close(divergence(old, new), wanted)
    chosen = [Categorical(logits=each.means) for each in (old, new)]
    wanted = torch.distributions.kl_divergence(*chosen).mean()
    torch.testing.assert_close(divergence(old, new, choices=(3,)), wanted)
    pairs = [
        [Categorical(logits=each.means[:, part]) for each in (old, new)]
        for part in (slice(2), slice(2, 3))
    ]
    each = [torch.distributions.kl_divergence(*pair).mean() for pair in pairs]
    torch.testing.assert_close(divergence(old, new, choices=(2, 1)), torch.stack(each).sum())
