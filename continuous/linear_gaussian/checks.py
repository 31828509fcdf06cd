"""Checks of what a linear-Gaussian problem is made of; each error is one line that names the array."""

from __future__ import annotations

from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ampl.errors import InvalidArgumentError, InvalidDiscountError, InvalidDistributionError, InvalidShapeError
from ampl.real_numbers import real_array

Floats: TypeAlias = NDArray[np.float64]

_ROUNDING = 1e-12  # of a covariance's entries and eigenvalues, relative to its largest


def checked_array(name: str, value: ArrayLike, shape: tuple[int | None, ...]) -> Floats:
    """A read-only float64 copy of `value`.

    Args:
        name: what the error calls it.
        value: any array of numbers.
        shape: expected; None is any size of at least one.

    Raises:
        InvalidShapeError: another shape.
        InvalidArgumentError: entries that are no finite numbers.
    """
    array = np.array(real_array(name, value))
    fits = array.ndim == len(shape) and all(
        size == want if want is not None else size > 0 for size, want in zip(array.shape, shape, strict=False)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise InvalidShapeError(f"{name} has shape {array.shape}; expected ({wanted}{',' * (len(shape) == 1)}).")
    if not np.isfinite(array).all():
        raise InvalidArgumentError(f"{name} has entries that are not finite.")
    array.flags.writeable = False
    return array


def checked_covariance(name: str, value: ArrayLike, size: int, *, definite: bool = False) -> Floats:
    """A read-only covariance, [size, size].

    Args:
        name: what the error calls it.
        value: symmetric and positive semidefinite.
        size: of a side.
        definite: whether a density is needed, so that all eigenvalues must be positive.

    Raises:
        InvalidShapeError, InvalidArgumentError: as `checked_array`.
        InvalidDistributionError: not symmetric, or an eigenvalue that is negative (or zero, where a density is needed).
    """
    covariance = checked_array(name, value, (size, size))
    scale = float(np.abs(covariance).max()) or 1.0
    if np.abs(covariance - covariance.T).max() > _ROUNDING * scale:
        raise InvalidDistributionError(f"{name} is not symmetric; expected a covariance.")
    least = float(np.linalg.eigvalsh(covariance).min())
    if definite and least <= _ROUNDING * scale:
        raise InvalidDistributionError(f"{name} has the eigenvalue {least:.3g}; a density needs all of them positive.")
    if least < -_ROUNDING * scale:
        raise InvalidDistributionError(f"{name} has the eigenvalue {least:.3g}; expected none below zero.")
    return covariance


def check_discount(discount: float) -> None:
    """Raises:
    InvalidDiscountError: not in [0, 1).
    """
    if isinstance(discount, bool) or not isinstance(discount, Real) or not 0.0 <= discount < 1.0:
        raise InvalidDiscountError(f"discount is {discount!r}; expected a number in [0, 1).")


def solve(matrix: Floats, right: Floats) -> Floats:
    """The x with matrix x = right."""
    return np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)


def symmetric(matrix: Floats) -> Floats:
    """The symmetric part, which takes off what rounding added, [..., n, n]."""
    result: Floats = 0.5 * (matrix + matrix.swapaxes(-1, -2))
    return result


def freeze(instance: Any, **values: Any) -> None:
    """Sets fields of a frozen dataclass to their checked values."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)
