"""Sparse matrices that a user gives, read once in one way."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ampl.errors import InvalidArgumentError, InvalidShapeError


def read_sparse(name: str, matrix: Any) -> sparse.csr_array:
    """A sparse matrix as float64 CSR, each entry there once and none zero; the given one is left as it is.

    Raises:
        InvalidArgumentError: complex entries.
        InvalidShapeError: not two axes.
    """
    if np.iscomplexobj(matrix):
        raise InvalidArgumentError(f"{name}: entries of dtype {matrix.dtype}; expected real numbers.")
    if matrix.ndim != 2:
        raise InvalidShapeError(f"{name}: {matrix.ndim} axes; expected a matrix.")
    found = sparse.csr_array(matrix, dtype=np.float64)
    if not (found.has_canonical_format and found.data.all()):
        found = found.copy()  # in place, the next two would change the caller's arrays
        found.sum_duplicates()
        found.eliminate_zeros()
    return found
