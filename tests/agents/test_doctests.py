from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import everlearn.agents

ROOM = Path(everlearn.agents.__file__).parent
MODULES = sorted(
    ".".join(("everlearn.agents", *path.relative_to(ROOM).with_suffix("").parts))
    for path in ROOM.rglob("*.py")
    if path.name != "__init__.py"
)


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
