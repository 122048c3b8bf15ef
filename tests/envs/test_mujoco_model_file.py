"""Changed physics by file: exact, and felt by a simulator that reads its model once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from everlearn.envs.envpool_worlds import EnvPoolWorlds
from everlearn.envs.mujoco_knobs import MUJOCO_KNOBS
from everlearn.envs.mujoco_model_file import write_model_file
from everlearn.wrappers.knobs import KnobBoard


def make(name: str) -> Any:
    return gymnasium.make(name, disable_env_checker=True).unwrapped


def test_a_file_of_another_model_is_refused(tmp_path: Path) -> None:
    ant, cheetah = make("Ant-v5"), make("HalfCheetah-v5")
    for field in ("geom_friction", "body_mass", "actuator_gear"):
        with pytest.raises(RuntimeError, match=r"ant\.xml has \d+ (geom|body|actuator)"):
            write_model_file(Path(ant.fullpath), cheetah.model, [field], tmp_path / "model.xml")
    with pytest.raises(RuntimeError, match="no place for qpos0"):
        write_model_file(Path(ant.fullpath), ant.model, ["qpos0"], tmp_path / "model.xml")


@pytest.mark.parametrize(
    "knob", [knob.name for knob in MUJOCO_KNOBS if knob.name != "stiffness-scale"]
)
def test_a_file_reaches_envpool(knob: str) -> None:
    """Its own value is the untouched world, bit for bit; another one is another world."""
    default = KnobBoard(make("Ant-v5"), [knob]).read()[knob]
    other = {"leg-failure": 1.0, "actuator-failure": 3.0, "timestep": 0.005}.get(knob, 3.0)
    ends = []
    for names, value in ([], default), ([knob], default), ([knob], other):
        worlds = EnvPoolWorlds("Ant-v5", 1, names)
        worlds.set_context(dict.fromkeys(names, value))
        worlds.reset(seed=0)
        for action in np.random.default_rng(0).uniform(-1, 1, size=(20, 1, 8)):
            observations = worlds.step(action)[0]
        ends.append(observations.copy())
        worlds.close()
    np.testing.assert_array_equal(ends[0], ends[1])
    assert np.abs(ends[0] - ends[2]).max() > 1e-3
