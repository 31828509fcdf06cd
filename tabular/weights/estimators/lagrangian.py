"""The regularized Lagrangian, of which the DICE estimators are corners, solved exactly.

    max over w, min over Q and lambda of
        (1 - discount) E[Q(s0, a0)] + E_{d_D}[w (alpha_R r + discount Q(s', a') - Q)] + lambda (1 - E[w])
        + alpha_Q E[Q^2] / 2 - alpha_w E[|w|^q] / q

with w and Q in linear classes. Source: Yang, Nachum, Dai, Li, Schuurmans (2020), "Off-policy evaluation via the
regularized Lagrangian". From the optimality conditions, in tabular classes with exact expectations:

    alpha_w > 0, alpha_Q = 0   the flow constraint is exact: w = w* whatever alpha_R, q and the sign; Q biased
    alpha_Q > 0, alpha_w = 0   alpha_R = 0: w = w* and Q = 0;  alpha_R = 1: Q = Q_pi up to lambda, w biased; and with
                               w >= 0 binding, both are biased
    both positive              both are biased

The three readings of the return (`SaddlePoint`) are right accordingly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import null_space, orth
from scipy.optimize import brentq, nnls

from ampl.errors import InvalidArgumentError, NotConvergedError, check_at_least
from tabular.types import Floats
from tabular.weights.estimators.moments import least_squares
from tabular.weights.estimators.problem import BasisFunctions, EstimationProblem, WeightEstimate

_ROUNDING = 1e-7  # largest violation of an optimality condition, relative to the size of its terms
_RANK = 1e-15  # directions of the flow smaller than this share of its largest are rounding
_NEWTON_STEPS = 200
_SHARE = 0.75  # by trial: with all of 1 - discount as the unit, rewards are so large that they drown the flow


@dataclass(frozen=True, kw_only=True)
class SaddlePoint:
    """A solution, and the three readings of the return at it (not normalized).

    Attributes:
        weights: [n], mean not normalized.
        critic: Q, [n].
        multiplier: lambda, reward units; 0 without the normalization constraint.
        residual: largest violation of the optimality conditions, relative to the size of their terms.
        dual_return: E[w r].
        primal_return: (1 - discount) E[Q(s0, a0)] + lambda.
        lagrangian_return: the Lagrangian with alpha_R = 1 and no regularization.
    """

    weights: Floats
    critic: Floats
    multiplier: float
    residual: float
    dual_return: float
    primal_return: float
    lagrangian_return: float


@dataclass(frozen=True, kw_only=True)
class RegularizedLagrangian:
    """A member of the family.

    Attributes:
        primal_weight: alpha_Q >= 0.
        dual_weight: alpha_w >= 0.
        dual_power: q >= 2; other than 2 only with primal_weight = 0.
        reward_weight: alpha_R, 0 or more.
        normalized: whether lambda enforces E[w] = 1.
        positive: whether w >= 0; needs primal_weight > 0 and tabular weights.
        weight_functions, critic_functions: what w and Q are linear in, [K, S, A]; everything if None.
    """

    primal_weight: float = 0.0
    dual_weight: float = 0.0
    dual_power: float = 2.0
    reward_weight: float = 0.0
    normalized: bool = False
    positive: bool = False
    weight_functions: BasisFunctions | None = None
    critic_functions: BasisFunctions | None = None

    def __post_init__(self) -> None:
        for name in ("primal_weight", "dual_weight", "reward_weight"):
            check_at_least(name, getattr(self, name), 0.0)
        check_at_least("dual_power", self.dual_power, 2.0)
        if self.dual_power != 2.0 and self.primal_weight > 0.0:
            raise InvalidArgumentError(f"dual_power is {self.dual_power!r} with primal_weight > 0; expected 2 there.")
        if self.positive and (self.primal_weight == 0.0 or self.weight_functions is not None):
            raise InvalidArgumentError(
                "positive=True needs primal_weight > 0 and weight_functions=None: with primal_weight = 0 tabular "
                "weights are positive without it."
            )

    def estimate(self, problem: EstimationProblem) -> WeightEstimate:
        """See Estimator; raises what `solve` raises."""
        saddle = self.solve(problem)
        return problem.finish("regularized Lagrangian", saddle.weights, saddle.residual)

    def solve(self, problem: EstimationProblem) -> SaddlePoint:
        """The saddle point; the one of least norm where there are several.

        Raises:
            NotConvergedError: there is no saddle point, or it was missed.
        """
        unit = self._critic_unit()
        system = _System(self._in_unit(unit), problem)
        if self.positive:
            weights, critic, multiplier, residual = system.solve_positive()
        elif self.dual_power == 2.0:
            weights, critic, multiplier, residual = system.solve_quadratic()
        else:
            weights, critic, multiplier, residual = system.solve_power()
        critic, multiplier = unit * critic, unit * multiplier
        if not residual <= _ROUNDING:
            raise NotConvergedError(
                f"regularized Lagrangian: no saddle point within {_ROUNDING:g}, the optimality conditions are off by "
                f"{residual:.3g}. Use primal_weight > 0, fewer critic functions, or normalized=False."
            )
        reward = problem.reward[problem.support]
        primal = float(problem.start @ critic) + multiplier
        mass = problem.data * weights
        advantage = reward - problem.bellman @ critic - multiplier
        return SaddlePoint(
            weights=weights,
            critic=critic,
            multiplier=multiplier,
            residual=residual,
            dual_return=float(mass @ reward),
            primal_return=primal,
            lagrangian_return=primal + float(mass @ advantage),
        )

    def _critic_unit(self) -> float:
        """What Q and lambda are counted in, so that the regularizer that sets their size has weight one."""
        if self.dual_weight > 0.0:
            return self.dual_weight
        return 1.0 / self.primal_weight if self.primal_weight > 0.0 else 1.0

    def _in_unit(self, unit: float) -> RegularizedLagrangian:
        """The same problem for Q / unit and lambda / unit; w stays."""
        return replace(
            self,
            primal_weight=self.primal_weight * unit,
            dual_weight=self.dual_weight / unit,
            reward_weight=self.reward_weight / unit,
        )


def gendice(
    weight_functions: BasisFunctions | None = None, critic_functions: BasisFunctions | None = None
) -> RegularizedLagrangian:
    """GenDICE's corner: squared flow residual, E[w] = 1 enforced, no reward.  Source: Zhang et al. (2020a).

    GenDICE itself measures the residual relative to w and constrains w > 0 by its network; with the residual relative
    to d_D (as in Yang et al., and in GradientDICE) the saddle point is one linear solve, and the same where it is zero.
    """
    return RegularizedLagrangian(
        primal_weight=1.0, normalized=True, weight_functions=weight_functions, critic_functions=critic_functions
    )


def dualdice(
    power: float = 1.5,
    weight_functions: BasisFunctions | None = None,
    critic_functions: BasisFunctions | None = None,
) -> RegularizedLagrangian:
    """DualDICE's corner: f = |x|^p / p on the Bellman residual of Q, hence |w|^q / q with 1/p + 1/q = 1; p in (1, 2].

    p = 3/2 gives the cubic of AMPL's program.  Source: Nachum, Chow, Dai, Li (2019).
    """
    if not 1.0 < power <= 2.0:
        raise InvalidArgumentError(f"power is {power!r}; expected a number in (1, 2].")
    return RegularizedLagrangian(
        dual_weight=1.0,
        dual_power=power / (power - 1.0),
        weight_functions=weight_functions,
        critic_functions=critic_functions,
    )


Solution = tuple[Floats, Floats, float, float]  # weights [n], critic [n], multiplier, relative residual


class _System:
    """The optimality conditions in coefficients: k of the weights, m of the critic, in bases orthonormal in L2(d_D)."""

    def __init__(self, family: RegularizedLagrangian, problem: EstimationProblem) -> None:
        self.family = family
        self.data = problem.data
        self.discount = problem.discount
        self.weight_basis = problem.basis(family.weight_functions)  # [n, k]
        self.critic_basis = problem.basis(family.critic_functions)  # [n, m]
        weighted = self.data[:, None] * self.weight_basis  # [n, k]
        self.flow = self.critic_basis.T @ (problem.bellman.T @ weighted)  # [m, k]
        self.start = self.critic_basis.T @ problem.start  # [m]
        self.reward = family.reward_weight * (weighted.T @ problem.reward[problem.support])  # [k]
        self.mean = weighted.sum(axis=0)  # [k]

    def constraints(self) -> tuple[Floats, Floats]:
        """Rows and right sides of the equations that Q and lambda enforce: [m, k] and [m], one more if normalized."""
        if not self.family.normalized:
            return self.flow, self.start
        return np.vstack([self.flow, self.mean]), np.append(self.start, 1.0)

    def solve_quadratic(self) -> Solution:
        """q = 2: one symmetric linear system in w, Q and lambda.

        Without one of the regularizers it is solved for Q and lambda in another unit, in which the other regularizer is
        small beside the flow: near discount 1 the condition is then about that of the flow, and not the square of it.
        """
        rows, sides = self.constraints()
        n_rows, n_weights = rows.shape
        ridge = np.where(np.arange(n_rows) < len(self.start), self.family.primal_weight, 0.0)
        unit = self._unit()
        weight_part, multiplier_part = self.family.dual_weight * np.eye(n_weights), -np.diag(ridge)
        matrix = np.block([[weight_part / unit, rows.T], [rows, multiplier_part * unit]])
        right = np.concatenate([self.reward / unit, sides])
        seen = np.eye(n_weights) if self.family.dual_weight > 0.0 else orth(rows.T)  # nothing else fixes w's rest
        reach = np.zeros((n_weights + n_rows, seen.shape[1] + n_rows))
        reach[:n_weights, : seen.shape[1]], reach[n_weights:, seen.shape[1] :] = seen, np.eye(n_rows)
        unknown = reach @ least_squares(reach.T @ matrix @ reach, reach.T @ right)
        weights, multipliers = unknown[:n_weights], unit * unknown[n_weights:]
        conditions = np.block([[weight_part, rows.T], [rows, multiplier_part]])
        residual = _relative(conditions, np.append(weights, multipliers), np.append(self.reward, sides))
        return self._solution(weights, multipliers, residual)

    def _unit(self) -> float:
        """What Q and lambda are counted in near discount 1; one where both regularizers are there or none is.

        Without a reward Q is zero at the solution, and as small a unit as the flow's smallest direction drowns nothing.
        """
        near = 1.0 - self.discount
        if (self.family.primal_weight == 0.0) == (self.family.dual_weight == 0.0):
            return 1.0
        if self.family.dual_weight > 0.0:
            return 1.0 / near
        if self.family.reward_weight > 0.0:
            return near**_SHARE
        sizes = np.linalg.svd(self.flow, compute_uv=False)
        return min(near**_SHARE, float(sizes[sizes > _RANK * sizes.max(initial=0.0)].min(initial=1.0)))

    def solve_power(self) -> Solution:
        """alpha_Q = 0: Newton's method on alpha_w E|w|^q / q - alpha_R E[w r] where the constraints hold."""
        rows, sides = self.constraints()
        power, dual_weight = self.family.dual_power, self.family.dual_weight
        ones = self.weight_basis.T @ self.data
        coefficients = ones + least_squares(rows, sides - rows @ ones)
        free = null_space(rows)  # [k, k - rank]
        slope = self._slope(coefficients)
        for _ in range(_NEWTON_STEPS):
            if np.abs(free.T @ slope).max(initial=0.0) <= 1e-2 * _ROUNDING * max(1.0, np.abs(slope).max()):
                break
            curvature = dual_weight * (power - 1.0) * np.abs(self.weight_basis @ coefficients) ** (power - 2.0)
            hessian = self.weight_basis.T @ ((self.data * curvature)[:, None] * self.weight_basis)
            reduced = free.T @ hessian @ free
            damping = 1e-10 * max(1.0, np.trace(reduced))  # the curvature vanishes where w = 0
            step = -free @ np.linalg.solve(reduced + damping * np.eye(free.shape[1]), free.T @ slope)
            coefficients = coefficients + self._step_length(coefficients, step, slope) * step
            slope = self._slope(coefficients)
        critic = least_squares(rows.T, -slope)
        residual = max(_relative(rows, coefficients, sides), _relative(rows.T, critic, -slope))
        return self._solution(coefficients, critic, residual)

    def solve_positive(self) -> Solution:
        """q = 2, alpha_Q > 0, w >= 0: nonnegative least squares, inside a root search over lambda if normalized."""
        penalty = np.sqrt(self.family.dual_weight) * np.eye(len(self.mean))
        factor = np.vstack([self.flow / np.sqrt(self.family.primal_weight), penalty])  # the Hessian is factor^T factor
        root = np.asarray(np.linalg.qr(factor, mode="r"))  # invertible, as the flow matrix of a tabular class is
        gain = self.flow.T @ self.start / self.family.primal_weight + self.reward

        def best(multiplier: float) -> Floats:
            target = np.linalg.solve(root.T, gain - multiplier * self.mean)
            try:
                return np.asarray(nnls(root, target, maxiter=30 * len(target))[0])
            except RuntimeError as error:
                raise NotConvergedError(f"regularized Lagrangian: nonnegative least squares: {error}.") from error

        multiplier = 0.0
        if self.family.normalized:
            reach = 1.0
            while self.mean @ best(-reach) < 1.0 or self.mean @ best(reach) > 1.0:
                reach *= 4.0
                if reach > 1e12:
                    raise NotConvergedError("regularized Lagrangian: no multiplier makes the weights' mean one.")
            multiplier = float(brentq(lambda value: self.mean @ best(value) - 1.0, -reach, reach, xtol=1e-15))
        coefficients = best(multiplier)
        gradient = gain - multiplier * self.mean - factor.T @ (factor @ coefficients)  # <= 0, and 0 where w > 0
        size = max(1.0, np.abs(gain).max(), abs(multiplier))
        residual = np.abs(np.where(coefficients > 0.0, gradient, np.maximum(gradient, 0.0))).max() / size
        if self.family.normalized:
            residual = max(residual, abs(self.mean @ coefficients - 1.0))
        critic = (self.flow @ coefficients - self.start) / self.family.primal_weight
        rows = np.append(critic, multiplier) if self.family.normalized else critic
        return self._solution(coefficients, rows, float(residual))

    def _slope(self, coefficients: Floats) -> Floats:
        """Of the regularizer minus the reward, with respect to the coefficients of w, [k]."""
        weights = self.weight_basis @ coefficients
        slope = self.family.dual_weight * np.sign(weights) * np.abs(weights) ** (self.family.dual_power - 1.0)
        return self.weight_basis.T @ (self.data * slope) - self.reward

    def _step_length(self, coefficients: Floats, step: Floats, slope: Floats) -> float:
        """The first of 1, 1/2, 1/4, ... that lowers the objective enough (Armijo)."""
        before, length = self._objective(coefficients), 1.0
        while length > 1e-12 and self._objective(coefficients + length * step) > before + 1e-4 * length * slope @ step:
            length /= 2.0
        return length

    def _objective(self, coefficients: Floats) -> float:
        weights = self.weight_basis @ coefficients
        regularizer = self.family.dual_weight * self.data @ np.abs(weights) ** self.family.dual_power
        return float(regularizer / self.family.dual_power - self.reward @ coefficients)

    def _solution(self, coefficients: Floats, multipliers: Floats, residual: float) -> Solution:
        critic = self.critic_basis @ multipliers[: len(self.start)]
        multiplier = float(multipliers[-1]) if self.family.normalized else 0.0
        return self.weight_basis @ coefficients, critic, multiplier, residual


def _relative(matrix: Floats, unknown: Floats, right: Floats) -> float:
    """The largest violation of matrix unknown = right, relative to the size of its terms."""
    size = max(1.0, float((np.abs(matrix) @ np.abs(unknown)).max(initial=0.0)))
    return float(np.abs(matrix @ unknown - right).max(initial=0.0)) / size
