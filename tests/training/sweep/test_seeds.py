from __future__ import annotations

import pytest

from everlearn.training.sweep.seeds import parse_seeds
from everlearn.wrappers.errors import SettingsError


def test_tuning_seeds_are_never_reported() -> None:
    reported, tuned = parse_seeds("0-99,2147483647"), parse_seeds("0-99,2147483647", tuning=True)
    assert not set(reported) & set(tuned)
    assert max(tuned) < 2**32


def test_each_seed_once_in_order() -> None:
    assert parse_seeds("7, 2-3 3,1") == (7, 2, 3, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ten", "not 'ten'"),
        ("0..9", "such as 0-9"),
        ("9-0", "write 0-9"),
        ("-3", "not '-3'"),
        ("2147483648", "for tuning"),
        (" ", "needs a seed"),
    ],
)
def test_what_is_no_seed(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        parse_seeds(text)
