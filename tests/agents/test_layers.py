from __future__ import annotations

import pytest
import torch
from torch import nn

from everlearn.agents.adam import Adam
from everlearn.agents.layers import Part, capture_features, hidden_layers
from everlearn.wrappers.errors import SettingsError


def test_walk() -> None:
    first, second, mean, spread = (
        nn.Linear(3, 8),
        nn.Linear(8, 5),
        nn.Linear(5, 2),
        nn.Linear(5, 2),
    )
    norm, relu, tanh = nn.LayerNorm(8), nn.ReLU(), nn.Tanh()
    body = nn.Sequential(nn.Flatten(), nn.Sequential(first, norm, relu), second, tanh)
    one, two = hidden_layers(body, [mean, spread])
    assert (one.incoming, one.between, one.activation) == (first, (norm,), relu)
    assert one.outgoing == (second,)
    assert (two.incoming, two.between, two.activation) == (second, (), tanh)
    assert two.outgoing == (mean, spread)
    assert (one.width, two.width) == (8, 5)


def test_walk_without_activation_and_without_layers() -> None:
    linear = nn.Linear(3, 4)
    (layer,) = hidden_layers(nn.Sequential(linear), [nn.Linear(4, 1)])
    assert layer.activation is linear
    assert layer.between == ()
    assert hidden_layers(nn.Sequential(), [nn.Linear(3, 1)]) == ()


def test_walk_refuses_what_it_cannot_see_into() -> None:
    with pytest.raises(SettingsError, match=r"nn\.Sequential, not GRU"):
        hidden_layers(nn.GRU(3, 4), [nn.Linear(4, 1)])


def test_features_are_those_of_training_batches_only() -> None:
    shared = nn.ReLU()
    body = nn.Sequential(nn.Linear(3, 4), shared, nn.Linear(4, 5), shared)
    output = nn.Linear(5, 1)
    one, two = hidden_layers(body, [output])
    handles = [capture_features(layer) for layer in (one, two)]
    whole = nn.Sequential(body, output)
    with torch.no_grad():
        whole(torch.ones(2, 3))
    assert one.features is None
    whole(torch.ones(2, 3))
    seen = one.features
    assert seen is not None
    assert not seen.requires_grad
    assert two.features is not None
    with torch.no_grad():
        torch.testing.assert_close(seen, body[:2](torch.ones(2, 3)))
        torch.testing.assert_close(two.features, body(torch.ones(2, 3)))
    whole.eval()
    whole(torch.zeros(7, 3))
    assert one.features is seen
    whole.train()
    for handle in handles:
        handle.remove()
    whole(torch.zeros(7, 3))
    assert one.features is seen


@pytest.mark.parametrize("kind", [Adam, torch.optim.Adam, torch.optim.SGD])
def test_reset_optimizer(kind: type) -> None:
    weight = nn.Parameter(torch.ones(3, 2))
    momentum = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimizer = kind([weight], lr=0.1, **momentum)
    part = Part("actor", (), (), (weight,), optimizer)
    part.reset_optimizer(weight, 0)
    weight.grad = torch.ones(3, 2)
    optimizer.step()
    part.reset_optimizer(weight, (slice(None), torch.tensor([1])))
    for value in optimizer.state[weight].values():
        if value.shape == weight.shape:
            assert not value[:, 1].any()
            assert value[:, 0].all()


def test_other_optimizers_forget_a_whole_parameter() -> None:
    weight = nn.Parameter(torch.ones(2, 3))
    optimizer = torch.optim.Adam([weight])
    part = Part("actor", (), (), (weight,), optimizer)
    weight.grad = torch.ones(2, 3)
    optimizer.step()
    part.reset_optimizer(weight, 0)
    assert optimizer.state[weight]["exp_avg"].any(dim=1).tolist() == [False, True]
    part.reset_optimizer(weight, ...)
    assert weight not in optimizer.state
