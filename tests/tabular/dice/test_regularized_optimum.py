"""OptiDICE's program: a general optimizer agrees, both optima certify each other, alpha leads to the optimal policy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from tabular.bounds.divergences import ChiSquared, Divergence, KullbackLeibler, SoftChiSquared
from tabular.dice.regularized_optimum import one_sample_minimum, regularized_optimum
from tabular.exact.occupancy import expected_return, occupancy
from tabular.exact.policy import optimal_policy
from tests.strategies import Case, mdp_model_and_policies
from tests.tabular.alignment.alignments import random_support

KINDS = (ChiSquared(), KullbackLeibler(), SoftChiSquared())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("one_sample", [False, True])
def test_a_general_optimizer_finds_the_same_minimum_of_the_dual(kind: Divergence, one_sample: bool) -> None:
    support, alpha = random_support(0), 0.3
    mdp, behavior = support.mdp, np.full((5, 3), 1.0 / 3.0)
    data = occupancy(mdp, behavior)

    def dual(value: np.ndarray) -> float:
        start = (1.0 - mdp.discount) * mdp.initial @ value
        residual = mdp.reward[..., None] + mdp.discount * value - value[:, None, None]
        if one_sample:
            return start + alpha * float((data[..., None] * mdp.dynamics * kind.conjugate(residual / alpha)).sum())
        residual = (mdp.dynamics * residual).sum(axis=2)
        return start + alpha * float((data * kind.conjugate(residual / alpha)).sum())

    optimum = regularized_optimum(mdp, behavior, alpha, kind)
    found = minimize(dual, np.zeros(5), options={"gtol": 1e-8})
    expected = one_sample_minimum(mdp, behavior, alpha, kind) if one_sample else optimum.value
    assert found.fun == pytest.approx(expected, abs=1e-8)
    if not one_sample:
        np.testing.assert_allclose(optimum.state_value, found.x, atol=1e-4)


@given(mdp_model_and_policies(), st.sampled_from(KINDS), st.sampled_from((1.0, 0.1, 0.02, 10.0)))
def test_dual_and_policy_certify_each_other(case: Case, kind: Divergence, alpha: float) -> None:
    found = regularized_optimum(case.mdp, case.behavior, alpha, kind)
    assert -1e-9 <= found.gap <= 1e-8 * (1.0 + alpha)
    np.testing.assert_allclose(found.weights * case.behavior_occupancy, found.occupancy, atol=1e-5)


def test_a_small_coefficient_leads_to_the_optimal_policy() -> None:
    mdp = random_support(2).mdp
    best = expected_return(mdp, optimal_policy(mdp))
    values = [regularized_optimum(mdp, np.full((5, 3), 1.0 / 3.0), alpha, ChiSquared()).value for alpha in (1.0, 1e-5)]
    assert values[0] < best - 0.01
    assert values[1] == pytest.approx(best, abs=1e-3)
