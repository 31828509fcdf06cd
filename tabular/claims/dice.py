"""Claims of OptiDICE and AlgaeDICE.  Source: theory.md, section 6.

The data are the behavior policy's occupancy; alpha, from 0.01 to 10 times the rewards' scale, and f are drawn for each
case. Values of either sign are compared in units of r_max + alpha.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from ampl.claims import Verdict
from ampl.claims.claim import Claim, Measurement, Relation
from tabular.bounds.divergences import ChiSquared, Divergence, KullbackLeibler, SoftChiSquared
from tabular.claims.aligned_case import at_least, equal
from tabular.claims.case import Case
from tabular.dice.regularized_optimum import (
    RegularizedOptimum,
    one_sample_minimum,
    regularized_optimum,
    regularized_value,
)
from tabular.dice.regularized_return import DualMinimum, RegularizedReturn
from tabular.exact.occupancy import expected_return
from tabular.exact.policy_gradient import logit_gradient, occupancy_gradient
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, StateValue

_KINDS: tuple[Divergence, ...] = (ChiSquared(), KullbackLeibler(), SoftChiSquared())
_PAIRS = 60  # the interior-point method takes milliseconds on cases of this size
_ROUNDING = 1e-7  # of values that come from a duality gap
_FIRST_ORDER = 1e-4  # of weights and gradients, which are as good as the square root of the gap


@dataclass(frozen=True, kw_only=True, eq=False)
class _DiceCase:
    """A case with alpha and f."""

    case: Case
    mdp: FiniteMDP
    alpha: float
    kind: Divergence

    @property
    def scale(self) -> float:
        """r_max + alpha."""
        return self.mdp.reward_bound + self.alpha

    @property
    def data(self) -> Floats:
        """d_D, [S, A]."""
        return self.case.behavior_occupancy

    @property
    def is_deterministic(self) -> bool:
        """Whether every pair of the data has one next state."""
        return bool(((self.mdp.to_dense().dynamics > 0.0).sum(axis=2)[self.data > 0.0] <= 1).all())

    @cached_property
    def optimum(self) -> RegularizedOptimum:
        return regularized_optimum(self.mdp, self.case.behavior, self.alpha, self.kind)

    @cached_property
    def objective(self) -> RegularizedReturn:
        return RegularizedReturn(self.mdp, self.data, self.alpha, self.kind)

    @cached_property
    def inner(self) -> DualMinimum:
        """AlgaeDICE's minimum over nu for the case's policy."""
        return self.objective.inner(self.case.policy)

    def advantage(self, state_value: StateValue) -> Floats:
        """e_nu, [S, A]."""
        return self.mdp.reward + self.mdp.discount * self.mdp.expect_next(state_value) - state_value[:, None]

    def lagrangian(self, state_value: StateValue, weights: Floats | None = None) -> float:
        """L(w, nu) of OptiDICE; with the best w if none is given."""
        slope = self.advantage(state_value) / self.alpha
        weights = self.kind.conjugate_slope(slope) if weights is None else weights
        start = (1.0 - self.mdp.discount) * float(self.mdp.initial @ state_value)
        return start + self.alpha * float((self.data * (weights * slope - self.kind.generator(weights))).sum())

    def one_sample(self, state_value: StateValue) -> float:
        """OptiDICE's L with a sampled next state in place of its mean."""
        following = self.mdp.reward[..., None] + self.mdp.discount * state_value - state_value[:, None, None]
        mass = self.data[..., None] * self.mdp.dynamics
        start = (1.0 - self.mdp.discount) * float(self.mdp.initial @ state_value)
        return start + self.alpha * float((mass * self.kind.conjugate(following / self.alpha)).sum())

    def random_value(self, purpose: str) -> StateValue:
        """nu of up to a few times alpha."""
        return self.alpha * self.case.generator(purpose).normal(size=self.mdp.n_states)


@lru_cache(maxsize=4)
def _dice(case: Case) -> _DiceCase:
    generator = case.generator("dice")
    alpha = float(10.0 ** generator.uniform(-2.0, 1.0)) * max(case.mdp.reward_bound, 1e-3)
    kind = _KINDS[int(generator.integers(len(_KINDS)))]
    return _DiceCase(case=case, mdp=case.mdp.to_dense(), alpha=alpha, kind=kind)


