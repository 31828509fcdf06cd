"""Optimal transport between distributions on finitely many states, by linear programming, and what a metric must be.

Source: theory.md, section 5 (the 1-Wasserstein case of MOPO's integral metrics).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from ampl.errors import InvalidArgumentError, InvalidShapeError, NotConvergedError
from tabular.types import Floats

METRIC_TOLERANCE = 1e-9  # relative to the largest entry of a metric or kernel
_ROUNDING = 1e-14  # rows that differ by less mass count as equal
_LP_TOLERANCE = 1e-10  # the tightest that HiGHS takes; masses and distances are scaled to 1
_GAP_TOLERANCE = 1e-8  # of the scaled program: duality gap and mass that went astray


def transport_costs(differences: Floats, metric: Floats) -> Floats:
    """The least cost of moving the negative part of each row to its positive part, all rows in one program.

    Mass that two distributions share stays where it is: the triangle inequality makes moving it no cheaper. Where one
    state gives everything, or one takes it, there is a single plan and no program. For the other rows the program is
    Kantorovich's dual, which no rounding of the masses makes infeasible: prices f with f(t) - f(g) <= metric(g, t) from
    every giver g to every taker t. Its multipliers are the transport plan, which certifies the answer.

    Args:
        differences: rows that sum to zero, [R, S'].
        metric: [S, S'], checked by `check_metric`.

    Returns:
        [R], in the unit of the metric.

    Raises:
        NotConvergedError: HiGHS gave up, or prices and plan do not certify each other.
    """
    scale = float(metric.max())
    lost, gained = np.maximum(-differences, 0.0).sum(axis=1), np.maximum(differences, 0.0).sum(axis=1)
    costs = np.zeros(len(differences))
    moves = np.minimum(lost, gained) > _ROUNDING
    if scale == 0.0 or not moves.any():
        return costs
    is_forced = np.minimum((differences < 0.0).sum(axis=1), (differences > 0.0).sum(axis=1)) == 1
    forced, rows = np.flatnonzero(moves & is_forced), np.flatnonzero(moves & ~is_forced)
    costs[forced] = np.maximum(lost, gained)[forced] * _forced_costs(differences[forced], metric)
    if rows.size == 0:
        return costs
    columns, limits = [], []
    bounds: list[tuple[float | None, float | None]] = []
    amounts: list[Floats] = []
    for row in rows:
        given, taken = np.flatnonzero(differences[row] < 0.0), np.flatnonzero(differences[row] > 0.0)
        giver, taker = np.divmod(np.arange(given.size * taken.size), taken.size)
        columns.append(len(bounds) + np.stack([giver, given.size + taker], axis=1))  # f(t) - f(g): one limit a row
        limits.append(metric[np.ix_(given, taken)].ravel() / scale)
        amounts.append(np.concatenate([differences[row, given] / lost[row], differences[row, taken] / gained[row]]))
        pinned = int(differences[row, given].argmin())  # prices are free up to a constant: the largest giver's is 0
        bounds += [(0.0, 0.0) if i == pinned else (None, None) for i in range(given.size + taken.size)]
    limit, amount = np.concatenate(limits), np.concatenate(amounts)
    signs = np.tile([-1.0, 1.0], limit.size)
    first = np.arange(0, signs.size + 1, 2)
    constraints = sparse.csr_array((signs, np.concatenate(columns).ravel(), first), shape=(limit.size, amount.size))
    options = {"primal_feasibility_tolerance": _LP_TOLERANCE, "dual_feasibility_tolerance": _LP_TOLERANCE}
    solution = linprog(-amount, A_ub=constraints, b_ub=limit, bounds=bounds, method="highs", options=options)
    if not solution.success:
        raise NotConvergedError(f"the transport program of {rows.size} rows was not solved: {solution.message}")
    plan = -solution.ineqlin.marginals
    missed = float(np.abs(constraints.T @ plan - amount).max())
    gap = abs(float(limit @ plan) + solution.fun) / rows.size
    if not max(missed, gap) <= _GAP_TOLERANCE:
        raise NotConvergedError(
            f"the transport program of {rows.size} rows missed {missed:.3g} of the mass with a duality gap of "
            f"{gap:.3g}; expected at most {_GAP_TOLERANCE:g}. Rescale the metric or solve fewer rows."
        )
    starts = np.cumsum([0, *(len(each) for each in amounts[:-1])])
    costs[rows] = scale * np.maximum(lost, gained)[rows] * np.add.reduceat(amount * solution.x, starts)
    return costs


def _forced_costs(differences: Floats, metric: Floats) -> Floats:
    """Costs a unit of mass, [R], where each row has one giver or one taker: every giver serves takers in proportion."""
    given, taken = np.maximum(-differences, 0.0), np.maximum(differences, 0.0)
    cost = np.einsum("rg,gt,rt->r", given, metric, taken, optimize=True)
    return np.asarray(cost / (given.sum(axis=1) * taken.sum(axis=1)))


def check_metric(metric: Floats) -> None:
    """Checks that `metric`, [S, S'], is a distance between states; distinct states may be at distance zero.

    Raises:
        InvalidShapeError: not square.
        InvalidArgumentError: naming the entries that are not finite, negative, or against an axiom.
    """
    check_square(metric, "metric")
    tolerance = METRIC_TOLERANCE * float(np.abs(metric).max())
    if metric.min() < 0.0:
        state, other = (int(i) for i in np.unravel_index(int(metric.argmin()), metric.shape))
        raise InvalidArgumentError(f"metric[{state}, {other}] is {metric[state, other]:g}; distances must be >= 0.")
    if np.diagonal(metric).any():
        state = int(np.argmax(np.diagonal(metric) != 0.0))
        raise InvalidArgumentError(f"metric[{state}, {state}] is {metric[state, state]:g}; expected 0 on the diagonal.")
    for middle in range(len(metric)):
        excess = metric - metric[:, middle, None] - metric[middle]
        if excess.max() > tolerance:
            state, other = (int(i) for i in np.unravel_index(int(excess.argmax()), metric.shape))
            raise InvalidArgumentError(
                f"metric[{state}, {other}] is {metric[state, other]:g}, longer than the way through state {middle}, "
                f"{metric[state, middle] + metric[middle, other]:g}; take shortest paths for a metric."
            )


def check_square(matrix: Floats, name: str) -> None:
    """Raises unless `matrix` is square, finite and symmetric."""
    if np.ndim(matrix) != 2 or np.shape(matrix)[0] != np.shape(matrix)[1] or np.size(matrix) == 0:
        raise InvalidShapeError(f"{name} has shape {np.shape(matrix)}; expected [S, S].")
    if not np.isfinite(matrix).all():
        state, other = (int(i) for i in np.argwhere(~np.isfinite(matrix))[0])
        raise InvalidArgumentError(f"{name}[{state}, {other}] is {matrix[state, other]}; expected a finite number.")
    skew = np.abs(matrix - matrix.T)
    if skew.max() > METRIC_TOLERANCE * float(np.abs(matrix).max()):
        state, other = (int(i) for i in np.unravel_index(int(skew.argmax()), skew.shape))
        raise InvalidArgumentError(
            f"{name}[{state}, {other}] is {matrix[state, other]:g} and {name}[{other}, {state}] is "
            f"{matrix[other, state]:g}; expected a symmetric matrix."
        )
