"""Holds the house's floors: who may import whom, and that every room is in the wheel."""

import ast
import importlib.util
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]

MAY_IMPORT: dict[str, set[str]] = {
    "wrappers": set(),
    "envs": {"wrappers"},
    "agents": {"wrappers.info", "wrappers.errors", "wrappers.settings"},
    "evaluation": set(),
    "training": {"wrappers", "envs", "agents", "evaluation"},
    "scripts": {"wrappers", "envs", "agents", "evaluation", "training"},
}
"""Each room's other rooms, or the files of them, that it may import."""


def imports_of(path: Path) -> Iterator[str]:
    """Yield what a file imports, as dotted paths from the repository's root."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def files_of(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows_run_down(room: str) -> None:
    for path in files_of(room):
        for name in imports_of(path):
            top = name.removeprefix("everlearn.").split(".")[0]
            if top not in MAY_IMPORT or top == room:
                continue
            inner = name.removeprefix("everlearn.")
            allowed = any(f"{inner}.".startswith(f"{other}.") for other in MAY_IMPORT[room])
            assert allowed, f"{path.relative_to(ROOT)} must not import {name}"


@pytest.mark.parametrize("folder", [*MAY_IMPORT, "tests"])
def test_no_room_is_imported_by_its_bare_name(folder: str) -> None:
    for path in files_of(folder):
        for node in ast.walk(ast.parse(path.read_text())):
            absolute: list[str] = []
            if isinstance(node, ast.Import):
                absolute = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                absolute = [node.module or ""]
            for name in absolute:
                top = name.split(".")[0]
                assert top not in MAY_IMPORT, f"{path.relative_to(ROOT)}: import everlearn.{name}"


def test_wrappers_need_gymnasium_and_numpy_only() -> None:
    for path in files_of("wrappers"):
        tops = {name.split(".")[0] for name in imports_of(path)}
        assert not tops & {"torch", "stable_baselines3", "envpool", "mujoco"}, path


def test_every_package_folder_is_in_the_wheel() -> None:
    on_disk = {
        "everlearn." + ".".join(path.parent.relative_to(ROOT).parts)
        for room in MAY_IMPORT
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(SETTINGS["packages"]) == on_disk
    assert set(SETTINGS["package-dir"]) == on_disk


def test_type_checkers_see_every_room() -> None:
    for room in MAY_IMPORT:
        assert (ROOT / "typings" / "everlearn" / room).resolve() == ROOT / room
        assert (ROOT / room / "py.typed").exists()


def test_importing_the_worlds_loads_no_learner() -> None:
    """`import everlearn.envs` stays cheap: neither torch nor SB3 comes with it."""
    import subprocess
    import sys

    code = (
        "import sys, everlearn.envs;"
        "sys.exit(bool({'torch', 'stable_baselines3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code]).returncode == 0
    assert importlib.util.find_spec("everlearn").origin is None  # type: ignore[union-attr]
