"""AMPL's moment condition, Eqs. 10-11: true for w*, yet one number out of as many as there are pairs."""

import numpy as np
import pytest
from hypothesis import given
from scipy.linalg import null_space

from ampl.errors import InvalidShapeError
from tabular.exact.occupancy import action_value, expected_return
from tabular.mdps.mdp import FiniteMDP
from tabular.weights.moments import (
    indicator_basis,
    indicator_conditions,
    moment_conditions,
    q_moment,
    weights_error,
)
from tabular.weights.operator import WeightOperator, mean_weight
from tests.strategies import Case, mdp_model_and_policies, mdps


def _bandit_case() -> Case:
    """One state, two actions that earn 0 and 1; d_b = (1/2, 1/2), pi = (1/4, 3/4), so w* = (1/2, 3/2)."""
    mdp = FiniteMDP(np.ones((1, 2, 1)), np.array([[0.0, 1.0]]), np.ones(1), 0.5)
    return Case(mdp=mdp, model=mdp, policy=np.array([[0.25, 0.75]]), behavior=np.array([[0.5, 0.5]]))


@given(mdp_model_and_policies())
def test_true_weights_satisfy_the_condition_of_every_test_function(case: Case) -> None:
    """Eq. 10: E_{d_b}[w* (Q - discount P_pi Q)] = (1 - discount) E_{mu0,pi}[Q]."""
    functions = np.random.default_rng(0).normal(size=(5, *case.policy.shape))
    conditions = moment_conditions(case.mdp, case.policy, case.behavior_occupancy, functions)
    np.testing.assert_allclose(conditions.residual(case.weights), 0.0, atol=1e-8)


@given(mdp_model_and_policies())
def test_condition_with_the_exact_value_says_that_the_estimate_equals_the_return(case: Case) -> None:
    """With Q_pi it reads E_{d_b}[w r] = J: coefficients d_b r and constant J."""
    value = action_value(case.mdp, case.policy)
    condition = q_moment(case.mdp, case.policy, case.behavior_occupancy, value)
    np.testing.assert_allclose(condition.coefficients[0], case.behavior_occupancy * case.mdp.reward, atol=1e-9)
    assert condition.constants[0] == pytest.approx(expected_return(case.mdp, case.policy), abs=1e-9)


@given(mdp_model_and_policies())
def test_wrong_weights_leave_a_residual_that_is_their_operator_error(case: Case) -> None:
    """For any w and Q the residual is <d_b (w - T w), Q>."""
    generator = np.random.default_rng(1)
    weights = generator.random(case.policy.shape) * (case.behavior_occupancy > 0.0)
    functions = generator.normal(size=(3, *case.policy.shape))
    conditions = moment_conditions(case.mdp, case.policy, case.behavior_occupancy, functions)
    error = weights - WeightOperator(case.mdp, case.policy, case.behavior)(weights)
    expected = np.tensordot(functions, case.behavior_occupancy * error, axes=2)
    np.testing.assert_allclose(conditions.residual(weights), expected, atol=1e-9)


@given(mdp_model_and_policies())
def test_one_condition_leaves_all_but_one_direction_undetermined(case: Case) -> None:
    """The solution set is a hyperplane: n - 1 free directions on n pairs, and moving along one changes no residual."""
    function = np.random.default_rng(2).normal(size=case.policy.shape) + 3.0
    condition = q_moment(case.mdp, case.policy, case.behavior_occupancy, function)
    n_pairs = int(condition.support.sum())
    assert condition.rank() == 1
    free = null_space(condition.coefficients[:, condition.support])
    assert free.shape == (n_pairs, n_pairs - 1)
    moved = case.weights.copy()
    moved[condition.support] += free @ np.ones(n_pairs - 1)
    np.testing.assert_allclose(condition.residual(moved), condition.residual(case.weights), atol=1e-9)


@given(mdp_model_and_policies())
def test_indicator_basis_determines_the_weights(case: Case) -> None:
    """All indicators together are w = T w: as many independent conditions as pairs, and w* is their only solution."""
    conditions = indicator_conditions(case.mdp, case.policy, case.behavior_occupancy)
    support = conditions.support
    # unknown w(s,a) d_b(s,a) instead of w(s,a): the same equations, well scaled however rare a pair is
    matrix = conditions.coefficients[:, support] / case.behavior_occupancy[support]
    assert np.linalg.matrix_rank(matrix) == support.sum()
    solution = np.linalg.lstsq(matrix, conditions.constants, rcond=None)[0]
    np.testing.assert_allclose(solution, case.policy_occupancy[support], atol=1e-8)


def test_indicator_conditions_have_full_rank_on_the_weights_themselves() -> None:
    case = _bandit_case()
    conditions = indicator_conditions(case.mdp, case.policy, case.behavior_occupancy)
    assert conditions.rank() == 2


@given(mdps())
def test_indicator_basis_is_the_identity(mdp: FiniteMDP) -> None:
    basis = indicator_basis(mdp.n_states, mdp.n_actions)
    function = np.random.default_rng(0).normal(size=mdp.reward.shape)
    np.testing.assert_array_equal(np.tensordot(basis, function, axes=2), function.ravel())


