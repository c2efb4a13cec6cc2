"""Conversion of frozen dataclasses to JSON, and strict validation back.

`decoded` is the inverse of `encoded`. Wrong types, missing fields and unknown fields are errors
that name their place, because files are untrusted.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from benchmark_spec.errors import SpecError, shown

__all__ = ["decoded", "encoded"]

D = TypeVar("D")

_KIND: Final = "kind"
"""Key of an object that tells its class among several; each class has an attribute `kind`."""


def encoded(value: Any) -> Any:
    """Convert a value for JSON: dataclasses and mappings to objects, tuples to lists."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = _kind_of(type(value))
        named = {} if kind is None else {_KIND: kind}
        return named | {
            field.name: encoded(getattr(value, field.name)) for field in fields(value) if field.repr
        }
    if isinstance(value, Mapping):
        return {name: encoded(inner) for name, inner in value.items()}
    if isinstance(value, tuple):
        return [encoded(inner) for inner in value]
    return value


def _kind_of(kind: Any) -> str | None:
    """Return the value of `kind` that identifies a class among alternatives; None for most."""
    name = vars(kind).get(_KIND)
    return name if isinstance(name, str) else None


def decoded(kind: type[D], value: Any, where: str) -> D:
    """Return the dataclass of a value that `encoded` returned.

    Args:
        kind: The class.
        value: Decoded JSON.
        where: Name of the value, for messages.

    Raises:
        SpecError: The value is not one of this class.
    """
    return cast("D", _decoded(kind, value, where))


def _decoded(kind: Any, value: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin is Literal:
        if value not in get_args(kind) or isinstance(value, bool):
            raise SpecError(f"{where}: {shown(value)} is not one of {', '.join(get_args(kind))}")
        return value
    if origin in (Union, UnionType):
        return _of_union(get_args(kind), value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise SpecError(f"{where}: {shown(value)} is not a list")
        inner = get_args(kind)[0]
        return tuple(_decoded(inner, one, f"{where}[{n}]") for n, one in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        inner = get_args(kind)[1]
        return MappingProxyType(
            {name: _decoded(inner, one, f"{where}.{name}") for name, one in _object(value, where)}
        )
    if is_dataclass(kind):
        return _of_class(kind, value, where)
    return _plain(kind, value, where)


def _object(value: Any, where: str) -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise SpecError(f"{where}: {shown(value)} is not an object")
    return list(value.items())


def _of_union(members: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and NoneType in members:
        return None
    others = [member for member in members if member is not NoneType]
    classes = {_kind_of(member): member for member in others if is_dataclass(member)}
    if len(classes) > 1:
        given = dict(_object(value, where)).get(_KIND)
        if not isinstance(given, str) or given not in classes:
            known = ", ".join(map(str, classes))
            raise SpecError(f"{where}: {shown(given)} is not one of {known}")
        return _of_class(classes[given], value, where)
    if len(others) == 1:
        return _decoded(others[0], value, where)
    for member in others:
        if type(value) is (list if get_origin(member) is tuple else member):
            return _decoded(member, value, where)
    raise SpecError(f"{where}: {shown(value)} has the wrong type")


@lru_cache(maxsize=64)
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _of_class(kind: Any, value: Any, where: str) -> Any:
    given = dict(_object(value, where))
    if _kind_of(kind) is not None:
        given.pop(_KIND, None)
    known = {field.name: field for field in fields(kind) if field.init}
    unknown = given.keys() - known.keys()
    missing = {
        name
        for name, field in known.items()
        if field.default is MISSING and field.default_factory is MISSING and name not in given
    }
    if unknown or missing:
        raise SpecError(f"{where}: unknown keys {sorted(unknown)}, missing keys {sorted(missing)}")
    hints = _hints(kind)
    return kind(
        **{name: _decoded(hints[name], one, f"{where}.{name}") for name, one in given.items()}
    )


def _plain(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    if kind is float and type(value) is int and abs(value) <= sys.float_info.max:
        return float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise SpecError(f"{where}: {shown(value)} is not of type {kind.__name__}")
    return value
