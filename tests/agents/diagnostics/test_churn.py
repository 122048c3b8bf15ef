from __future__ import annotations

import torch

from everlearn.agents.diagnostics.churn import greedy_churn, output_churn


def test_greedy_churn_counts_changed_choices_only() -> None:
    before = torch.tensor([[0.0, 1.0], [3.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    assert greedy_churn(before, before * 10) == 0.0
    assert greedy_churn(before, before.flip(1)) == 1.0
    after = before.clone()
    after[0, 0] = 2.0
    assert greedy_churn(before, after) == 0.25


def test_output_churn_is_a_mean_square() -> None:
    outputs = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert output_churn(outputs, outputs) == 0.0
    assert output_churn(outputs, outputs + torch.tensor([0.0, 2.0])) == 2.0
