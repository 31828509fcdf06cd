"""Solves (I - discount * P) x = b and its transpose for a row-stochastic P, with a checked residual.

Dense matrices, and sparse ones of up to `DENSE_STATES` states, go to LAPACK, or near discount 1 to an elimination
without subtractions, which loses no digits there. Larger sparse ones try, in this order:

1. BiCGSTAB, restarted on the measured residual. Its work grows with the mixing of the chain rather than with the number
   of states, and it stores a few vectors. A chain that runs one way (a policy heading for a goal) is far from normal
   and makes it diverge; such chains are recognized because their likely moves have hardly any cycles, and get a
   Gauss-Seidel preconditioner that visits states downstream, in topological order of the likely moves. Where no cycle
   is left at all, one sweep is already the exact solution.
2. SuperLU in minimum-degree order: exact for any discount, but its memory depends on the graph. A grid of 10^6 cells
   needs about a gigabyte; a random graph of 10^5 states may need more than there is.

The residual is always measured on the original equations, in the norm in which P contracts: the sum of |.| for the
transposed system (mass), the largest |.| for the other (values). In that norm |x - exact| <= residual / (1 - discount).
Source: theory.md, section 1; Saad, Iterative Methods for Sparse Linear Systems, 2003, algorithm 7.7 and section 10.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from ampl.errors import InvalidDiscountError, InvalidShapeError, NotConvergedError
from tabular.exact.bicgstab import bicgstab, downstream_order, gauss_seidel, unchanged
from tabular.exact.state_elimination import solve_by_elimination, with_exact_rows
from tabular.types import Floats, StateMatrix

RELATIVE_TOLERANCE = 1e-10
"""What the residual must reach, relative to the right-hand side in the same norm."""

ROUNDING = 32 * np.finfo(np.float64).eps
"""Residual that float64 leaves even in an exact solve, relative to |b| + 2 |x|; tolerances below it cannot be met."""

DENSE_STATES = 500
"""Sparse systems up to this size are solved densely: milliseconds, and nothing to go wrong."""

NEAR_ONE = 0.999
"""Discount above which dense systems are solved by elimination; LAPACK, which is faster, loses 3 digits up to it."""

ELIMINATION_STATES = 2_000
"""Largest system that is solved by elimination; it takes half a minute."""

KRYLOV_ITERATIONS = 300
"""Iterations before BiCGSTAB gives way to SuperLU; grid worlds that it suits take fewer than 200 at discount 0.99."""


@dataclass(frozen=True, kw_only=True)
class LinearSolution:
    """A solution with its certificate.

    Attributes:
        value: x, [S].
        residual: |b - (I - discount P) x|, in the unit of b: the sum over states if transposed, else the largest.
        method: 'lapack', 'elimination', 'bicgstab', 'gauss-seidel bicgstab' or 'superlu'.
        iterations: of BiCGSTAB, two products with the matrix each; 0 for the others.
    """

    value: Floats
    residual: float
    method: str
    iterations: int = 0


@dataclass(frozen=True, kw_only=True)
class _System:
    """(I - discount P) x = b or its transpose, and what counts as solved."""

    matrix: StateMatrix
    right_hand_side: Floats
    discount: float
    transpose: bool
    tolerance: float

    def norm(self, vector: Floats) -> float:
        magnitude = np.abs(vector)
        return float(magnitude.sum() if self.transpose else magnitude.max())

    def remainder(self, value: Floats) -> Floats:
        matrix = self.matrix.T if self.transpose else self.matrix
        return np.asarray(self.right_hand_side - value + self.discount * (matrix @ value))

    def target(self, value: Floats) -> float:
        size = self.norm(self.right_hand_side)
        return max(self.tolerance * size, ROUNDING * (size + 2.0 * self.norm(value)))

    def certify(self, value: Floats, method: str, iterations: int = 0) -> tuple[LinearSolution, bool]:
        """The solution with its residual, and whether that meets the tolerance (never for NaN)."""
        residual = self.norm(self.remainder(value))
        solution = LinearSolution(value=value, residual=residual, method=method, iterations=iterations)
        return solution, residual <= self.target(value)


def solve_discounted(
    policy_dynamics: StateMatrix,
    right_hand_side: Floats,
    discount: float,
    *,
    transpose: bool,
    tolerance: float = RELATIVE_TOLERANCE,
    entrywise: bool = False,
) -> LinearSolution:
    """Solves (I - discount P) x = b, or (I - discount P^T) x = b with `transpose`.

    Args:
        policy_dynamics: P, [S, S'], rows sum to one; an array or a scipy sparse array.
        right_hand_side: b, [S], any unit.
        discount: in [0, 1).
        transpose: whether to propagate mass forward (occupancies) rather than values backward.
        tolerance: largest residual relative to b; not below what rounding allows (`ROUNDING`).
        entrywise: skip the iterative method, whose error is small in sum but not beside each small entry.

    Returns:
        x in the unit of b, its residual and the method that found it.

    Raises:
        InvalidShapeError: P is not square or b has another length.
        InvalidDiscountError: a discount outside [0, 1).
        NotConvergedError: no method met the tolerance.
    """
    n_states = len(right_hand_side)
    if policy_dynamics.shape != (n_states, n_states):
        raise InvalidShapeError(
            f"policy_dynamics have shape {policy_dynamics.shape} and right_hand_side has {n_states} entries; "
            f"expected [{n_states}, {n_states}]."
        )
    if not 0.0 <= discount < 1.0:
        raise InvalidDiscountError(f"discount is {discount!r}; expected a number in [0, 1).")
    is_dense = isinstance(policy_dynamics, np.ndarray)
    system = _System(
        matrix=policy_dynamics if is_dense else sparse.csr_array(policy_dynamics),
        right_hand_side=right_hand_side,
        discount=discount,
        transpose=transpose,
        tolerance=tolerance,
    )
    iterative = (_bicgstab, _superlu) if not entrywise else (_superlu,)
    direct = (_elimination,) if discount > NEAR_ONE and n_states <= ELIMINATION_STATES else (_lapack,)
    if not np.isfinite(system.norm(right_hand_side) / (1.0 - discount)):
        raise NotConvergedError(
            "the right-hand side of a linear system is not finite, or its solution overflows. Use smaller rewards and "
            "settings, such as coefficients and penalties."
        )
    attempts = direct if is_dense or n_states <= DENSE_STATES else iterative
    solutions = []
    for attempt in attempts:
        solution, solved = attempt(system)
        if solved:
            return solution
        solutions.append(solution)
    reached = ", ".join(f"{solution.residual:.3g} by {solution.method}" for solution in solutions)
    raise NotConvergedError(
        f"residual above {system.target(solutions[-1].value):.3g} for {n_states} states at discount {discount:g}; "
        f"reached: {reached}. Check that every input is finite, raise the tolerance or lower the discount."
    )


def solve_values(policy_dynamics: StateMatrix, reward: Floats, discount: float) -> Floats:
    """V of rewards r_pi, [S], in their unit; the arguments and errors are those of `solve_discounted`.

    The error of an iterative solution is small beside the largest reward, which the states that matter may never meet.
    One more solve for what the equations still miss makes it about 1e-10 times smaller.
    """
    solution = solve_discounted(policy_dynamics, reward, discount, transpose=False)
    if not solution.iterations:
        return solution.value
    missing = reward - solution.value + discount * (policy_dynamics @ solution.value)
    return solution.value + solve_discounted(policy_dynamics, missing, discount, transpose=False).value


def _dense(matrix: StateMatrix) -> Floats:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def _elimination(system: _System) -> tuple[LinearSolution, bool]:
    """The residual is that of rows that sum to one exactly: rounding in a sum counts 1 / (1 - discount) times."""
    dynamics = with_exact_rows(_dense(system.matrix))
    value = solve_by_elimination(dynamics, system.right_hand_side, system.discount, transpose=system.transpose)
    return replace(system, matrix=dynamics).certify(value, "elimination")


def _lapack(system: _System) -> tuple[LinearSolution, bool]:
    dynamics = _dense(system.matrix)
    flow: Floats = np.eye(len(dynamics)) - system.discount * (dynamics.T if system.transpose else dynamics)
    return system.certify(np.asarray(np.linalg.solve(flow, system.right_hand_side)), "lapack")


def _bicgstab(system: _System) -> tuple[LinearSolution, bool]:
    order, n_groups = downstream_order(system.matrix)
    runs_one_way = n_groups > len(order) / 2
    if not runs_one_way:
        order = np.arange(len(order))  # cells side by side stay side by side in memory
    flow = _mass_flow(system.matrix[order][:, order] if runs_one_way else system.matrix, system.discount)
    operator = sparse.csr_array(flow if system.transpose else flow.T)  # by rows: sums stay in a register
    precondition = gauss_seidel(flow, system.transpose) if runs_one_way else unchanged
    value = np.zeros(len(order))
    remainder = system.right_hand_side
    used = 0
    while used < KRYLOV_ITERATIONS and system.norm(remainder) > (target := system.target(value)):
        limit = KRYLOV_ITERATIONS - used
        with np.errstate(all="ignore"):  # a diverging run is dropped below
            step, iterations = bicgstab(
                lambda vector: operator @ vector, precondition, remainder[order], 0.5 * target, system.norm, limit
            )
            candidate = value.copy()
            candidate[order] += step
            following = system.remainder(candidate)
        used += iterations
        if not system.norm(following) < system.norm(remainder):
            break
        value, remainder = candidate, following
    return system.certify(value, "gauss-seidel bicgstab" if runs_one_way else "bicgstab", used)


def _superlu(system: _System) -> tuple[LinearSolution, bool]:
    flow = _mass_flow(system.matrix, system.discount)
    try:
        factors = splu(
            flow, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )  # columns are diagonally dominant: stable without pivoting
    except MemoryError:
        return system.certify(np.zeros(len(system.right_hand_side)), "superlu (out of memory)")
    return system.certify(factors.solve(system.right_hand_side, "N" if system.transpose else "T"), "superlu")


def _mass_flow(dynamics: StateMatrix, discount: float) -> StateMatrix:
    """I - discount P^T, compressed by columns."""
    return (sparse.eye_array(dynamics.shape[0], format="csr") - discount * dynamics).T
