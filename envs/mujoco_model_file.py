"""Model files with changed physics, for simulators that read their model once, at construction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mujoco
import numpy as np

_ATTRIBUTES = {"geom_friction": ("geom", "friction")}
"""Where a compiled array's rows stand in the file: element and attribute."""


def write_model_file(source: Path, model: Any, fields: Iterable[str], target: Path) -> None:
    """Write a copy of a model file that compiles to a changed model's arrays, bit for bit.

    MuJoCo's own writer keeps six digits; this one writes each number so that it reads back equal.

    Args:
        source: the MJCF file that the model was compiled from.
        model: the compiled and then changed `mujoco.MjModel`.
        fields: the names of its changed arrays.
        target: the file to write.

    Raises:
        RuntimeError: if the written file compiles to anything else.
    """
    tree = ElementTree.parse(source)
    bodies = list(_bodies(tree.getroot().find("worldbody")))
    names = list(fields)
    for field in names:
        element_name, attribute = _ATTRIBUTES[field]
        elements = [element for body in bodies for element in body.findall(element_name)]
        rows = getattr(model, field)
        if len(elements) != len(rows):
            raise RuntimeError(f"{source.name} has {len(elements)} {element_name}, not {len(rows)}")
        for element, row in zip(elements, rows, strict=True):
            element.set(attribute, " ".join(repr(float(number)) for number in row))
    tree.write(target)
    written = mujoco.MjModel.from_xml_path(str(target))
    for field in names:
        if not np.array_equal(getattr(written, field), getattr(model, field)):
            raise RuntimeError(f"{target.name} does not compile to the {field} it was written from")


def _bodies(body: ElementTree.Element | None) -> Iterator[ElementTree.Element]:
    """Walk bodies depth first, which is the order in which MuJoCo numbers what they hold."""
    if body is None:
        return
    yield body
    for child in body.findall("body"):
        yield from _bodies(child)
