"""The convex program behind DAMO's inner problem and OptiDICE's, solved by a primal-dual interior-point method.

    primal   max_{x >= 0}  sum_k m_k (c_k x_k - alpha f(x_k))          subject to  design^T (m x) = start
    dual     min_Q         start.Q + alpha sum_k m_k f*(y_k),          y = (c - design Q) / alpha

x are ratios of occupancies, m the occupancy they refer to. The optimality conditions f'(x) - z = y, x z = 0, z >= 0 are
followed by Newton's method from x z = 1 down to rounding.  Source: Boyd and Vandenberghe, Convex Optimization, 11.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from ampl.errors import NotConvergedError, UnknownNameError
from tabular.bounds.divergences import Divergence, check_kind
from tabular.exact.definite_systems import solve_definite
from tabular.types import Floats, StateMatrix

GAP = 1e-9
"""What primal and dual may differ by, relative to the size of the problem's values."""

FLOW = 1e-9
"""What the flow of a solution may miss in sum, as a share of the whole occupancy."""

_ITERATIONS = 200
_CENTERING = 0.1  # by how much an iteration tries to shrink x z
_TO_BOUNDARY = 0.99
_AIM = 1e-4  # of the allowed gap: gradients of the value are only as good as its square root
_STALLED = 10  # iterations without a smaller gap, once x z is small enough for one; far from the optimum it may grow

Derivative = Callable[[Floats], Floats]
_DERIVATIVES: Mapping[str, tuple[Derivative, Derivative]] = {
    "KL": (np.log, lambda x: 1.0 / x),
    "chi-squared": (lambda x: 2.0 * (x - 1.0), lambda x: np.full_like(x, 2.0)),
    "soft chi-squared": (
        lambda x: np.where(x < 1.0, np.log(np.minimum(x, 1.0)), x - 1.0),
        lambda x: 1.0 / np.minimum(x, 1.0),
    ),
    "x^3/3": (np.square, lambda x: 2.0 * x),
}
"""f' and f'' by the name of f."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RatioProgram:
    """The program's data.

    Attributes:
        design: [M, n], an array or sparse; its columns are independent.
        start: [n].
        mass: m > 0, [M].
        earned: c, [M], reward units.
        alpha: > 0.
        kind: f.
    """

    design: StateMatrix
    start: Floats
    mass: Floats
    earned: Floats
    alpha: float
    kind: Divergence

    def slope(self, multipliers: Floats) -> Floats:
        """y, [M]."""
        return (self.earned - self.design @ multipliers) / self.alpha

    def dual(self, multipliers: Floats) -> float:
        """The dual objective."""
        conjugate = self.kind.conjugate(self.slope(multipliers))
        return float(self.start @ multipliers) + self.alpha * float(self.mass @ conjugate)

    def primal(self, ratio: Floats) -> float:
        """The primal objective."""
        return float(self.mass @ (ratio * self.earned - self.alpha * self.kind.generator(ratio)))

    def missing_flow(self, ratio: Floats) -> Floats:
        """start - design^T (m x), [n]: zero where x is feasible."""
        return self.start - self.design.T @ (self.mass * ratio)


@dataclass(frozen=True, kw_only=True, eq=False)
class RatioSolution:
    """Both optima and how far they can be from the truth.

    Attributes:
        ratio: x, [M], > 0.
        multipliers: Q, [n].
        value: the dual objective at Q, at least the optimum.
        gap: |dual - primal|.
    """

    ratio: Floats
    multipliers: Floats
    value: float
    gap: float


def solve_ratios(program: RatioProgram, feasible: Floats) -> RatioSolution:
    """Solves the program.

    Args:
        program: its data.
        feasible: positive ratios that satisfy the constraints, [M], to start from.

    Raises:
        UnknownNameError: f is none of KL, chi-squared, soft chi-squared and x^3/3.
        InvalidArgumentError: it is no divergence.
        NotConvergedError: primal and dual disagree by more than `GAP`, or the flow is off by more than `FLOW`.
    """
    _derivatives(program.kind)  # refuses what it does not know
    ratio = np.array(feasible)
    slack = np.ones_like(ratio)  # z
    multipliers = np.zeros(program.design.shape[1])
    best: RatioSolution | None = None
    stalled = 0
    for _ in range(_ITERATIONS):
        found = _solution(program, ratio, multipliers)
        if best is None or found.gap < best.gap:
            best, stalled = found, 0
        elif program.alpha * float(program.mass @ (ratio * slack)) <= _allowed_gap(program, found):
            stalled += 1
            if stalled > _STALLED:
                break
        if found.gap <= _AIM * _allowed_gap(program, found):
            break
        ratio, slack, multipliers = _iterate(program, ratio, slack, multipliers)
    assert best is not None
    return _certified(program, best)


def solve_forced_ratios(program: RatioProgram, feasible: Floats) -> RatioSolution:
    """Solves a program with as many constraints as ratios, which leave only `feasible`: one linear solve gives Q.

    Raises:
        UnknownNameError, NotConvergedError: as for `solve_ratios`.
    """
    slope_of, _ = _derivatives(program.kind)
    multipliers = splu(sparse.csc_array(program.design)).solve(program.earned - program.alpha * slope_of(feasible))
    return _certified(program, _solution(program, feasible, multipliers))


def _certified(program: RatioProgram, best: RatioSolution) -> RatioSolution:
    missing = float(np.abs(program.missing_flow(best.ratio)).sum())
    allowed = _allowed_gap(program, best)
    if not (best.gap <= allowed and missing <= FLOW):
        raise NotConvergedError(
            f"the program with f = {program.kind.name} and alpha = {program.alpha:g} stopped with a duality "
            f"gap of {best.gap:.3g} and {missing:.3g} of the flow missing; expected {allowed:.3g} and {FLOW:g}. "
            "Raise alpha or lower the discount."
        )
    return best


def generator_slope(kind: Divergence, ratio: Floats) -> Floats:
    """f'(x), elementwise, for x > 0.  Raises UnknownNameError for an f whose inner problem is not solved here."""
    return _derivatives(kind)[0](ratio)


