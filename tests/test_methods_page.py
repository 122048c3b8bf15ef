"""Holds docs/methods.md and docs/tasks.md to the methods there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from everlearn.agents.method import Method
from everlearn.agents.registry import make_method, method_names
from everlearn.agents.retention.retention_method import RetentionMethod

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {page: (DOCS / page).read_text(encoding="utf-8") for page in ("methods.md", "tasks.md")}
SEAMS = [
    "network",
    "optimizer",
    "learning_rate",
    "regularize",
    "track",
    "penalty",
    "change_gradients",
    "observe",
    "after_step",
    "notices",
    "reward",
    "on_change",
    "after_rollout",
    "start_task",
    "end_task",
    "parameters_for",
    "before_updates",
    "entropy_weights",
]
OF_TASKS = [name for name in method_names() if isinstance(make_method(name), RetentionMethod)]
OTHERS = [name for name in method_names() if name not in OF_TASKS]


def takes_part(method: Method, seam: str) -> bool:
    own = getattr(type(method), seam, None)
    return own is not None and own is not getattr(RetentionMethod, seam)


def rows(page: str) -> dict[str, list[str]]:
    """Return the table's cells by the method's name."""
    found = {}
    for line in PAGES[page].splitlines():
        if match := re.match(r"\| `([\w-]+)` \|", line):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert match[1] not in found, f"{match[1]} has two rows"
            found[match[1]] = cells
    return found


def test_every_method_has_one_row_in_order() -> None:
    assert list(rows("methods.md")) == OTHERS
    assert list(rows("tasks.md")) == OF_TASKS


@pytest.mark.parametrize("name", method_names())
def test_its_cells_are_filled_and_name_the_seams_it_uses(name: str) -> None:
    page, width = ("tasks.md", 5) if name in OF_TASKS else ("methods.md", 7)
    cells = rows(page)[name]
    assert len(cells) == width
    assert all(cells), f"{name} has an empty cell"
    named = set(re.findall(r"`(\w+)`", cells[1]))
    method = make_method(name)
    assert isinstance(method, Method)
    assert named <= {seam for seam in SEAMS if takes_part(method, seam)}
