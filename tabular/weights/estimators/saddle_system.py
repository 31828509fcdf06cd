"""The optimality conditions of the regularized Lagrangian (`lagrangian.py`), and how they are solved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import null_space, orth
from scipy.optimize import brentq, nnls

from ampl.errors import NotConvergedError
from tabular.types import Floats
from tabular.weights.estimators.moments import least_squares
from tabular.weights.estimators.problem import EstimationProblem

if TYPE_CHECKING:
    from tabular.weights.estimators.lagrangian import RegularizedLagrangian

ROUNDING = 1e-7
"""Largest violation of an optimality condition, relative to the size of its terms."""

_RANK = 1e-15  # directions of the flow smaller than this share of its largest are rounding
_NEWTON_STEPS = 200
_SHARE = 0.75  # by trial: with all of 1 - discount as the unit, rewards are so large that they drown the flow

Solution = tuple[Floats, Floats, float, float]  # weights [n], critic [n], multiplier, relative residual


class SaddleSystem:
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
            if np.abs(free.T @ slope).max(initial=0.0) <= 1e-2 * ROUNDING * max(1.0, np.abs(slope).max()):
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
