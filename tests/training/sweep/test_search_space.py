from __future__ import annotations

import pytest

from everlearn.training.sweep.search_space import put_in, read_space
from everlearn.wrappers.errors import SettingsError

distributions = pytest.importorskip(
    "optuna.distributions", reason="Optuna is an extra: everlearn[search]"
)


def test_ranges_and_choices() -> None:
    read = read_space(
        [
            "learning_rate=1e-5..1e-2:log",
            "gamma=0.9..0.999",
            "n-epochs=1..10",
            "activation=relu,elu",
        ]
    )
    assert read == {
        "learning-rate": distributions.FloatDistribution(1e-5, 1e-2, log=True),
        "gamma": distributions.FloatDistribution(0.9, 0.999),
        "n-epochs": distributions.IntDistribution(1, 10),
        "activation": distributions.CategoricalDistribution(("relu", "elu")),
    }


@pytest.mark.parametrize(
    "text", ["gamma", "gamma=", "=3", "gamma=9..1", "gamma=a..b", "lr=0..1:log"]
)
def test_what_is_no_space(text: str) -> None:
    with pytest.raises(SettingsError, match="--space"):
        read_space([text])


def test_a_search_for_nothing() -> None:
    with pytest.raises(SettingsError, match="search for what"):
        read_space([])


def test_places_in_methods() -> None:
    texts, words = put_in({"rate": 0.1, "gamma": 0.9}, ["a:x={rate},y={rate}", "b"])
    assert texts == ["a:x=0.1,y=0.1", "b"]
    assert words == ["--gamma", "0.9"]
