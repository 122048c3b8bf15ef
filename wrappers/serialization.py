"""Frozen dataclasses to plain data and back, with errors that name the nearest match."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from .errors import SettingsError, unknown

KIND = "kind"
"""Key under which plain data names the class that it describes."""

T = TypeVar("T")


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


def from_data(data: Any, classes: Iterable[type[T]], what: str) -> T:
    """Build one of several dataclasses from the plain data that `to_data` made of it.

    Args:
        data: a mapping with a `"kind"` and one entry a field.
        classes: the dataclasses that are allowed here.
        what: what is being read, for the error's sentence.

    Returns:
        An instance of the class that the data names. Lists become tuples; what a field's value
        means beyond that is for the class's `__post_init__`.

    Raises:
        SettingsError: for data that is no mapping, an unknown kind or an unknown or missing field.

    Example:
        >>> from everlearn.wrappers.schedules import Periodic
        >>> from_data({"kind": "Periodic", "period": 500}, [Periodic], "schedule")
        Periodic(period=500)
    """
    by_name = {allowed.__name__: allowed for allowed in classes}
    if not isinstance(data, Mapping):
        raise SettingsError(f"a {what} must be a mapping with a 'kind', not {data!r}")
    kind = data.get(KIND)
    if kind not in by_name:
        raise unknown(f"{what} kind", str(kind), by_name)
    return build(by_name[kind], {key: value for key, value in data.items() if key != KIND}, what)


def build(cls: type[T], values: Mapping[str, Any], what: str) -> T:
    """Call a dataclass with values by name, refusing names that it does not have.

    Args:
        cls: the dataclass.
        values: its fields' values; lists become tuples.
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
        return cls(**{name: _tupled(value) for name, value in values.items()})
    except TypeError as error:
        raise SettingsError(f"cannot read the {what} {cls.__name__}: {error}") from error


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list) else value
