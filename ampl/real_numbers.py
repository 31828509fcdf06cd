"""What a user gives as numbers, as float64: whatever is no real number is refused in one line, never converted."""

from __future__ import annotations

import reprlib
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError


def real_number(name: str, value: Any) -> float:
    """`value` as a float; an array without axes, as numpy and torch return it, is the number that it holds.

    Raises:
        InvalidArgumentError: a bool, a text, a complex number, an array with axes, or a number beyond float64.
    """
    try:
        plain = value.item() if getattr(value, "shape", None) == () else value
        if isinstance(plain, bool) or not isinstance(plain, Real):
            raise TypeError
        return float(plain)
    except (TypeError, ValueError, OverflowError):
        raise InvalidArgumentError(f"{name} is {_shown(value)}; expected a real number.") from None


def real_array(name: str, value: Any) -> NDArray[np.float64]:
    """`value` as a float64 array; the array itself, not a copy, if it is one already.

    Raises:
        InvalidArgumentError: rows of several lengths, or entries that are no real numbers.
    """
    try:
        found = np.asarray(value)
        real = all(isinstance(entry, Real) for entry in found.flat) if found.dtype == object else is_real(found)
        if not real:
            raise TypeError
        return found.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError):
        raise InvalidArgumentError(f"{name} is not an array of real numbers; expected one, without gaps.") from None


def integer_array(name: str, value: Any) -> NDArray[np.int64]:
    """`value` as an int64 array; the array itself, not a copy, if it is one already.

    Raises:
        InvalidArgumentError: rows of several lengths, or entries that are no integers, or beyond int64.
    """
    try:
        found = np.asarray(value)
    except ValueError:
        raise InvalidArgumentError(f"{name} is not an array of integers; expected one, without gaps.") from None
    if found.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"{name} has dtype {found.dtype}; expected integers. Convert what is whole with .astype(int)."
        )
    if found.dtype.kind == "u" and found.size and int(found.max()) > np.iinfo(np.int64).max:
        raise InvalidArgumentError(f"{name} holds {int(found.max())}; expected integers that int64 can hold.")
    return found.astype(np.int64, copy=False)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself if neither it nor what it is a view of can be written to, else a copy, in the same layout."""
    parts = [array, array.base] if isinstance(array.base, np.ndarray) else [array]
    if not any(part.flags.writeable for part in parts):
        return array
    kept = array.copy(order="K")
    kept.flags.writeable = False
    return kept


def is_real(array: NDArray[Any]) -> bool:
    """Whether an array's dtype is of booleans, integers or floats: not of complex numbers, texts or dates."""
    return array.dtype.kind in "biuf"


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # Python prints no integer of more than 4300 digits
        return f"a {type(value).__name__}"
