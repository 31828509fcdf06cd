"""Checks of what is to be a probability distribution, or a discount, with one clear line about the first that is none.

Sums are taken in float64, and may be off one by what float64 rounds in long sums (`ROW_TOLERANCE`).
"""

from __future__ import annotations

import numpy as np

from ampl.errors import InvalidDiscountError, InvalidDistributionError
from ampl.real_numbers import real_array, real_number
from tabular.types import Floats

ROW_TOLERANCE = 1e-9  # how far a row's sum may be from one
ROUNDING = 1e-12  # rows that are farther off are divided by their sum: near discount 1 the rest would add up
_ROUNDED = 1e-2  # rows that are farther off were not meant to sum to one


def check_rows(name: str, rows: Floats, hint: str = "") -> None:
    """Checks that every row along the last axis is a probability distribution; sums are taken in float64.

    Raises:
        InvalidArgumentError: entries that are no real numbers.
        InvalidDistributionError: naming the first bad row, its value or its sum.
    """
    rows = real_array(name, rows)
    check_row_sums(name, rows.sum(axis=-1), hint)
    lowest = rows.min()
    if not lowest >= 0.0:  # a NaN was caught by the sums
        index = np.unravel_index(int(rows.argmin()), rows.shape)
        where = f"{name}[{', '.join(str(i) for i in index)}]"
        raise InvalidDistributionError(f"{where} is {lowest:g}; probabilities must be >= 0. {hint}".rstrip())


def check_distribution(name: str, entries: Floats) -> None:
    """Checks that all entries of an array together are one probability distribution, over pairs or transitions say.

    Raises:
        InvalidDistributionError: a negative entry, or a sum other than one.
    """
    if entries.size and entries.min() < 0.0:
        raise InvalidDistributionError(f"{name} has the entry {entries.min():g}; probabilities must be >= 0.")
    check_row_sums(name, np.asarray(entries.sum()), "Divide counts by their sum, in float64.")


def check_row_sums(name: str, sums: Floats, hint: str) -> None:
    """Checks sums of rows, of any shape; the hint says what to do about rows that were not meant to be distributions.

    Raises:
        InvalidDistributionError: naming the first that is not one.
    """
    good = np.abs(sums - 1.0) <= ROW_TOLERANCE  # False for NaN
    if good.all():
        return
    index = tuple(int(i) for i in np.argwhere(~good)[0])
    where = f"{name}[{', '.join(map(str, index))}]" if index else name
    if not np.isfinite(sums[index]):
        raise InvalidDistributionError(f"{where} holds NaN or infinite entries; expected probabilities.")
    excess = float(sums[index]) - 1.0
    if abs(excess) < _ROUNDED:
        total = f"1 {'+' if excess > 0.0 else '-'} {abs(excess):.2e}"
        hint = "If it was rounded (float32, printed digits), normalize it in float64: row / row.sum()."
    else:
        total = f"{sums[index]:.9g}"
    wanted = f"{'every row' if index else 'it'} must sum to 1 within {ROW_TOLERANCE:g}"
    raise InvalidDistributionError(f"{where} sums to {total}; {wanted}. {hint}".rstrip())


def with_exact_sums(rows: Floats) -> Floats:
    """Checked rows along the last axis; those whose sums are off one by more than `ROUNDING` are divided by them."""
    sums = rows.sum(axis=-1, keepdims=True)
    off = np.abs(sums - 1.0) > ROUNDING
    return np.where(off, rows / sums, rows) if off.any() else rows


def checked_discount(name: str, discount: float) -> float:
    """A discount as a float.

    Raises:
        InvalidArgumentError: no real number.
        InvalidDiscountError: outside [0, 1).
    """
    number = real_number(name, discount)
    if not 0.0 <= number < 1.0:
        raise InvalidDiscountError(f"{name} is {discount!r}; expected a number in [0, 1).")
    return number
