"""Every objective's gradient agrees with finite differences; the maximizers agree with a convex program."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from ampl.errors import AbsoluteContinuityError, InvalidArgumentError, NotConvergedError
from tabular.alignment.maximin import ascend, maximize
from tabular.alignment.policy_objectives import (
    AlignedModelReturn,
    MaximinValue,
    ModelReturn,
    Objective,
    Surrogate,
)
from tabular.alignment.surrogate import regularized_return
from tabular.alignment.transition_support import TransitionSupport
from tabular.bounds.divergences import ChiSquared, Cubic, Divergence, KullbackLeibler, SoftChiSquared
from tabular.dice.regularized_optimum import regularized_optimum
from tabular.dice.regularized_return import RegularizedReturn
from tabular.exact.occupancy import expected_return, occupancy
from tabular.exact.policy import optimal_policy, random_policy, uniform_policy
from tabular.exact.policy_gradient import occupancy_gradient
from tabular.types import Floats, Policy
from tests.tabular.alignment.alignments import random_support


@dataclass(frozen=True, eq=False)
class TrueReturn:
    """J(pi, P*): what everything else stands in for."""

    support: TransitionSupport

    def __call__(self, policy: Policy) -> tuple[float, Floats]:
        mdp = self.support.mdp
        return expected_return(mdp, policy), occupancy_gradient(mdp, policy, occupancy(mdp, policy), mdp.reward)


def of_data(support: TransitionSupport, alpha: float, kind: Divergence) -> RegularizedReturn:
    """AlgaeDICE's objective; with KL it is what DAMO sets out to maximize."""
    return RegularizedReturn(support.mdp, support.by_pair(support.data), alpha, kind)


KINDS = (KullbackLeibler(), ChiSquared(), Cubic())
DICE_KINDS = (*KINDS, SoftChiSquared())
OBJECTIVES: dict[str, Callable[[TransitionSupport], Objective]] = {
    "true return": TrueReturn,
    "return in the model": ModelReturn,
    **{
        f"regularized return, {kind.name}": lambda support, kind=kind: of_data(support, 0.3, kind)
        for kind in DICE_KINDS
    },
    "aligned return in the model": lambda support: AlignedModelReturn(support, 0.3),
    **{f"surrogate, {kind.name}": lambda support, kind=kind: Surrogate(support, 0.3, kind) for kind in KINDS},
    **{f"maximin, {kind.name}": lambda support, kind=kind: MaximinValue(support, 0.3, kind) for kind in KINDS},
    **{
        f"maximin without data alignment, {kind.name}": lambda support, kind=kind: MaximinValue(
            support, 0.3, kind, data_alignment=False
        )
        for kind in KINDS
    },
    "maximin, closed form": lambda support: MaximinValue(support, 0.3, ChiSquared(), closed_form=True),
}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("seed", range(3))
def test_gradients_agree_with_finite_differences(name: str, seed: int) -> None:
    objective = OBJECTIVES[name](random_support(seed))
    generator = np.random.default_rng(seed)
    policy, other = random_policy(5, 3, generator), random_policy(5, 3, generator)
    step, direction = 1e-5, other - policy
    slope = (objective(policy + step * direction)[0] - objective(policy - step * direction)[0]) / (2.0 * step)
    assert float((objective(policy)[1] * direction).sum()) == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_ascending_the_true_return_finds_the_optimal_policy() -> None:
    support = random_support(0)
    found = maximize(TrueReturn(support), [uniform_policy(support.mdp)], scale=support.mdp.reward_bound)
    best = TrueReturn(support)(optimal_policy(support.mdp))[0]
    assert found.value == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("kind", DICE_KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("alpha", [0.05, 0.5, 5.0])
def test_ascending_the_regularized_return_finds_the_convex_programs_optimum(alpha: float, kind: Divergence) -> None:
    support = random_support(1)
    behavior = uniform_policy(support.mdp)
    objective = of_data(TransitionSupport(support.mdp, support.model, behavior), alpha, kind)
    exact = regularized_optimum(support.mdp, behavior, alpha, kind)
    found = maximize(objective, [behavior], scale=support.mdp.reward_bound)
    assert found.value == pytest.approx(exact.value, abs=2e-6)
    assert objective(exact.policy)[0] == pytest.approx(exact.value, abs=1e-7)


def test_the_regularized_return_with_kl_is_damos() -> None:
    support = random_support(1)
    policy = random_policy(5, 3, np.random.default_rng(0))
    damos = regularized_return(support.occupancies(policy), 0.3)
    assert of_data(support, 0.3, KullbackLeibler())(policy)[0] == pytest.approx(damos, abs=1e-12)


def test_with_kl_and_the_true_model_the_maximin_value_is_optimistic() -> None:
    """The adversary that DAMO's Q stands for may choose the dynamics in the policy's favor."""
    support = random_support(2)
    behavior = uniform_policy(support.mdp)
    support = TransitionSupport(support.mdp, support.mdp, behavior)
    maximin = maximize(MaximinValue(support, 0.2, KullbackLeibler()), [behavior], scale=support.mdp.reward_bound)
    assert maximin.value > regularized_optimum(support.mdp, behavior, 0.2).value + 1e-3


def test_a_large_coefficient_leads_back_to_the_behavior_policy() -> None:
    support = random_support(3)
    behavior = uniform_policy(support.mdp)
    found = regularized_optimum(support.mdp, behavior, 1e4)
    np.testing.assert_allclose(found.policy, behavior, atol=1e-3)


def test_ascend_stops_where_it_is_told_and_never_falls() -> None:
    support = random_support(4)
    objective = MaximinValue(support, 0.5, ChiSquared(), closed_form=True)
    start = uniform_policy(support.mdp)
    values = [objective(start)[0], *(ascend(objective, start, count).value for count in (1, 3, 10))]
    assert values == sorted(values)


def test_an_unfinished_ascent_is_never_returned_as_a_maximum() -> None:
    support = random_support(0)
    with pytest.raises(NotConvergedError, match="still rises"):
        maximize(TrueReturn(support), [uniform_policy(support.mdp)], scale=support.mdp.reward_bound, max_iterations=1)


def test_bad_arguments_are_refused() -> None:
    support = random_support(0)
    with pytest.raises(InvalidArgumentError, match="alpha is -1"):
        regularized_optimum(support.mdp, uniform_policy(support.mdp), -1.0)
    first_only = np.tile([1.0, 0.0, 0.0], (5, 1))
    uncovered = TransitionSupport(support.mdp, support.model, first_only)
    with pytest.raises(AbsoluteContinuityError, match="the data have not"):
        MaximinValue(uncovered, 1.0, ChiSquared())(uniform_policy(support.mdp))
