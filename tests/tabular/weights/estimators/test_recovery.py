"""With exact expectations and tabular classes every consistent estimator gives w*; AMPL's moment does not."""

import numpy as np
import pytest
from hypothesis import assume, given

from ampl.errors import (
    InvalidArgumentError,
    InvalidShapeError,
    NotConvergedError,
    UncoveredPairsError,
    UnknownNameError,
)
from tabular.exact.occupancy import expected_return
from tabular.mdps.generators import chain_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.weights.estimators.iteration import WeightIteration
from tabular.weights.estimators.minimax_weight_learning import MinimaxWeightLearning, rbf_kernel
from tabular.weights.estimators.moments import MultiMoment, QMoment, random_test_functions
from tabular.weights.estimators.problem import EstimationProblem, Estimator, PlugIn, doubly_robust_return
from tabular.weights.estimators.registry import ESTIMATORS, build_estimator
from tabular.weights.estimators.variational_power_iteration import VariationalPowerIteration
from tabular.weights.moments import indicator_basis
from tests.strategies import Case, mdp_model_and_policies

CONSISTENT = sorted(set(ESTIMATORS) - {"Q-moment (AMPL)", "Lagrangian, both regularized"})
ITERATIVE = {"T iteration", "VPM"}


def exact_problem(case: Case) -> EstimationProblem:
    """Exact expectations; leaves out data so rare, and horizons so long, that rounding hides the answer."""
    problem = EstimationProblem.from_mdp(case.mdp, case.policy, case.behavior)
    assume(problem.data.min() > 1e-7)
    assume(problem.discount <= 0.99)
    return problem


def bandit(policy: tuple[float, float] = (0.25, 0.75)) -> EstimationProblem:
    """One state, two actions that earn 0 and 1; d_b = (1/2, 1/2), so w* = 2 pi and J = pi(1)."""
    mdp = FiniteMDP(np.ones((1, 2, 1)), np.array([[0.0, 1.0]]), np.ones(1), 0.5)
    return EstimationProblem.from_mdp(mdp, np.array([policy]), np.array([[0.5, 0.5]]))


@pytest.mark.parametrize("name", CONSISTENT)
@given(case=mdp_model_and_policies())
def test_consistent_estimators_give_the_exact_weights(name: str, case: Case) -> None:
    problem = exact_problem(case)
    estimate = build_estimator(name).estimate(problem)
    assert np.sum(problem.mass * np.abs(estimate.weights - case.weights)) < 1e-5
    assert estimate.mean == pytest.approx(1.0, abs=1e-5)
    assert estimate.uncovered == pytest.approx(0.0, abs=1e-9)
    assert estimate.expected_return == pytest.approx(expected_return(case.mdp, case.policy), abs=1e-5)


@given(mdp_model_and_policies())
def test_q_moment_matches_the_return(case: Case) -> None:
    """Its equation is E_{d_b}[w r] = J, for the weights before they are normalized."""
    problem = exact_problem(case)
    value = problem.action_value
    assume(np.abs(value - problem.discount * value).max() > 1e-3)  # a zero reward asks for nothing
    try:
        estimate = QMoment(keep_mean=True).estimate(problem)
    except NotConvergedError:
        assume(False)
    raw = estimate.mean * estimate.weights
    assert np.vdot(problem.mass * raw, problem.reward) == pytest.approx(
        expected_return(case.mdp, case.policy), abs=1e-6
    )
    assert estimate.mean == pytest.approx(1.0, abs=1e-6)


def test_q_moment_is_the_limit_of_gradient_descent_from_one() -> None:
    """On the squared residual, in L2(d_D)."""
    case = chain_mdp(4, discount=0.8, slip=0.2)
    problem = EstimationProblem.from_mdp(case, np.tile([0.2, 0.8], (4, 1)), np.full((4, 2), 0.5))
    value, weights = problem.action_value, np.ones(len(problem.data))
    slope = problem.bellman @ value  # of the residual, as a function in L2(d_D)
    for _ in range(2000):
        residual = problem.flow_residual(weights) @ value
        weights = weights + 0.2 / (problem.data @ slope**2) * residual * slope
    estimate = QMoment().estimate(problem)
    np.testing.assert_allclose(estimate.mean * estimate.weights[problem.support], weights, atol=1e-9)


def test_q_moment_does_not_give_the_weights() -> None:
    """A reward that is the same everywhere: w = 1 solves the equation, and w* = (1/2, 3/2) is never looked for."""
    constant = FiniteMDP(np.ones((1, 2, 1)), np.ones((1, 2)), np.ones(1), 0.5)
    problem = EstimationProblem.from_mdp(constant, np.array([[0.25, 0.75]]), np.array([[0.5, 0.5]]))
    np.testing.assert_allclose(QMoment().estimate(problem).weights, [[1.0, 1.0]])
    np.testing.assert_allclose(PlugIn().estimate(problem).weights, [[0.5, 1.5]])


