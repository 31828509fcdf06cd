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

from ampl.errors import InvalidArgumentError, NotConvergedError, check_at_least
from tabular.types import Floats
from tabular.weights.estimators.problem import BasisFunctions, EstimationProblem, WeightEstimate
from tabular.weights.estimators.saddle_system import ROUNDING, SaddleSystem


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
        system = SaddleSystem(self._in_unit(unit), problem)
        if self.positive:
            weights, critic, multiplier, residual = system.solve_positive()
        elif self.dual_power == 2.0:
            weights, critic, multiplier, residual = system.solve_quadratic()
        else:
            weights, critic, multiplier, residual = system.solve_power()
        critic, multiplier = unit * critic, unit * multiplier
        if not residual <= ROUNDING:
            raise NotConvergedError(
                f"regularized Lagrangian: no saddle point within {ROUNDING:g}, the optimality conditions are off by "
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
