from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]
from tensorboard.backend.event_processing.event_file_loader import (  # type: ignore[import-untyped]
    LegacyEventFileLoader,
)
from tensorboard.plugins.custom_scalar import layout_pb2  # type: ignore[import-untyped]
from torch import nn

from everlearn.training import events as events_module
from everlearn.training.ppo import TrainPPO
from everlearn.training.run_card import histograms, layout
from everlearn.training.tensorboard import BlockMinima, BlockMinimum, EventWriter
from everlearn.training.train import train

SMALL = TrainPPO(
    stream="everlearn/SlipperyAnt-v0:change_every=50",
    total_steps=160,
    n_envs=2,
    n_steps=16,
    batch_size=16,
    n_epochs=1,
    hidden_sizes=(8, 8),
    checkpoint_every=2,
    evaluate_every=2,
    evaluation_steps=10,
    histograms_every=2,
)


def events_of(folder: Path) -> Iterator[Any]:
    for file in sorted(folder.glob("events*")):
        yield from LegacyEventFileLoader(str(file)).Load()


def read(folder: Path) -> Any:
    return event_accumulator.EventAccumulator(str(folder), {"scalars": 0, "histograms": 0}).Reload()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events_module.time, "sleep", lambda seconds: None)
        train(replace(SMALL, runs_folder=str(folder), total_steps=128))
        return train(replace(SMALL, runs_folder=str(folder))).folder


def test_an_iteration_is_one_event(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    for step in (10, 20):
        values = {"train/loss": 0.5, "time/fps": 3, "note": "no number", "time/iterations": 1}
        writer.write(values, {"time/iterations": ("tensorboard",)}, step)
    writer.close()
    rows = [event for event in events_of(tmp_path) if event.HasField("summary")]
    assert [event.step for event in rows] == [10, 20]
    for event in rows:
        values = {value.tag: value.simple_value for value in event.summary.value}
        assert values == {"train/loss": 0.5, "time/fps": 3.0}


def test_every_value_is_in_one_block() -> None:
    draws = np.random.default_rng(0).normal(size=5000)
    lowest = BlockMinimum()
    ends = [lowest.add(value) for value in draws]
    places = [i for i, one in enumerate(ends) if one is not None]
    assert places[:101] == [*range(100), 101]
    starts = [0, *[place + 1 for place in places[:-1]]]
    for start, place in zip(starts, places, strict=True):
        assert ends[place] == draws[start : place + 1].min()
    assert len(places) < 1000


def test_a_hundred_thousand_values_are_a_thousand_points() -> None:
    lowest = BlockMinimum()
    points = sum(lowest.add(0.0) is not None for _ in range(102_300))
    assert points == 1000


def test_blocks_go_on_where_they_were() -> None:
    draws = np.random.default_rng(0).normal(size=400)
    whole, parts = BlockMinima(), BlockMinima()
    for i, value in enumerate(draws):
        if i % 37 == 0:
            parts = BlockMinima(parts.get_state())
        assert whole.add({"a": value}) == parts.add({"a": value})


def test_the_lowest_return_has_a_curve(finished: Path) -> None:
    found = read(finished)
    means = {one.step: one.value for one in found.Scalars("continual/return")}
    lows = {one.step: one.value for one in found.Scalars("continual/return_min")}
    assert means
    assert lows == means


def test_the_card_is_written_once(finished: Path) -> None:
    tags = [value.tag for event in events_of(finished) for value in event.summary.value]
    for tag in (
        "configuration/text_summary",
        "stream/table",
        "custom_scalars__config__",
        "continual/accuracy_matrix",
        "_hparams_/session_start_info",
    ):
        assert tags.count(tag) == 1, tag
    png = read(finished).Images("stream/table")[0]
    assert png.encoded_image_string.startswith(b"\x89PNG")
    assert png.width > 500


def test_histograms_come_at_their_interval(finished: Path) -> None:
    found = read(finished)
    tags = found.Tags()["histograms"]
    assert len(tags) == 6
    for tag in tags:
        assert [one.step for one in found.Histograms(tag)] == [0, 64, 128]


def test_histograms_hold_the_weights() -> None:
    layer = nn.Linear(100, 200)
    (value,) = histograms(layer.named_parameters()).value
    weights = layer.weight.detach().numpy()
    assert value.tag == "weights/weight"
    assert value.histo.num == pytest.approx(sum(value.histo.bucket), abs=0)
    assert 2000 < value.histo.num <= 4096
    assert value.histo.min >= weights.min()
    assert value.histo.max <= weights.max()


def test_the_layout_shows_what_there_is() -> None:
    tags = ["stream/friction", "stream/segment", "plasticity/actor/weight_norm", "train/loss"]
    tags += ["plasticity/critic/weight_norm", "plasticity/actor/hidden_0/srank"]
    content = layout([*tags, "plasticity/resets"]).value[0].tensor.string_val[0]
    found = layout_pb2.Layout.FromString(content)
    charts = {one.title: [chart.title for chart in one.chart] for one in found.category}
    assert charts["return with context"] == ["return", "friction", "segment"]
    assert charts["plasticity"] == ["weight_norm", "srank by layer", "resets"]
    assert set(charts) == {"return with context", "plasticity", "tasks", "forgetting"}