def _iterate(program: RatioProgram, ratio: Floats, slack: Floats, multipliers: Floats) -> tuple[Floats, Floats, Floats]:
    """One Newton step on f'(x) - z = y, x z = target, flow."""
    slope_of, curvature_of = _derivatives(program.kind)
    target = _CENTERING * float(program.mass @ (ratio * slack)) / float(program.mass.sum())
    unbalanced = program.slope(multipliers) - slope_of(ratio) + slack  # [M]
    uncentered = target - ratio * slack
    softness = 1.0 / (curvature_of(ratio) + slack / ratio)  # dx per unit of slope
    push = softness * (unbalanced + uncentered / ratio)
    system = _weighted_square(program.design, program.mass * softness / program.alpha)
    right_hand_side = program.design.T @ (program.mass * push) - program.missing_flow(ratio)
    step = solve_definite(system, right_hand_side, tolerance=None)
    ratio_step = push - softness * (program.design @ step) / program.alpha
    slack_step = (uncentered - slack * ratio_step) / ratio
    length = _reach(np.append(ratio, slack), np.append(ratio_step, slack_step))
    return ratio + length * ratio_step, slack + length * slack_step, multipliers + length * step


def _weighted_square(design: StateMatrix, weights: Floats) -> StateMatrix:
    """design^T diag(weights) design."""
    if isinstance(design, np.ndarray):
        return design.T @ (weights[:, None] * design)
    return sparse.csr_array(design.T @ sparse.diags_array(weights) @ design)


def _derivatives(kind: Divergence) -> tuple[Derivative, Derivative]:
    check_kind(kind)
    if kind.name not in _DERIVATIVES:
        raise UnknownNameError("divergence of a ratio program", kind.name, _DERIVATIVES)
    return _DERIVATIVES[kind.name]


def _reach(value: Floats, step: Floats) -> float:
    """The longest step in (0, 1] that keeps everything positive."""
    falling = step < 0.0
    return min(1.0, _TO_BOUNDARY * float(np.min(value[falling] / -step[falling], initial=np.inf)))


def _solution(program: RatioProgram, ratio: Floats, multipliers: Floats) -> RatioSolution:
    with np.errstate(over="ignore"):
        value = program.dual(multipliers)
    return RatioSolution(ratio=ratio, multipliers=multipliers, value=value, gap=abs(value - program.primal(ratio)))


def _allowed_gap(program: RatioProgram, solution: RatioSolution) -> float:
    size = float(program.mass @ (solution.ratio * np.abs(program.earned)))
    return GAP * (program.alpha + abs(program.primal(solution.ratio)) + size)  # the dual overflows far from the optimum