def test_bandit_worked_out_by_hand() -> None:
    # w r + ... : E[w r] = w1 / 2 = J = 3/4, so w1 = 3/2; without the mean w0 stays 1, hence the mean 5/4.
    single = QMoment().estimate(bandit())
    assert single.mean == pytest.approx(1.25)
    np.testing.assert_allclose(single.weights, [[0.8, 1.2]])
    np.testing.assert_allclose(QMoment(keep_mean=True).estimate(bandit()).weights, [[0.5, 1.5]])  # two equations


@given(mdp_model_and_policies())
def test_as_many_moments_as_pairs_determine_the_weights_and_kernels_do(case: Case) -> None:
    problem = exact_problem(case)
    positions = np.arange(case.mdp.n_states, dtype=np.float64)[:, None]
    complete: list[Estimator] = [
        MultiMoment(test_functions=indicator_basis(*case.policy.shape)),
        MinimaxWeightLearning(kernel=rbf_kernel(positions, case.mdp.n_actions, 0.7)),
    ]
    for estimator in complete:
        weights = estimator.estimate(problem).weights
        assert np.sum(problem.mass * np.abs(weights - case.weights)) < 1e-4


def test_fewer_moments_than_pairs_leave_the_weights_undetermined() -> None:
    mdp = chain_mdp(6, discount=0.9, slip=0.2)
    problem = EstimationProblem.from_mdp(mdp, np.tile([0.1, 0.9], (6, 1)), np.full((6, 2), 0.5))
    exact = PlugIn().estimate(problem).weights
    errors = []
    for count in (1, 4, 12):
        tests = random_test_functions(count, (6, 2), np.random.default_rng(0))
        weights = MultiMoment(test_functions=tests).estimate(problem).weights
        errors.append(np.sum(problem.mass * np.abs(weights - exact)))
    assert errors[0] > errors[1] > 0.05
    assert errors[2] < 1e-8


@given(mdp_model_and_policies())
def test_doubly_robust_return_needs_one_side_right(case: Case) -> None:
    """w = w* with any Q, or Q = Q_pi with any w; with both wrong the error is <c(w), Q - Q_pi>."""
    problem = exact_problem(case)
    generator = np.random.default_rng(0)
    critic, weights = generator.normal(size=(2, *case.policy.shape))
    value = np.zeros_like(critic)
    value[problem.support] = problem.action_value
    earned = expected_return(case.mdp, case.policy)
    assert doubly_robust_return(problem, case.weights, critic) == pytest.approx(earned, abs=1e-7)
    assert doubly_robust_return(problem, weights, value) == pytest.approx(earned, abs=1e-7)
    owed = problem.flow_residual(weights[problem.support]) @ (critic - value)[problem.support]
    assert doubly_robust_return(problem, weights, critic) == pytest.approx(earned + owed, abs=1e-7)


def test_doubly_robust_return_with_both_sides_wrong_is_wrong() -> None:
    wrong = doubly_robust_return(bandit(), np.ones((1, 2)), np.zeros((1, 2)))
    assert wrong == pytest.approx(0.5)  # J = 3/4


def test_vpm_with_vanishing_steps_reaches_the_same_weights() -> None:
    estimate = VariationalPowerIteration(step_power=0.5, tolerance=1e-6).estimate(bandit())
    np.testing.assert_allclose(estimate.weights, [[0.5, 1.5]], atol=1e-5)


def test_iterations_that_are_cut_short_raise() -> None:
    problem = EstimationProblem.from_mdp(chain_mdp(4), np.tile([0.1, 0.9], (4, 1)), np.full((4, 2), 0.5))
    with pytest.raises(NotConvergedError, match="after 3 iterations"):
        WeightIteration(max_iterations=3).estimate(problem)
    with pytest.raises(NotConvergedError, match="after 3 iterations"):
        VariationalPowerIteration(max_iterations=3).estimate(problem)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'GenDICE'"):
        build_estimator("GenDice")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'DualDICE'.*; Lagrangian, both regularized; Q-moment"):
        build_estimator("dualdice")
    with pytest.raises(InvalidArgumentError, match="tolerance"):
        WeightIteration(tolerance=float("nan"))
    with pytest.raises(InvalidArgumentError, match="step_power"):
        VariationalPowerIteration(step_power=2.0)
    with pytest.raises(InvalidArgumentError, match="symmetric"):
        MinimaxWeightLearning(kernel=np.array([[1.0, 2.0], [0.0, 1.0]]))
    with pytest.raises(InvalidArgumentError, match="eigenvalue"):
        MinimaxWeightLearning(kernel=-np.eye(2)).estimate(bandit())
    with pytest.raises(InvalidShapeError, match="kernel"):
        MinimaxWeightLearning(kernel=np.eye(3)).estimate(bandit())
    with pytest.raises(InvalidShapeError, match=r"\[K, 1, 2\]"):
        MultiMoment(test_functions=np.ones((1, 2, 2))).estimate(bandit())
    with pytest.raises(InvalidArgumentError, match="bandwidth"):
        rbf_kernel(np.zeros((2, 1)), 1, 0.0)


def test_uncovered_policies_are_refused_with_exact_expectations() -> None:
    mdp = chain_mdp(3)
    with pytest.raises(UncoveredPairsError):
        EstimationProblem.from_mdp(mdp, np.full((3, 2), 0.5), np.tile([0.0, 1.0], (3, 1)))
