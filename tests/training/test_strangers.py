"""Whatever the settings, streams and run folders of strangers hold: a sentence, and no harm."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everlearn.envs import make_stream
from everlearn.envs.catalogue import CATALOGUE
from everlearn.envs.stream import Stream
from everlearn.training.ppo import TrainPPO
from everlearn.training.resume import find_checkpoint
from everlearn.training.run import read_status
from everlearn.training.sac import TrainSAC
from everlearn.training.train import plan_run
from everlearn.wrappers.errors import SettingsError

FEW_AND_MANY = [
    pytest.param(150, id="few"),
    pytest.param(25_000, id="many", marks=pytest.mark.slow),
]

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["../../outside", "/etc/passwd", "!!python/object/apply:os.system", "1e999"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)

TEXT = st.text(
    alphabet=st.sampled_from("abelrstv-_/.:=,[](){}'\"0123456789einf \n\x00é"), max_size=30
)


@st.composite
def mutated(draw: Callable[..., Any], data: Any) -> Any:
    """Return plain data with a few of its entries replaced, left out or joined by others."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        node: Any = data
        while True:
            keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            inner = node[key]
            if isinstance(inner, (dict, list)) and inner and draw(st.integers(0, 3)):
                node = inner
                continue
            if draw(st.integers(0, 4)) == 0:
                del node[key]
            else:
                node[key] = draw(JUNK)
            break
    return data


@st.composite
def mutated_text(draw: Callable[..., Any], texts: list[str]) -> str:
    """Return one of some texts with a piece replaced."""
    text = draw(st.sampled_from(texts))
    begin = draw(st.integers(0, len(text)))
    return str(text[:begin] + draw(TEXT) + text[begin + draw(st.integers(0, 6)) :])


def run_examples(examples: int, strategy: Any, check: Callable[[Any], None]) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(value: Any) -> None:
        with suppress(SettingsError):
            check(value)

    run()


@pytest.fixture(autouse=True)
def nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    yield
    assert os.listdir(place) == []


@pytest.mark.parametrize("examples", FEW_AND_MANY)
def test_streams_as_data(examples: int) -> None:
    known = [make_stream(name).to_dict() for name in CATALOGUE if "MetaWorld" not in name]

    def check(data: Any) -> None:
        stream = Stream.from_json(json.dumps(data))
        assert Stream.from_json(stream.to_json()) == stream

    run_examples(examples, st.sampled_from(known).flatmap(mutated), check)


@pytest.mark.parametrize("examples", FEW_AND_MANY)
def test_streams_and_methods_as_words(examples: int) -> None:
    streams = [f"{name}:change_every=50,observed=hidden" for name in CATALOGUE]
    methods = ["continual-backprop:replacement_rate=1e-3,maturity=100", "a.b:C"]

    def check(words: tuple[str, str]) -> None:
        plan_run(TrainPPO(stream=words[0], methods=(words[1],)))

    words = st.tuples(
        mutated_text(streams) | st.just(streams[0]), mutated_text(methods) | st.just(methods[0])
    )
    run_examples(examples, words, check)


@pytest.mark.parametrize("examples", FEW_AND_MANY)
@pytest.mark.parametrize("agent", [TrainPPO, TrainSAC])
def test_numbers_of_settings(agent: Any, examples: int) -> None:
    numbers = {
        name: st.integers() | st.floats()
        for name, one in agent.__dataclass_fields__.items()
        if one.type in ("int", "float")
    }
    assert len(numbers) >= 10

    def check(values: dict[str, Any]) -> None:
        plan_run(agent(**values))

    values = st.fixed_dictionaries({}, optional=numbers)
    run_examples(examples, values, check)


@pytest.mark.parametrize("examples", FEW_AND_MANY)
def test_run_folders(tmp_path: Path, examples: int) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    plan = plan_run(TrainPPO())
    identity = {"hash": plan.hash, "seed": 0, **plan.identity}
    config = json.loads(json.dumps(identity))
    text = yaml.safe_dump(config)

    def check(written: Any) -> None:
        (folder / "config.yaml").write_text(
            written if isinstance(written, str) else yaml.safe_dump(written), encoding="utf-8"
        )
        (folder / "status.json").write_text(
            written if isinstance(written, str) else json.dumps(written), encoding="utf-8"
        )
        read_status(folder)
        find_checkpoint(folder, identity)

    run_examples(examples, mutated(config) | mutated_text([text]), check)
    assert sorted(os.listdir(folder)) == ["config.yaml", "status.json"]
