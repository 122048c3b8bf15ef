"""Settings written as text: `name:key=value,key=value`, read by the types of what they set."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from decimal import Decimal, InvalidOperation
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .errors import SettingsError, unknown

_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}
_LARGEST_EXPONENT = 18
_OPENING, _CLOSING = "([{", ")]}"


def split_settings(text: str) -> tuple[str, dict[str, str]]:
    """Split `name:key=value,key=value` into the name and its settings, still as text.

    Commas inside brackets belong to the value. The name may hold colons itself (a gymnasium id
    with its module does): the settings begin after the last colon before the first `=`.

    Args:
        text: what the user wrote.

    Returns:
        The name, and each setting's text by its key, in the order written.

    Raises:
        SettingsError: there is no name, a setting is not `key=value`, or a key comes twice.

    Example:
        >>> split_settings("continual-backprop:replacement_rate=1e-4,maturity=10000")
        ('continual-backprop', {'replacement_rate': '1e-4', 'maturity': '10000'})
        >>> split_settings("everlearn.envs:everlearn/SlipperyAnt-v0:friction=[0.02,2]")
        ('everlearn.envs:everlearn/SlipperyAnt-v0', {'friction': '[0.02,2]'})
    """
    head, equals, _ = text.partition("=")
    colon = head.rfind(":")
    if not equals or colon < 0:
        name, rest = text.strip(), ""
    else:
        name, rest = text[:colon].strip(), text[colon + 1 :]
    if not name or name.endswith(":") or (equals and not rest):
        raise SettingsError(f"{text!r} is not a name or name:key=value,key=value")
    settings: dict[str, str] = {}
    for item in _split_outside_brackets(rest) if rest else []:
        key, equals, value = (part.strip() for part in item.partition("="))
        if not key or not equals:
            raise SettingsError(f"{item.strip()!r} in {text!r} is not a setting key=value")
        if key in settings:
            raise SettingsError(f"setting {key!r} comes twice in {text!r}")
        settings[key] = value
    return name, settings


def convert_settings(
    kind: str, builder: Callable[..., Any], raw: Mapping[str, Any]
) -> dict[str, Any]:
    """Convert settings to the annotated parameter types of what they are for.

    Understood are `int` (also "2_000_000", and "2e6" because it is whole), `float`, `bool`,
    `str`, `Literal`, `X | None` ("none"), and tuples, lists and sequences of these ("[1,2]").
    Values that are no text are checked against the same types. Parameters of other types take
    any value but text.

    Args:
        kind: what the settings belong to, for the error sentence: "continual-backprop".
        builder: a function, a class or a dataclass whose parameters are the settings.
        raw: each setting's text or value by its key.

    Returns:
        The converted settings, to be passed to `builder` as keywords; missing ones stay missing.

    Raises:
        SettingsError: an unknown key, or a value of the wrong type.

    Example:
        >>> def slippery(change_every: int = 2_000_000, hidden: bool = True) -> None: ...
        >>> convert_settings("slippery", slippery, {"change_every": "2e6", "hidden": "no"})
        {'change_every': 2000000, 'hidden': False}
        >>> convert_settings("slippery", slippery, {"change_evry": "2"})
        Traceback (most recent call last):
        ...
        everlearn.wrappers.errors.SettingsError: unknown slippery setting 'change_evry': \
did you mean 'change_every'?
    """
    hints = _parameter_types(builder)
    converted: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in hints:
            raise unknown(f"{kind} setting", key, hints)
        try:
            converted[key] = _convert(value, hints[key])
        except _Unfit as wanted:
            raise SettingsError(f"{kind} setting {key!r} must be {wanted}, not {value!r}") from None
    return converted


class _Unfit(Exception):
    """A value that does not fit its type; the message says what was wanted."""


def _split_outside_brackets(text: str) -> list[str]:
    items, start, depth = [], 0, 0
    for position, character in enumerate(text):
        if character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == "," and depth == 0:
            items.append(text[start:position])
            start = position + 1
    items.append(text[start:])
    return items


def _parameter_types(builder: Callable[..., Any]) -> dict[str, Any]:
    if is_dataclass(builder) or not inspect.isclass(builder):
        hints = get_type_hints(builder)
    else:
        hints = get_type_hints(builder.__init__)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name: hints.get(name, Any)
        for name, parameter in inspect.signature(builder).parameters.items()
        if parameter.kind in named
    }


def _convert(value: Any, hint: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _to_any_of(value, get_args(hint))
    if origin is Literal:
        return _to_choice(value, get_args(hint))
    if origin in (tuple, list, Sequence):
        return _to_row(value, origin, get_args(hint))
    convert = _SCALARS.get(hint)
    if convert is not None:
        return convert(value)
    if isinstance(value, str) and hint is not Any:
        raise _Unfit("given in Python")
    return value


def _to_any_of(value: Any, members: tuple[Any, ...]) -> Any:
    wanted: list[str] = []
    # None first, lest "none" be taken for a string.
    for member in sorted(members, key=lambda member: member is not NoneType):
        try:
            return _convert(value, member)
        except _Unfit as unfit:
            wanted.append(str(unfit))
    raise _Unfit(" or ".join(wanted[1:] + wanted[:1] if NoneType in members else wanted))


def _to_choice(value: Any, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if value == choice and isinstance(value, bool) == isinstance(choice, bool):
            return choice
        if isinstance(value, str) and value == str(choice):
            return choice
    raise _Unfit("one of " + ", ".join(repr(choice) for choice in choices))


def _to_row(value: Any, origin: Any, members: tuple[Any, ...]) -> Any:
    if isinstance(value, str):
        inner = value.strip()
        if inner and inner[0] in _OPENING and inner[-1] in _CLOSING:
            inner = inner[1:-1].strip().rstrip(",")
        items: Sequence[Any] = [item.strip() for item in _split_outside_brackets(inner) if item]
    elif isinstance(value, Sequence):
        items = value
    else:
        raise _Unfit("a list like [1,2]")
    fixed = origin is tuple and members and members[-1] is not Ellipsis
    if fixed and len(members) != len(items):
        raise _Unfit(f"a list of {len(members)}")
    types = members if fixed else (members[0] if members else Any,) * len(items)
    try:
        row = [_convert(item, member) for item, member in zip(items, types, strict=True)]
    except _Unfit as unfit:
        raise _Unfit(f"a list like [1,2], each {unfit}") from None
    return row if origin is list else tuple(row)


def _to_int(value: Any) -> int:
    if isinstance(value, (str, float)):
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise _Unfit("a whole number") from None
        small = number.is_finite() and number.adjusted() <= _LARGEST_EXPONENT
        if small and number == number.to_integral_value():
            return int(number)
    elif isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    raise _Unfit("a whole number")


def _to_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, numbers.Real)):
        raise _Unfit("a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _Unfit("a number") from None
    if number != number:
        raise _Unfit("a number")
    return number


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise _Unfit("true or false")


def _to_str(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise _Unfit("text")


def _to_none(value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value.lower() == "none"):
        raise _Unfit("none")


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    int: _to_int,
    float: _to_float,
    bool: _to_bool,
    str: _to_str,
    NoneType: _to_none,
}
