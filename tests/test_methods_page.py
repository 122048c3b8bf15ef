"""Holds docs/methods.md to the methods there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from everlearn.agents.method import Method, overrides
from everlearn.agents.registry import make_method, method_names

PAGE = (Path(__file__).parent.parent / "docs" / "methods.md").read_text(encoding="utf-8")
SEAMS = [
    "network",
    "optimizer",
    "learning_rate",
    "regularize",
    "track",
    "penalty",
    "observe",
    "after_step",
    "on_change",
]


def rows() -> dict[str, list[str]]:
    """Return the table's cells by the method's name."""
    found = {}
    for line in PAGE.splitlines():
        if match := re.match(r"\| `([\w-]+)` \|", line):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert match[1] not in found, f"{match[1]} has two rows"
            found[match[1]] = cells
    return found


def test_every_method_has_one_row_in_order() -> None:
    assert list(rows()) == sorted(method_names())


@pytest.mark.parametrize("name", method_names())
def test_its_cells_are_filled_and_name_the_seams_it_uses(name: str) -> None:
    cells = rows()[name]
    assert len(cells) == 7
    assert all(cells), f"{name} has an empty cell"
    named = set(re.findall(r"`(\w+)`", cells[1]))
    method = make_method(name)
    assert isinstance(method, Method)
    assert named <= {seam for seam in SEAMS if overrides(method, seam)}
