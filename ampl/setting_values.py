"""One value of a setting: read from text or JSON as the annotation of its field says, and written so that equal values
are equal texts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

_NONE = "none"
_BOOLS = {"true": True, "false": False}
_EXACT = 2**53  # up to here a float is a whole number exactly
_WORDS = {int: "an integer", float: "a number", bool: "true or false", str: "a text", NoneType: _NONE}


class UnreadableValueError(ValueError):
    """A value that its setting cannot have."""


def read_value(given: Any, annotation: Any, *, infinite: bool = False) -> Any:
    """The value that a text, or a JSON value, stands for.

    Args:
        given: "0.5", "true", "none", "256,256", the value of an enum; or what JSON or numpy makes of them.
        annotation: of the field, resolved: int, float, bool, str, an Enum, a Literal, a tuple, or a union of these.
        infinite: whether a float may be infinite.

    Raises:
        UnreadableValueError: it is no such value.
    """
    value = _read(given, annotation, infinite)
    if value is _Unread:
        raise UnreadableValueError(f"{given!r} is not {expected(annotation)}")
    return value


def is_readable(annotation: Any) -> bool:
    """Whether texts stand for values of a field; not if all that it can be are objects of other classes."""
    if options := _options(annotation):
        return any(is_readable(option) for option in options if option is not NoneType)
    if get_origin(annotation) is tuple:
        return all(is_readable(item) for item in get_args(annotation) if item is not Ellipsis)
    return (
        annotation in _WORDS
        or get_origin(annotation) is Literal
        or (isinstance(annotation, type) and issubclass(annotation, Enum))
    )


def expected(annotation: Any) -> str:
    """What a field takes, in words: "a number or none", "one of cosine, none", "integers with commas between them"."""
    if options := _options(annotation):
        return " or ".join(expected(option) for option in options)
    items = get_args(annotation)
    if get_origin(annotation) is tuple:
        if len(items) == 2 and items[1] is Ellipsis:
            return f"{expected(items[0]).removeprefix('an ').removeprefix('a ')}s with commas between them"
        return ", ".join(expected(item) for item in items) + ", with commas between them"
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(str, items))}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return f"one of {', '.join(str(member.value) for member in annotation)}"
    if isinstance(annotation, type):
        return _WORDS.get(annotation, annotation.__name__)
    return str(annotation)


def json_value(value: Any) -> Any:
    """The value as JSON has it, infinity as "inf"; a dataclass carries its class name under "kind"."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"kind": type(value).__name__} | {
            each.name: json_value(getattr(value, each.name)) for each in fields(value)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and math.isinf(value):
        return value_text(value)
    return [json_value(item) for item in value] if isinstance(value, tuple | list) else value


def settings_as_json(config: Any) -> Mapping[str, Any]:
    """All settings as JSON values; a field that is a dataclass itself carries its class name under "kind"."""
    return {each.name: json_value(getattr(config, each.name)) for each in fields(config)}


def value_text(value: Any) -> str:
    """The shortest text that `read_value` reads as the same value: "2.5", "3", "true", "none", "256,256"."""
    if value is None:
        return _NONE
    if isinstance(value, Enum):
        return value_text(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, tuple | list):
        return ",".join(map(value_text, value))
    return str(value)


class _Unread:
    """Stands for no value, where None is one."""


def _read(given: Any, annotation: Any, infinite: bool) -> Any:
    if isinstance(given, np.generic | np.ndarray):
        given = given.tolist()
    if options := _options(annotation):
        ordered = sorted(options, key=lambda option: option is str)  # any text is a str: it is tried last
        read = (_read(given, option, infinite) for option in ordered)
        return next((value for value in read if value is not _Unread), _Unread)
    if get_origin(annotation) is tuple:
        return _read_tuple(given, get_args(annotation), infinite)
    if get_origin(annotation) is Literal:
        return next((value for value in get_args(annotation) if _names(given, value)), _Unread)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next((member for member in annotation if given is member or _names(given, member.value)), _Unread)
    text = given.strip() if isinstance(given, str) else None
    if annotation is NoneType:
        return None if given is None or (text is not None and text.lower() == _NONE) else _Unread
    if annotation is bool:
        return given if isinstance(given, bool) else _BOOLS.get((text or "").lower(), _Unread)
    if annotation is int:
        return _read_int(given if text is None else text)
    if annotation is float:
        return _read_float(given if text is None else text, infinite)
    return given if annotation is str and isinstance(given, str) else _Unread


def _options(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; nothing if it is none."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()


def _names(given: Any, value: Any) -> bool:
    """Whether what was given stands for a value of an enum or a Literal."""
    return value_text(value) == (given.strip() if isinstance(given, str) else value_text(given))


def _read_int(given: Any) -> Any:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return _Unread
    if isinstance(given, int):
        return given
    try:
        return int(given) if isinstance(given, str) else _whole(given)
    except ValueError:
        number = _read_float(given, infinite=False)
        return _Unread if number is _Unread else _whole(number)


def _whole(number: float) -> Any:
    return int(number) if abs(number) <= _EXACT and number.is_integer() else _Unread


def _read_float(given: Any, infinite: bool) -> Any:
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return _Unread
    try:
        number = float(given) + 0.0  # -0.0 becomes 0.0, so that equal numbers are equal texts
    except (ValueError, OverflowError):
        return _Unread
    return number if math.isfinite(number) or (infinite and math.isinf(number)) else _Unread


def _read_tuple(given: Any, items: Sequence[Any], infinite: bool) -> Any:
    if not isinstance(given, str | tuple | list):
        return _Unread
    parts = [part for part in given.split(",") if given.strip()] if isinstance(given, str) else list(given)
    kinds = [items[0]] * len(parts) if len(items) == 2 and items[1] is Ellipsis else list(items)
    if len(parts) != len(kinds):
        return _Unread
    values = tuple(_read(part, kind, infinite) for part, kind in zip(parts, kinds, strict=True))
    return _Unread if _Unread in values else values
