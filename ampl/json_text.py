"""JSON read strictly: what the format does not allow, nobody can compute with, or has two meanings is a mistake."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from typing import Any, NoReturn

_MOST_DIGITS = 100  # of an integer: it can be turned into a float
_DEEPEST = 64  # levels of objects and lists


def parse_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: not JSON, nested deeper than any of our files, a number that is no finite float or has more than a
            hundred digits, or an object with the same key twice; the message says which.
    """
    try:
        value: Any = json.loads(
            text,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
        deepest = _depth(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from error
    except RecursionError:
        deepest = sys.maxsize
    if deepest > _DEEPEST + 1:
        raise ValueError(f"nested deeper than {_DEEPEST} levels")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:_MOST_DIGITS]} is too large")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {name!r} stands twice in one object")
    return found


def _depth(value: Any) -> int:
    """The levels of objects and lists, and one more if there is anything in the innermost."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, parts), default=0)