def _claim(
    name: str,
    source: str,
    statement: str,
    relation: Relation,
    measure: Callable[[_DiceCase], Measurement],
    *,
    condition: str = "",
    tolerance: float = _ROUNDING,
) -> Claim:
    def measured(case: Case) -> Measurement | None:
        if case.n_pairs > _PAIRS:
            return None
        drawn = _dice(case)
        return replace(measure(drawn), settings=f"α = {drawn.alpha:.3g}, f of {drawn.kind.name}")

    return Claim(
        name=name,
        source=source,
        statement=statement,
        relation=relation,
        measure=measured,
        expected=Verdict.HOLDS_WITH_CONDITION if condition else Verdict.HOLDS,
        condition=condition,
        tolerance=tolerance,
    )


def _closed_form(case: _DiceCase) -> Measurement:
    """L at w* against L at other weights: random ones, and w* stretched by a little."""
    value = case.random_value("nu")
    generator = case.case.generator("weights")
    best = case.kind.conjugate_slope(case.advantage(value) / case.alpha)
    others = (best * generator.uniform(0.5, 1.5, best.shape), generator.exponential(size=best.shape))
    attained = case.lagrangian(value)
    size = case.scale + case.alpha * float((case.data * best**2).sum())
    return at_least(attained, max(case.lagrangian(value, weights) for weights in others), size)


def _convex(case: _DiceCase) -> Measurement:
    first, second = case.random_value("nu"), case.random_value("other nu")
    ends = case.lagrangian(first) / 2.0 + case.lagrangian(second) / 2.0
    return at_least(ends, case.lagrangian((first + second) / 2.0), case.scale + abs(ends))


def _strong_duality(case: _DiceCase) -> Measurement:
    found = case.optimum
    attained = regularized_value(case.mdp, found.occupancy, case.data, case.alpha, case.kind)
    return equal(found.value, attained, case.scale)


def _no_policy_has_more(case: _DiceCase) -> Measurement:
    return at_least(case.optimum.value, case.inner.value, case.scale)


def _extraction(case: _DiceCase) -> Measurement:
    """TV between w* d_D and the occupancy of the policy that is read from it."""
    found = case.optimum
    return Measurement(left=float(np.abs(found.weights * case.data - found.occupancy).sum()) / 2.0, right=0.0)


def _below_the_return(case: _DiceCase) -> Measurement:
    return at_least(expected_return(case.mdp, case.optimum.policy), case.optimum.value, case.scale)


def _one_sample_is_larger(case: _DiceCase) -> Measurement:
    value = case.random_value("nu")
    mean = case.lagrangian(value)
    return at_least(case.one_sample(value), mean, case.scale + abs(mean))


def _one_sample_is_equal(case: _DiceCase) -> Measurement:
    value = case.random_value("nu")
    mean = case.lagrangian(value)
    return equal(case.one_sample(value), mean, case.scale + abs(mean), condition_met=case.is_deterministic)


def _one_sample_minimum(case: _DiceCase) -> Measurement:
    found = one_sample_minimum(case.mdp, case.case.behavior, case.alpha, case.kind)
    return equal(found, case.optimum.value, case.scale, condition_met=case.is_deterministic)


def _dual_is_the_regularized_return(case: _DiceCase) -> Measurement:
    dual = case.objective.dual(case.case.policy, case.inner.action_value)
    return equal(dual, case.inner.value, case.scale + abs(case.inner.value))


def _dual_is_a_minimum(case: _DiceCase) -> Measurement:
    other = case.inner.action_value + case.alpha * case.case.random_function("other nu")
    dual = case.objective.dual(case.case.policy, other)
    return at_least(dual, case.inner.value, case.scale + abs(case.inner.value))


def _policy_gradient(case: _DiceCase) -> Measurement:
    """The largest difference of the two gradients in a logit, beside the largest one."""
    policy, found = case.case.policy, case.inner
    off_policy = logit_gradient(policy, case.objective.dual_gradient(policy, found.action_value))
    reward = case.objective.augmented_reward(found.weights)
    on_policy = logit_gradient(policy, occupancy_gradient(case.mdp, policy, found.occupancy, reward))
    size = case.scale + float(np.abs(found.occupancy * found.action_value).max())
    return Measurement(left=float(np.abs(off_policy - on_policy).max()) / size, right=0.0)


def _stationary(case: _DiceCase) -> Measurement:
    """The largest slope in a logit at OptiDICE's policy."""
    policy = case.optimum.policy
    slope = logit_gradient(policy, case.objective(policy)[1])
    return Measurement(left=float(np.abs(slope).max()) / case.scale, right=0.0)


