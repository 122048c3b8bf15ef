"""The model file from which envpool builds a world with changed physics."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import mujoco

from ..wrappers.errors import SettingsError
from ..wrappers.knobs import find_knob, refuse_shared
from .mujoco_knobs import MujocoKnob
from .mujoco_model_file import write_model_file
from .vector_arguments import common_value


@final
class PoolModelFile:
    """The model file of a world, rewritten for each context.

    Args:
        spec: what `envpool.make_spec` returned for the world.
        knobs: names of the MuJoCo knobs that will be set.

    Raises:
        SettingsError: for a knob that is unknown, or that no model file can set.
    """

    def __init__(self, spec: Any, knobs: Sequence[str]) -> None:
        self._knobs = [_file_knob(name) for name in knobs]
        refuse_shared(self._knobs)
        self._assets = Path(spec.config.base_path, "mujoco", "assets_gym")
        named = self._assets / spec.config.xml_file
        # For a world's own file, envpool loads one beside it that newer MuJoCo can read.
        loaded = named.with_name(f"{named.stem}_envpool.xml")
        self._source = loaded if loaded.exists() else named
        self._named = named
        self._context: dict[str, float] = {}
        folder = tempfile.mkdtemp(prefix="everlearn-")
        self._target = Path(folder, self._source.name)
        # Worlds are often dropped without `close`; the folder must not outlive them.
        self.close = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    @property
    def relative_path(self) -> str:
        """The file as envpool takes it, relative to its assets; the world's own before `write`."""
        file = self._target if self._target.exists() else self._named
        return os.path.relpath(file, self._assets)

    def write(self, context: Mapping[str, Any]) -> None:
        """Write the file anew.

        Args:
            context: knobs' values, a number or an equal number a copy; others stay as they are.
        """
        for knob in self._knobs:
            if knob.name in context:
                self._context[knob.name] = common_value(knob.name, context[knob.name])
        model = mujoco.MjModel.from_xml_path(str(self._source))
        for knob in self._knobs:
            if knob.name in self._context:
                knob.apply(model, self._context[knob.name], knob.copy_fields(model))
        fields = [field for knob in self._knobs for field in knob.fields]
        write_model_file(self._source, model, fields, self._target)


def _file_knob(name: str) -> MujocoKnob:
    knob = find_knob(name)
    if not isinstance(knob, MujocoKnob):
        raise SettingsError(f"envpool cannot change {name!r}; the gymnasium back end can")
    return knob
