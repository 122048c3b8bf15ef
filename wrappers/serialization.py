"""Frozen dataclasses to plain data and back, with errors that name the nearest match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from .errors import SettingsError, unknown

KIND = "kind"
"""Key under which plain data names the class that it describes."""

T = TypeVar("T")

_KINDS: dict[str, type] = {}


def kind(cls: type[T]) -> type[T]:
    """Let plain data name a dataclass; a decorator.

    Args:
        cls: a frozen dataclass, whose name no other kind has.
    """
    _KINDS[cls.__name__] = cls
    return cls


def to_data(thing: Any) -> Any:
    """Turn a dataclass, and all it holds, into JSON's types.

    Args:
        thing: a dataclass instance, a tuple, list or mapping of such, or a JSON scalar.

    Returns:
        Dicts, lists and scalars; each dataclass is a dict whose `"kind"` is its class's name.

    Example:
        >>> from everlearn.wrappers.schedules import Periodic
        >>> to_data(Periodic(500))
        {'kind': 'Periodic', 'period': 500}
    """
    if is_dataclass(thing) and not isinstance(thing, type):
        values = {field.name: to_data(getattr(thing, field.name)) for field in fields(thing)}
        return {KIND: type(thing).__name__, **values}
    if isinstance(thing, Mapping):
        return {str(key): to_data(value) for key, value in thing.items()}
    if isinstance(thing, (tuple, list)):
        return [to_data(value) for value in thing]
    return thing


def from_data(data: Any, base: type[T], what: str) -> T:
    """Build a dataclass from the plain data that `to_data` made of it.

    Args:
        data: a mapping with a `"kind"` and one entry a field; fields may hold such data again.
        base: the class that the result must be, or descend from.
        what: what is being read, for the error's sentence.

    Returns:
        An instance of the class that the data names. Lists become tuples; what a field's value
        means beyond that is for the class's `__post_init__`.

    Raises:
        SettingsError: for data that is no mapping, an unknown kind or an unknown or missing field.

    Example:
        >>> from everlearn.wrappers.schedules import Periodic, Schedule
        >>> from_data({"kind": "Periodic", "period": 500}, Schedule, "schedule")
        Periodic(period=500)
    """
    allowed = {name: cls for name, cls in _KINDS.items() if issubclass(cls, base)}
    if not isinstance(data, Mapping):
        raise SettingsError(f"a {what} must be a mapping with a 'kind', not {data!r}")
    name = data.get(KIND)
    if name not in allowed:
        raise unknown(f"{what} kind", str(name), allowed)
    return build(allowed[name], {key: value for key, value in data.items() if key != KIND}, what)


def build(cls: type[T], values: Mapping[str, Any], what: str) -> T:
    """Call a dataclass with plain values by name, refusing names that it does not have.

    Args:
        cls: the dataclass.
        values: its fields' values; lists become tuples, and mappings with a kind their instances.
        what: what is being built, for the error's sentence.

    Returns:
        The instance.

    Raises:
        SettingsError: for an unknown or a missing field.
    """
    names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    for name in values:
        if name not in names:
            raise unknown(f"setting of {what} {cls.__name__}", str(name), names)
    try:
        return cls(**{name: _read(value, what) for name, value in values.items()})
    except TypeError as error:
        raise SettingsError(f"cannot read the {what} {cls.__name__}: {error}") from error


def _read(value: Any, what: str) -> Any:
    if isinstance(value, list):
        return tuple(_read(item, what) for item in value)
    if isinstance(value, Mapping) and KIND in value:
        return from_data(value, object, what)
    return value
