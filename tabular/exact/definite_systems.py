"""Solves symmetric positive definite systems, dense or sparse, with a checked residual."""

from __future__ import annotations

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import splu

from ampl.errors import NotConvergedError
from tabular.types import Floats, StateMatrix

SMALL = 300
"""Systems up to this size are factorized densely, whatever their zeros."""

DENSE_SIZE = 6000
"""Largest system with crowded rows that is factorized densely; it takes 0.3 GB and a few seconds on one core."""

CROWDED = 30
"""Nonzeros a row from which the factors of a sparse matrix are expected to fill up. Grids have about 13."""

RELATIVE_RESIDUAL = 1e-8
"""What the residual must reach, relative to |A| |x| + |b| in the largest-entry norm."""


def solve_definite(matrix: StateMatrix, right_hand_side: Floats, tolerance: float | None = RELATIVE_RESIDUAL) -> Floats:
    """x of A x = b, [n], for a symmetric positive definite A [n, n].

    A is scaled to a unit diagonal first, since occupancies of rare states differ by many orders of magnitude.

    Args:
        matrix: A, an array or a scipy sparse array.
        right_hand_side: b, [n].
        tolerance: what the residual must reach after scaling; None leaves the check to the caller (a Newton step).

    Raises:
        NotConvergedError: it did not.
    """
    diagonal = matrix.diagonal()
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    target = scale * right_hand_side
    size = matrix.shape[0]
    if isinstance(matrix, np.ndarray):
        scaled = matrix * scale * scale[:, None]
        solution = _dense(scaled, target)
    elif size <= SMALL or (size <= DENSE_SIZE and matrix.nnz > CROWDED * size):
        scaled = matrix.toarray() * scale * scale[:, None]
        solution = _dense(scaled, target)
    else:
        scaled = sparse.diags_array(scale) @ matrix @ sparse.diags_array(scale)
        solution = _sparse(scaled, target)
    if tolerance is not None:
        residual = float(np.abs(scaled @ solution - target).max(initial=0.0))
        allowed = tolerance * float(np.abs(solution).max(initial=0.0) + np.abs(target).max(initial=0.0))
        if not residual <= allowed:
            raise NotConvergedError(
                f"a symmetric system of {size} unknowns left a residual of {residual:.3g}; expected at most "
                f"{allowed:.3g}. Check that every input is finite and lower the discount."
            )
    return scale * solution


def _dense(matrix: Floats, right_hand_side: Floats) -> Floats:
    factor, failed = linalg.lapack.dpotrf(matrix, lower=1, clean=0)  # scipy's wrappers take longer than small systems
    if failed:  # singular within rounding: the shortest solution
        return linalg.lstsq(matrix, right_hand_side, lapack_driver="gelsd")[0]
    return linalg.lapack.dpotrs(factor, right_hand_side, lower=1)[0]


def _sparse(matrix: sparse.csr_array, right_hand_side: Floats) -> Floats:
    try:
        factors = splu(sparse.csc_array(matrix), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    except RuntimeError as error:  # how SuperLU says that a matrix is singular
        raise NotConvergedError(
            f"a symmetric system of {matrix.shape[0]} unknowns is singular; expected a positive definite one. "
            "Lower the discount or check that every state is reached."
        ) from error
    return factors.solve(right_hand_side)
