"""The finite problem that the wings share: its truth is the truth, and its data come from where it says."""

import numpy as np
import pytest

from ampl.errors import InvalidArgumentError, InvalidDiscountError, InvalidShapeError
from ampl.finite_problem import FiniteProblem, find_finite_problem_provider
from tabular.exact.occupancy import occupancy
from tabular.experiments.finite_problem import finite_problem
from tabular.mdps.mdp import FiniteMDP
from tabular.weights.moments import moment_conditions


def small(seed: int = 0) -> FiniteProblem:
    return finite_problem(seed, n_states=5, n_actions=2, n_transitions=40_000, n_policies=4, discount=0.8)


def test_the_exact_weights_satisfy_eq_10_for_arbitrary_test_functions() -> None:
    problem = small()
    mdp = FiniteMDP(problem.dynamics, problem.reward_table, problem.initial, problem.discount)
    visits = occupancy(mdp, problem.behavior)
    tests = np.random.default_rng(0).normal(size=(20, 5, 2))
    for policy, weights in zip(problem.policies, problem.exact_weights, strict=True):
        assert np.abs(moment_conditions(mdp, policy, visits, tests).residual(weights)).max() < 1e-12


def test_rows_come_from_the_occupancy_of_the_behavior_policy_and_starts_from_mu0() -> None:
    problem = small()
    mdp = FiniteMDP(problem.dynamics, problem.reward_table, problem.initial, problem.discount)
    for index, expected in (
        (problem.state * 2 + problem.action, occupancy(mdp, problem.behavior).ravel()),
        (problem.start_state, problem.initial),
    ):
        share = np.bincount(index, minlength=len(expected)) / len(index)
        assert (np.abs(share - expected) < 5.0 * np.sqrt(expected / len(index))).all()  # standard errors


def test_weighted_mean_rewards_and_action_values_give_the_same_returns() -> None:
    problem = small()
    rows = problem.exact_weights[:, problem.state, problem.action]
    np.testing.assert_allclose((rows * problem.reward).mean(axis=1), problem.expected_return, atol=1e-2)
    np.testing.assert_allclose(rows.mean(axis=1), 1.0, atol=2e-2)
    state_value = np.einsum("gsa,gsa->gs", problem.policies, problem.action_values)
    bellman = problem.reward_table + 0.8 * np.einsum("sat,gt->gsa", problem.dynamics, state_value)
    np.testing.assert_allclose(bellman, problem.action_values, atol=1e-12)


def test_the_first_policy_is_the_behavior_policy_and_later_ones_are_better() -> None:
    problem = small()
    np.testing.assert_allclose(problem.policies[0], problem.behavior)
    np.testing.assert_allclose(problem.exact_weights[0], 1.0)
    assert (np.diff(problem.expected_return) > 0.0).all()
    assert (problem.exact_weights > 0.0).all()


def test_next_states_follow_the_dynamics_and_rewards_the_table() -> None:
    problem = small()
    counts = np.zeros((5, 2, 5))
    np.add.at(counts, (problem.state, problem.action, problem.next_state), 1.0)
    visits = counts.sum(axis=2, keepdims=True)
    off = np.abs(counts / visits - problem.dynamics) / np.sqrt(0.25 / visits)
    assert off.max() < 5.0  # standard errors
    np.testing.assert_array_equal(problem.reward, problem.reward_table[problem.state, problem.action])
    assert not problem.terminal.any()


def test_the_same_seed_gives_the_same_arrays_and_another_seed_others() -> None:
    first, again, other = small(0), small(0), small(1)
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(again, name))
    assert not np.array_equal(first.dynamics, other.dynamics)


def test_sizes_without_a_problem_and_arrays_that_disagree_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="n_policies is 1"):
        finite_problem(0, n_policies=1)
    with pytest.raises(InvalidDiscountError, match="discount"):
        finite_problem(0, discount=1.0)
    problem = small()
    with pytest.raises(InvalidShapeError, match=r"reward of a finite problem has shape \[39999\]; expected \[40000\]"):
        FiniteProblem(**(vars(problem) | {"reward": problem.reward[:-1]}))


def test_the_provider_is_found_by_its_announced_name() -> None:
    assert find_finite_problem_provider("tabular") is finite_problem