def _one_sample_of_nu(case: _DiceCase) -> Measurement:
    """AlgaeDICE's dual with one (s', a') in place of their mean, at its minimizer and the case's policy."""
    policy, value = case.case.policy, case.inner.action_value
    following = case.mdp.reward[..., None, None] + case.mdp.discount * value - value[..., None, None]
    slope = following / case.alpha  # [S, A, S', A']
    mass = case.data[:, :, None, None] * case.mdp.dynamics[..., None] * policy
    start = (1.0 - case.mdp.discount) * float(case.mdp.initial @ (policy * value).sum(axis=1))
    met = mass > 0.0
    with np.errstate(over="ignore"):  # of KL: then the larger side is infinite
        sampled = start + case.alpha * float(mass[met] @ case.kind.conjugate(slope[met]))
    return at_least(sampled, case.inner.value, case.scale + abs(case.inner.value))


_DETERMINISTIC = "every pair of the data has a single next state (deterministic dynamics)"

CLAIMS = (
    _claim(
        "optidice-1",
        "OptiDICE, Proposition 1",
        "w* = max(0, (f')⁻¹(e_ν/α)) maximizes L(w,ν) over w >= 0",
        Relation.AT_MOST,
        _closed_form,
    ),
    _claim(
        "optidice-2",
        "OptiDICE, Proposition 2",
        "L(w*_ν, ν) is convex in ν (left: at the middle of two ν, right: the mean of both)",
        Relation.AT_MOST,
        _convex,
    ),
    _claim(
        "optidice-3",
        "OptiDICE, Corollary 3",
        "with one sampled s' in place of its mean L is larger: L(w*_ν, ν) <= L̃(ν)",
        Relation.AT_MOST,
        _one_sample_is_larger,
    ),
    _claim(
        "optidice-3-equality",
        "OptiDICE, Corollary 3",
        "L̃(ν) = L(w*_ν, ν)",
        Relation.EQUAL,
        _one_sample_is_equal,
        condition=_DETERMINISTIC,
    ),
    _claim(
        "optidice-one-sample-optimum",
        "finding on OptiDICE, Corollary 3",
        "what samples minimize has the program's optimum: min_ν L̃(ν) = max_d E_d[r] - α D_f(d‖d_D)",
        Relation.EQUAL,
        _one_sample_minimum,
        condition=_DETERMINISTIC,
    ),
    _claim(
        "optidice-duality",
        "OptiDICE, section 3",
        "no gap: min_ν L(w*_ν, ν) = E_d[r] - α D_f(d‖d_D) of the policy read from w*",
        Relation.EQUAL,
        _strong_duality,
    ),
    _claim(
        "optidice-optimum",
        "OptiDICE, section 3",
        "J(π) - α D_f(d_π‖d_D) <= min_ν L(w*_ν, ν) for every π that the data cover",
        Relation.AT_MOST,
        _no_policy_has_more,
    ),
    _claim(
        "optidice-extraction",
        "OptiDICE, section 3",
        "the policy π(a|s) ~ w* d_D has the occupancy w* d_D (left: TV)",
        Relation.EQUAL,
        _extraction,
        tolerance=_FIRST_ORDER,
    ),
    _claim(
        "optidice-lower-bound",
        "OptiDICE, section 3",
        "the optimal value is a lower bound of what the policy earns: min_ν L(w*_ν, ν) <= J(π*)",
        Relation.AT_MOST,
        _below_the_return,
    ),
    _claim(
        "algaedice-dual",
        "AlgaeDICE, section 3",
        "at ν* = Q of r - α f'(d_π/d_D) the dual over ν is J(π) - α D_f(d_π‖d_D)",
        Relation.EQUAL,
        _dual_is_the_regularized_return,
    ),
    _claim(
        "algaedice-dual-minimum",
        "AlgaeDICE, section 3",
        "at any other ν the dual is at least as large",
        Relation.AT_MOST,
        _dual_is_a_minimum,
    ),
    _claim(
        "algaedice-gradient",
        "AlgaeDICE, section 3",
        "with ν* held fixed the dual's gradient is the on-policy policy gradient for r - α f'(d_π/d_D)",
        Relation.EQUAL,
        _policy_gradient,
        tolerance=_FIRST_ORDER,
    ),
    _claim(
        "algaedice-optimum",
        "AlgaeDICE, section 3",
        "OptiDICE's policy is a maximum over π of min_ν: the gradient there is zero",
        Relation.EQUAL,
        _stationary,
        tolerance=_FIRST_ORDER,
    ),
    _claim(
        "algaedice-one-sample",
        "finding on AlgaeDICE, section 3",
        "with one sampled (s', a') in place of their mean the dual at ν* is larger",
        Relation.AT_MOST,
        _one_sample_of_nu,
    ),
)