@given(mdp_model_and_policies())
def test_farthest_solution_is_another_nonnegative_mean_one_solution(case: Case) -> None:
    """The finding of theory.md, section 3: weights that are not w* satisfy AMPL's condition as well."""
    value = action_value(case.mdp, case.policy)
    condition = q_moment(case.mdp, case.policy, case.behavior_occupancy, value)
    direction = np.random.default_rng(3).normal(size=int(condition.support.sum()))
    other = condition.farthest_solution(case.weights, case.behavior_occupancy, direction)
    assert other.min() >= 0.0
    assert mean_weight(other, case.behavior_occupancy) == pytest.approx(1.0, abs=1e-8)
    np.testing.assert_allclose(condition.residual(other), condition.residual(case.weights), atol=1e-8)
    positive = case.weights[condition.support] > 0.0
    if not np.array_equal(other, case.weights) and positive.all():
        assert other[condition.support].min() == pytest.approx(0.0, abs=1e-9)  # it went as far as it could


def test_other_solutions_exist_and_are_far_while_their_return_estimate_is_exact() -> None:
    """Three actions, one number fixed: rewards (0, 1/2, 1), pi uniform; w = (3/2, 0, 3/2) does as well as w* = 1."""
    reward = np.array([[0.0, 0.5, 1.0]])
    mdp = FiniteMDP(np.ones((1, 3, 1)), reward, np.ones(1), 0.5)
    uniform = np.full((1, 3), 1 / 3)
    condition = q_moment(mdp, uniform, uniform, action_value(mdp, uniform))
    other = condition.farthest_solution(np.ones((1, 3)), uniform, np.array([1.0, -2.0, 1.0]))
    np.testing.assert_allclose(other, [[1.5, 0.0, 1.5]], atol=1e-12)
    assert condition.residual(other)[0] == pytest.approx(0.0, abs=1e-12)
    assert np.vdot(uniform * other, reward) == pytest.approx(expected_return(mdp, uniform))


def test_farthest_solution_stays_where_nothing_is_free() -> None:
    """Two pairs, the condition and the mean: no direction is left."""
    case = _bandit_case()
    condition = q_moment(case.mdp, case.policy, case.behavior_occupancy, action_value(case.mdp, case.policy))
    stayed = condition.farthest_solution(case.weights, case.behavior_occupancy, np.array([1.0, -1.0]))
    np.testing.assert_array_equal(stayed, case.weights)


def test_condition_worked_out_by_hand() -> None:
    # Q = (0, 4): E_pi Q = 3, so Q - Q'/2 = (-3/2, 5/2), times d_b: (-3/4, 5/4); constant 1/2 * 3
    case = _bandit_case()
    condition = q_moment(case.mdp, case.policy, case.behavior_occupancy, np.array([[0.0, 4.0]]))
    np.testing.assert_allclose(condition.coefficients, [[[-0.75, 1.25]]])
    np.testing.assert_allclose(condition.constants, [1.5])
    assert condition.residual(case.weights)[0] == pytest.approx(0.0)  # -3/8 + 15/8 - 3/2
    assert condition.residual(np.ones((1, 2)))[0] == pytest.approx(-1.0)


@given(mdp_model_and_policies())
def test_dense_and_sparse_conditions_agree(case: Case) -> None:
    dense, compressed = (
        indicator_conditions(mdp, case.policy, case.behavior_occupancy)
        for mdp in (case.mdp.to_dense(), case.mdp.to_sparse())
    )
    np.testing.assert_allclose(dense.coefficients, compressed.coefficients, atol=1e-14)
    np.testing.assert_allclose(dense.constants, compressed.constants, atol=1e-14)


@given(mdp_model_and_policies())
def test_exact_weights_have_no_error(case: Case) -> None:
    error = weights_error(case.weights, case.weights, case.behavior_occupancy)
    assert error["l1"] == 0.0
    assert error["kl_nats"] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(error["log_correlation"]) or error["log_correlation"] == pytest.approx(1.0)


def test_weights_error_worked_out_by_hand() -> None:
    d_b, exact = np.array([[0.5, 0.5]]), np.array([[0.5, 1.5]])
    error = weights_error(np.array([[1.5, 0.5]]), exact, d_b)
    assert error["l1"] == pytest.approx(1.0)
    assert error["kl_nats"] == pytest.approx(0.5 * np.log(3.0))  # 3/4 log 3 + 1/4 log 1/3
    assert error["log_correlation"] == pytest.approx(-1.0)
    assert weights_error(np.ones((1, 2)), np.array([[0.0, 2.0]]), d_b)["kl_nats"] == np.inf
    assert weights_error(np.zeros((1, 2)), exact, d_b)["kl_nats"] == np.inf  # collapsed weights are not perfect ones
    assert np.isnan(weights_error(np.ones((1, 2)), exact, d_b)["log_correlation"])  # a constant has no correlation


def test_a_single_test_function_without_its_axis_is_refused() -> None:
    case = _bandit_case()
    with pytest.raises(InvalidShapeError, match=r"test_function\[None\]"):
        moment_conditions(case.mdp, case.policy, case.behavior_occupancy, np.ones((1, 2)))
    with pytest.raises(InvalidShapeError, match=r"expected \[K, 1, 2\]"):
        moment_conditions(case.mdp, case.policy, case.behavior_occupancy, np.ones((1, 2, 2)))
