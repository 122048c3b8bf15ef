"""Model files with changed physics, for simulators that read their model once, at construction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mujoco
import numpy as np

_DERIVED_TOLERANCE = 1e-12
_OF_ELEMENTS = {
    "geom_friction": ("geom", "friction"),
    "jnt_stiffness": ("joint", "stiffness"),
    "dof_damping": ("joint", "damping"),
    "dof_armature": ("joint", "armature"),
    "actuator_gear": ("actuator", "gear"),
}
"""Where a compiled array's rows stand in the file: kind of element, and attribute."""
_OF_OPTIONS = ("opt.gravity", "opt.wind", "opt.density", "opt.viscosity", "opt.timestep")
_OF_BODIES = ("body_mass", "body_inertia")


def write_model_file(source: Path, model: Any, fields: Iterable[str], target: Path) -> None:
    """Write a copy of a model file that compiles to a changed model, its fields bit for bit.

    MuJoCo's own writer keeps six digits; this one writes each number so that it reads back equal,
    and on each element itself, so that no default class stands in between.

    Args:
        source: the MJCF file that the model was compiled from.
        model: the compiled and then changed `mujoco.MjModel`, its constants computed.
        fields: the names of its changed fields.
        target: the file to write.

    Raises:
        RuntimeError: if the written file compiles to anything else, or a field has no place in it.
    """
    tree = ElementTree.parse(source)
    root = tree.getroot()
    names = sorted(set(fields))
    for field in names:
        if field in _OF_ELEMENTS:
            _write_elements(root, model, field, source.name)
        elif field in _OF_OPTIONS:
            # A section may come twice; what comes later adds to what came before.
            numbers = _numbers(attrgetter(field)(model))
            ElementTree.SubElement(root, "option", {field.removeprefix("opt."): numbers})
        elif field not in _OF_BODIES:
            raise RuntimeError(f"a model file has no place for {field}")
    if set(names) & set(_OF_BODIES):
        _write_inertias(root, model, source.name)
    tree.write(target)
    written = mujoco.MjModel.from_xml_path(str(target))
    different = _difference(written, model, names)
    if different:
        raise RuntimeError(f"{target.name} does not compile to the {different} it was written from")


def _write_elements(root: ElementTree.Element, model: Any, field: str, file: str) -> None:
    kind, attribute = _OF_ELEMENTS[field]
    if kind == "actuator":
        elements = [element for section in root.iter("actuator") for element in section]
    else:
        elements = [element for body in _bodies(root) for element in body.findall(kind)]
    rows = getattr(model, field)
    if field.startswith("dof_"):
        rows = rows[model.jnt_dofadr]
    _match(elements, rows, kind, file)
    for element, row in zip(elements, rows, strict=True):
        element.set(attribute, _numbers(row))


def _write_inertias(root: ElementTree.Element, model: Any, file: str) -> None:
    bodies = list(_bodies(root))
    _match(bodies, model.body_mass, "body", file)
    # These two would have the compiler replace what is written here.
    compiler = {"inertiafromgeom": "auto", "settotalmass": "-1"}
    ElementTree.SubElement(root, "compiler", compiler)
    for number, body in enumerate(bodies[1:], start=1):
        for inertial in body.findall("inertial"):
            body.remove(inertial)
        rows = {
            "pos": model.body_ipos,
            "quat": model.body_iquat,
            "mass": model.body_mass,
            "diaginertia": model.body_inertia,
        }
        attributes = {name: _numbers(array[number]) for name, array in rows.items()}
        ElementTree.SubElement(body, "inertial", attributes)


def _bodies(root: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Walk bodies depth first, which is the order in which MuJoCo numbers what they hold."""
    for body in root.findall("worldbody") if root.tag == "mujoco" else root.findall("body"):
        yield body
        yield from _bodies(body)


def _match(elements: list[ElementTree.Element], rows: np.ndarray, kind: str, file: str) -> None:
    if len(elements) != len(rows):
        raise RuntimeError(f"{file} has {len(elements)} {kind}, not {len(rows)}")


def _numbers(row: Any) -> str:
    return " ".join(repr(float(number)) for number in np.atleast_1d(row))


def _difference(written: Any, model: Any, exact: list[str]) -> str | None:
    """Name the first field in which two models differ: more than by rounding, or at all."""
    for field in exact:
        if not np.array_equal(attrgetter(field)(written), attrgetter(field)(model)):
            return field
    for field in dir(model):
        ours = getattr(model, field)
        if field.startswith("_") or not isinstance(ours, np.ndarray) or ours.dtype.kind not in "fi":
            continue
        theirs = getattr(written, field)
        if ours.shape != theirs.shape or not np.allclose(
            ours, theirs, rtol=_DERIVED_TOLERANCE, atol=_DERIVED_TOLERANCE
        ):
            return field
    return None
