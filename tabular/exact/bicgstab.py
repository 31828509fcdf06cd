"""BiCGSTAB for I - discount * P, and the preconditioner of chains that run one way.

Source: Saad, Iterative Methods for Sparse Linear Systems, 2003, algorithm 7.7 and section 10.2.
`tabular.exact.linear_solvers` says when it is tried.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from tabular.types import Floats, Integers, StateMatrix

DIVERGED = 1e8
"""Growth of the residual at which a BiCGSTAB run is given up: it has lost half of float64's digits."""

BREAKDOWN = 1e-15
"""Cosine between the residual and the first one below which a BiCGSTAB run is restarted."""


def bicgstab(
    apply: Callable[[Floats], Floats],
    precondition: Callable[[Floats], Floats],
    right_hand_side: Floats,
    target: float,
    norm: Callable[[Floats], float],
    limit: int,
) -> tuple[Floats, int]:
    """BiCGSTAB from zero until its own residual meets `target`, breaks down, diverges or uses up `limit` iterations.

    Unlike scipy's it stops by our norm, calls a breakdown by size relative to the vectors, and keeps clear of threaded
    dot products, which stall for milliseconds each on a busy machine.  Source: Saad, algorithm 7.7, preconditioned
    from the right.

    Returns:
        The step, [S], and the iterations used, at least 1.
    """
    start = norm(right_hand_side)
    step, product = np.zeros_like(right_hand_side), np.empty_like(right_hand_side)
    residual, shadow, direction = right_hand_side.copy(), right_hand_side, right_hand_side.copy()

    def add(vector: Floats, factor: float, other: Floats) -> None:
        """vector += factor * other, without a new array."""
        np.multiply(other, factor, out=product)
        np.add(vector, product, out=vector)

    overlap = _dot(shadow, residual)
    iteration = 0
    while iteration < limit:
        iteration += 1
        first = precondition(direction)
        first_image = apply(first)
        first_length = overlap / _dot(shadow, first_image)
        add(residual, -first_length, first_image)  # halfway
        add(step, first_length, first)
        if norm(residual) <= target:
            break
        second = precondition(residual)
        second_image = apply(second)
        second_length = _dot(second_image, residual) / _dot(second_image, second_image)
        add(step, second_length, second)  # before the residual changes, which `second` may be
        add(residual, -second_length, second_image)
        size = norm(residual)
        if size <= target or not size < DIVERGED * start:  # NaN counts as diverged
            break
        previous, overlap = overlap, _dot(shadow, residual)
        if abs(overlap) < BREAKDOWN * np.sqrt(_dot(shadow, shadow) * _dot(residual, residual)):
            break
        turn = (overlap / previous) * (first_length / second_length)
        add(direction, -second_length, first_image)
        direction *= turn
        direction += residual
    return step, iteration


def _dot(first: Floats, second: Floats) -> float:
    return float(np.einsum("i,i->", first, second))


def downstream_order(policy_dynamics: StateMatrix) -> tuple[Integers, int]:
    """States in topological order of the chain's likely moves, and how many groups no likely cycle joins.

    A move is likely if it leaves its state and is at least half as probable as the likeliest that does. States within a
    group keep their order.

    Args:
        policy_dynamics: P, sparse [S, S'].

    Returns:
        The order, [S], and the number of strongly connected components of the likely moves, in 1..S.
    """
    n_states = policy_dynamics.shape[0]
    rows = np.repeat(np.arange(n_states), np.diff(policy_dynamics.indptr))
    leaving = np.where(rows == policy_dynamics.indices, 0.0, policy_dynamics.data)
    likeliest = np.zeros(n_states)
    np.maximum.at(likeliest, rows, leaving)
    likely = (leaving > 0.0) & (leaving >= 0.5 * likeliest[rows])
    moves = (np.ones(int(likely.sum())), (rows[likely], policy_dynamics.indices[likely]))
    graph = sparse.csr_array(moves, shape=policy_dynamics.shape)
    n_groups, group = connected_components(graph, directed=True, connection="strong")
    return np.argsort(-group, kind="stable"), n_groups  # scipy numbers the components upstream


def gauss_seidel(flow: StateMatrix, transpose: bool) -> Callable[[Floats], Floats]:
    """A preconditioner: one sweep downstream (mass) or upstream (values).

    Args:
        flow: I - discount P^T, states in downstream order, compressed by columns.
        transpose: whether mass is solved for.
    """
    lower = sparse.tril(flow, format="csc")
    triangle = splu(lower, permc_spec="NATURAL", diag_pivot_thresh=0.0, panel_size=1)  # no fill: panels only cost
    side = "N" if transpose else "T"
    return lambda vector: np.asarray(triangle.solve(vector, side))


def unchanged(vector: Floats) -> Floats:
    """No preconditioner."""
    return vector
