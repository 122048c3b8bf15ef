from __future__ import annotations

import math

import pytest
import torch

from everlearn.agents.diagnostics.ranks import (
    approximate_rank,
    effective_rank,
    numerical_rank,
    singular_values,
    srank,
    stable_rank,
)

NAN = math.nan
GOLDEN = torch.tensor([10, 5, 1, 0.5, 0.1, 0.05, 0.01])


def all_ranks(values: torch.Tensor) -> list[float]:
    ranks = [measure(values) for measure in (srank, approximate_rank, effective_rank, stable_rank)]
    return [*ranks, numerical_rank(values, size=7)]


def test_golden() -> None:
    wanted = [4, 2, pytest.approx(2.703, abs=5e-4), pytest.approx(1.263, abs=5e-4), 7]
    assert all_ranks(GOLDEN) == wanted
    generator = torch.Generator().manual_seed(0)
    rotation, _ = torch.linalg.qr(torch.randn(7, 7, generator=generator))
    assert all_ranks(singular_values(100 * rotation @ torch.diag(GOLDEN))) == wanted


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_singular_values_are_those_of_the_decomposition(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    wanted = torch.linalg.svdvals(matrix.double())
    torch.testing.assert_close(singular_values(matrix), wanted)


@pytest.mark.parametrize(
    ("features", "wanted"),
    [
        (torch.zeros(3, 4), 0.0),
        (torch.full((3, 4), 2.0), 1.0),
        (torch.eye(5)[:, :3], 3.0),
        (torch.zeros(3, 0), 0.0),
        (torch.zeros(0, 4), 0.0),
        (torch.tensor([[1.0, NAN]]), NAN),
        (torch.tensor([[1.0, math.inf]]), NAN),
    ],
)
def test_edges(features: torch.Tensor, wanted: float) -> None:
    ranks = all_ranks(singular_values(features))
    assert ranks == [pytest.approx(wanted, nan_ok=True, rel=1e-5)] * 5
