"""The tables of the guide to streams, written from the code.

Example:
    python -m everlearn.training.stream_page docs/streams.md
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ..envs.catalogue import CATALOGUE
from ..envs.classic_knobs import QUANTITIES
from ..wrappers.interface import find_interface_knob, interface_knob_names
from ..wrappers.knobs import find_knob, knob_names
from . import stream_words as words


def catalogue_table() -> str:
    """Return a row for each stream of the catalogue."""
    rows = []
    for name, builder in CATALOGUE.items():
        stream = builder()
        changes, worlds = words.changes_in_words(stream), words.worlds_in_words(stream)
        seen = words.observed_in_words(stream)
        rows.append([f"`{name}`", words.first_line(builder), changes, worlds, seen])
    return _table(["stream", "what it is", "what changes", "worlds", "the agent sees"], rows)


def mujoco_knob_table() -> str:
    """Return a row for each knob inside MuJoCo worlds."""
    names = [name for name in knob_names() if name not in QUANTITIES]
    rows = [_knob_row(name, type(find_knob(name))) for name in names]
    return _table(["knob", "what it is", "its value"], rows)


def classic_knob_table() -> str:
    """Return a row for each knob inside classic control and our small worlds."""
    rows = []
    for name in knob_names():
        if name in QUANTITIES:
            quantity = QUANTITIES[name]
            place = f"`{quantity.attribute}` of `{quantity.world.__name__}`"
            rows.append([f"`{name}`", place, quantity.unit])
    return _table(["knob", "what it is", "its unit"], rows)


def interface_knob_table() -> str:
    """Return a row for each knob between a world and its agent."""
    rows = []
    for name in interface_knob_names():
        knob = find_interface_knob(name)
        assert knob is not None
        rows.append(_knob_row(name, knob))
    return _table(["knob", "what it does", "its value"], rows)


TABLES = {
    "catalogue": catalogue_table,
    "mujoco-knobs": mujoco_knob_table,
    "classic-knobs": classic_knob_table,
    "interface-knobs": interface_knob_table,
}
"""What each part of the page is written by."""


def fill(page: str) -> str:
    """Return a page whose tables, each after `<!-- name -->`, are written anew.

    Args:
        page: Markdown with a mark for each of `TABLES`; a table ends with the first empty line.
    """
    for name, table in TABLES.items():
        mark = f"<!-- {name} -->\n"
        before, found, rest = page.partition(mark)
        if not found:
            raise ValueError(f"the page has no {mark.strip()}")
        _, _, after = rest.partition("\n\n")
        page = f"{before}{mark}{table()}\n\n{after}"
    return page


def main(arguments: Sequence[str]) -> None:
    """Write the tables of a page anew.

    Args:
        arguments: the page's path.
    """
    page = Path(arguments[0])
    page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")


def _knob_row(name: str, cls: type) -> list[str]:
    """Take what a knob does, and the unit of its value, from its docstring."""
    text = " ".join((inspect.getdoc(cls) or "").split())
    what, _, value = re.split(r"(Unit|Value): ", text, maxsplit=1)
    return [f"`{name}`", what.partition(". ")[0].rstrip(". "), re.split(r"\. |\.$", value)[0]]


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main(sys.argv[1:])
