"""MOPO's lemma and its penalized MDP: what holds for every policy, when it is tight, and what breaks it."""

import numpy as np
import pytest
from hypothesis import given

from ampl.errors import InvalidArgumentError, InvalidShapeError
from tabular.bounds.integral_metrics import L1Distance
from tabular.bounds.penalized_mdp import (
    least_uncertain_policy,
    mean_uncertainty,
    penalized_mdp,
    penalized_optimum,
    penalized_return,
    penalty_weight,
    telescoping,
    value_error,
    value_interval,
)
from tabular.bounds.penalty_tradeoff import enumerate_trade_off
from tabular.exact.occupancy import expected_return, occupancy, state_value
from tabular.exact.policy import optimal_policy
from tabular.mdps.generators import fork_mdp
from tabular.mdps.mdp import FiniteMDP
from tests.strategies import Case, mdp_model_and_policies

ONLY = np.ones((3, 1))  # the policy of the fork
OPTIMISTIC = (fork_mdp(0.9, 0.4), fork_mdp(0.9, 0.6))  # truth and model


def largest_value(mdp: FiniteMDP) -> float:
    """c of the L1 distance: it serves every policy."""
    return mdp.reward_bound / (1.0 - mdp.discount)


def rounding(mdp: FiniteMDP) -> float:
    return 1e-9 / (1.0 - mdp.discount)


@given(mdp_model_and_policies())
def test_telescoping_lemma_is_an_identity_under_the_models_occupancy(case: Case) -> None:
    """MOPO, Lemma 4.1 with the hat."""
    parts = telescoping(case.mdp, case.model, case.policy)
    assert parts.gap == pytest.approx(parts.under_model, abs=rounding(case.mdp))


def test_telescoping_lemma_fails_as_printed_without_the_hat() -> None:
    """The truth stays in state 0 and never sees the model's error as often as the model believes."""
    dynamics = np.array([[[0.5, 0.5]], [[0.0, 1.0]]])
    mdp = FiniteMDP(dynamics, np.array([[0.0], [1.0]]), np.array([1.0, 0.0]), 0.5)
    model = mdp.with_dynamics(np.array([[[0.0, 1.0]], [[0.0, 1.0]]]))
    parts = telescoping(mdp, model, np.ones((2, 1)))
    assert parts.gap == pytest.approx(1 / 6)
    assert parts.under_model == pytest.approx(1 / 6)
    assert parts.under_truth == pytest.approx(2 / 9)


def test_the_value_error_is_the_same_dense_and_sparse() -> None:
    truth, model = OPTIMISTIC
    value = state_value(truth, ONLY)
    np.testing.assert_allclose(
        value_error(truth, model, value), value_error(truth.to_sparse(), model.to_sparse(), value)
    )


@given(mdp_model_and_policies())
def test_the_penalized_return_is_a_lower_bound_for_every_policy(case: Case) -> None:
    """MOPO, Eq. 7, with the exact distance and with an inflated one."""
    distance = L1Distance().distance(case.mdp, case.model)
    weight = penalty_weight(case.mdp.discount, largest_value(case.mdp))
    for uncertainty in (distance, 1.5 * distance + 0.1):
        for policy in (case.policy, case.behavior):
            claimed = penalized_return(case.model, uncertainty, weight, policy)
            assert claimed <= expected_return(case.mdp, policy) + rounding(case.mdp)


def test_the_penalized_lower_bound_is_attained_by_an_optimistic_fork() -> None:
    truth, model = OPTIMISTIC
    distance = L1Distance().distance(truth, model)
    claimed = penalized_return(model, distance, penalty_weight(0.9, largest_value(truth)), ONLY)
    assert claimed == pytest.approx(expected_return(truth, ONLY))


def test_an_inadmissible_estimator_breaks_the_lower_bound() -> None:
    truth, model = OPTIMISTIC
    distance = L1Distance().distance(truth, model)
    weight = penalty_weight(0.9, largest_value(truth))
    assert penalized_return(model, 0.9 * distance, weight, ONLY) > expected_return(truth, ONLY) + 0.03


