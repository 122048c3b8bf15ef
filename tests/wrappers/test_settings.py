from __future__ import annotations

import doctest
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy
import pytest

from everlearn.wrappers import settings
from everlearn.wrappers.errors import SettingsError
from everlearn.wrappers.settings import convert_settings, split_settings


@dataclass
class Example:
    whole: int = 1
    number: float = 1.0
    flag: bool = False
    text: str = ""
    choice: Literal["a", "b", 3] = "a"
    maybe: float | None = None
    maybe_text: str | None = None
    pair: tuple[float, float] = (0.0, 1.0)
    row: tuple[float, ...] = ()
    listed: list[int] | None = None
    sequence: Sequence[float] = ()
    callback: Callable[[int], int] | None = None
    name: ClassVar[str] = "example"


def test_doctests() -> None:
    assert doctest.testmod(settings).failed == 0


@pytest.mark.parametrize(
    ("text", "name", "raw"),
    [
        ("redo", "redo", {}),
        (" redo ", "redo", {}),
        ("redo:a=1", "redo", {"a": "1"}),
        ("redo: a = 1 , b=x=y", "redo", {"a": "1", "b": "x=y"}),
        ("redo:a=[1,2],b=(3,[4,5])", "redo", {"a": "[1,2]", "b": "(3,[4,5])"}),
        ("pkg:Id-v0", "pkg:Id-v0", {}),
        ("pkg:Id-v0:a=b:c", "pkg:Id-v0", {"a": "b:c"}),
        ("redo:a=", "redo", {"a": ""}),
    ],
)
def test_split(text: str, name: str, raw: dict[str, str]) -> None:
    assert split_settings(text) == (name, raw)


@pytest.mark.parametrize(
    "text", ["", ":a=1", "redo:", "redo:a=1,", "redo:a=1,b", "redo:a=1,a=2", "redo=3", "redo:=3"]
)
def test_split_refuses(text: str) -> None:
    with pytest.raises(SettingsError):
        split_settings(text)


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("whole", "2_000_000", 2_000_000),
        ("whole", "2e6", 2_000_000),
        ("whole", "-3", -3),
        ("whole", 2e6, 2_000_000),
        ("whole", numpy.int64(4), 4),
        ("number", "1e-4", 1e-4),
        ("number", 3, 3.0),
        ("number", "inf", float("inf")),
        ("number", numpy.float32(0.5), 0.5),
        ("flag", "True", True),
        ("flag", "off", False),
        ("flag", True, True),
        ("text", "any", "any"),
        ("choice", "b", "b"),
        ("choice", "3", 3),
        ("maybe", "none", None),
        ("maybe", None, None),
        ("maybe", "0.5", 0.5),
        ("maybe_text", "None", None),
        ("maybe_text", "x", "x"),
        ("pair", "[1,2]", (1.0, 2.0)),
        ("pair", [1, 2], (1.0, 2.0)),
        ("row", "(1,)", (1.0,)),
        ("row", "[]", ()),
        ("row", "1,2,3", (1.0, 2.0, 3.0)),
        ("listed", "[1, 2e3]", [1, 2000]),
        ("sequence", [0.5], (0.5,)),
        ("callback", None, None),
        ("callback", abs, abs),
    ],
)
def test_convert(key: str, value: Any, wanted: Any) -> None:
    converted = convert_settings("example", Example, {key: value})
    assert converted == {key: wanted}
    assert type(converted[key]) is type(wanted)
    Example(**converted)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("whole", "1.5", "example setting 'whole' must be a whole number, not '1.5'"),
        ("whole", "1e999999999", "must be a whole number"),
        ("whole", "nan", "must be a whole number"),
        ("whole", "many", "must be a whole number"),
        ("whole", True, "must be a whole number, not True"),
        ("number", "nan", "must be a number"),
        ("number", "fast", "must be a number, not 'fast'"),
        ("number", False, "must be a number"),
        ("flag", "maybe", "must be true or false"),
        ("flag", 1, "must be true or false, not 1"),
        ("text", 1, "must be text, not 1"),
        ("choice", "c", "must be one of 'a', 'b', 3, not 'c'"),
        ("maybe", "x", "must be a number or none, not 'x'"),
        ("pair", "[1]", "must be a list of 2"),
        ("pair", 3, "must be a list like"),
        ("row", "[1,x]", "must be a list like [1,2], each a number"),
        ("callback", "abs", "must be given in Python or none"),
        ("numbr", "1", "unknown example setting 'numbr': did you mean 'number'?"),
        ("name", "x", "unknown example setting 'name'"),
    ],
)
def test_convert_refuses(key: str, value: Any, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        convert_settings("example", Example, {key: value})
    assert sentence in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_convert_for_functions_and_plain_classes() -> None:
    def function(steps: int, *rest: int, rate: float = 0.1, untyped=None, **more: int) -> None:  # type: ignore[no-untyped-def]
        return None

    class Plain:
        def __init__(self, steps: int) -> None:
            self.steps = steps

    raw = {"steps": "5", "rate": "2", "untyped": "x"}
    assert convert_settings("f", function, raw) == {"steps": 5, "rate": 2.0, "untyped": "x"}
    assert convert_settings("p", Plain, {"steps": "5"}) == {"steps": 5}
    for key in ("rest", "more", "self"):
        with pytest.raises(SettingsError):
            convert_settings("f", function, {key: "1"})