def test_a_smaller_penalty_weight_breaks_the_lower_bound() -> None:
    truth, model = OPTIMISTIC
    distance = L1Distance().distance(truth, model)
    weight = 0.9 * penalty_weight(0.9, largest_value(truth))
    assert penalized_return(model, distance, weight, ONLY) > expected_return(truth, ONLY) + 0.03


@given(mdp_model_and_policies())
def test_both_normalizations_use_the_same_penalty_weight(case: Case) -> None:
    """eta_tilde = E_rho_hat[r - lambda u] with the paper's sums over time is J_tilde / (1 - discount)."""
    uncertainty = L1Distance().distance(case.mdp, case.model)
    weight = penalty_weight(case.mdp.discount, largest_value(case.mdp))
    visits = occupancy(case.model, case.policy) / (1.0 - case.mdp.discount)  # rho_hat, sums to 1 / (1 - discount)
    eta = float(np.sum(visits * (case.model.reward - weight * uncertainty)))
    normalized = (1.0 - case.mdp.discount) * eta
    scale = 1.0 + weight
    found = penalized_return(case.model, uncertainty, weight, case.policy)
    assert found == pytest.approx(normalized, abs=1e-9 * scale)
    in_parts = expected_return(case.model, case.policy) - weight * mean_uncertainty(
        case.model, uncertainty, case.policy
    )
    assert found == pytest.approx(in_parts, abs=1e-9 * scale)


@given(mdp_model_and_policies())
def test_the_least_uncertain_policy_attains_the_least_mean_uncertainty(case: Case) -> None:
    """delta_min: no policy does with less."""
    uncertainty = L1Distance().distance(case.mdp, case.model)
    least = mean_uncertainty(case.model, uncertainty, least_uncertain_policy(case.model, uncertainty))
    for policy in (case.policy, case.behavior, optimal_policy(case.mdp)):
        assert least <= mean_uncertainty(case.model, uncertainty, policy) + 1e-9
    if case.mdp.n_actions**case.mdp.n_states <= 100:
        enumerated = enumerate_trade_off(case.mdp, case.model, uncertainty)
        assert least == pytest.approx(enumerated.least_uncertainty, abs=1e-9)


@given(mdp_model_and_policies())
def test_the_value_interval_holds_every_policys_values(case: Case) -> None:
    lowest, highest = value_interval(case.mdp)
    value = state_value(case.mdp, case.policy)
    assert (lowest <= value + rounding(case.mdp)).all()
    assert (value <= highest + rounding(case.mdp)).all()


@given(mdp_model_and_policies())
def test_theorem_4_4_for_policies_that_are_not_deterministic(case: Case) -> None:
    """J(pi_hat) >= J(pi) - 2 lambda eps_u(pi), pi the policy and the behavior policy of the case."""
    uncertainty = L1Distance().distance(case.mdp, case.model)
    weight = penalty_weight(case.mdp.discount, largest_value(case.mdp))
    earned = expected_return(case.mdp, penalized_optimum(case.model, uncertainty, weight))
    for policy in (case.policy, case.behavior):
        side = expected_return(case.mdp, policy) - 2.0 * weight * mean_uncertainty(case.model, uncertainty, policy)
        assert earned >= side - rounding(case.mdp)


def test_wrong_uncertainties_are_refused() -> None:
    truth, model = OPTIMISTIC
    distance = L1Distance().distance(truth, model)
    with pytest.raises(InvalidArgumentError, match=r"uncertainty\[0, 0\] is nan"):
        penalized_mdp(model, np.full((3, 1), np.nan), 1.0)
    with pytest.raises(InvalidShapeError, match=r"uncertainty has shape \(1, 1\)"):
        penalized_mdp(model, np.zeros((1, 1)), 1.0)
    with pytest.raises(InvalidArgumentError, match=r"weight is -1\.0"):
        penalized_mdp(model, distance, -1.0)
