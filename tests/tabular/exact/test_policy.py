"""Policies: constructors, mixtures, and the exact optimal one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampl.errors import InvalidArgumentError, InvalidShapeError, NotConvergedError
from tabular.exact.occupancy import action_value, state_value
from tabular.exact.policy import (
    deterministic_policy,
    epsilon_greedy_policy,
    greedy_policy,
    maximum_likelihood_policy,
    mix_policies,
    optimal_policy,
    random_policy,
    softmax_policy,
    uniform_policy,
)
from tabular.mdps.generators import chain_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.probabilities import check_rows
from tests.strategies import mdps, policies, seeds


@given(mdps())
def test_optimal_policy_satisfies_the_bellman_optimality_equation(mdp: FiniteMDP) -> None:
    """No single change of action raises the value anywhere: V = max_a Q."""
    policy = optimal_policy(mdp)
    by_action, value = action_value(mdp, policy), state_value(mdp, policy)
    np.testing.assert_allclose(by_action.max(axis=1), value, atol=1e-9 / (1 - mdp.discount))
    assert set(np.unique(policy)) <= {0.0, 1.0}


@given(mdps(), st.data())
def test_optimal_policy_is_at_least_as_good_as_any_other_from_every_state(mdp: FiniteMDP, data: st.DataObject) -> None:
    best, other = state_value(mdp, optimal_policy(mdp)), state_value(mdp, data.draw(policies(mdp)))
    assert (best >= other - 1e-9 / (1 - mdp.discount)).all()


def test_optimal_policy_of_the_chain_steps_right() -> None:
    policy = optimal_policy(chain_mdp(6, discount=0.9))
    np.testing.assert_array_equal(policy[:-1, 1], np.ones(5))


def test_optimal_policy_says_when_it_ran_out_of_iterations() -> None:
    """On the chain one improvement moves the reward back by one state only, so one round cannot do."""
    with pytest.raises(NotConvergedError, match="raise max_iterations"):
        optimal_policy(chain_mdp(6), max_iterations=1)
    with pytest.raises(InvalidArgumentError, match="max_iterations"):
        optimal_policy(chain_mdp(6), max_iterations=0)


@given(st.integers(1, 6), st.integers(1, 4), seeds())
def test_every_constructor_returns_rows_of_probabilities(n_states: int, n_actions: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    value = generator.normal(size=(n_states, n_actions))
    counts = generator.integers(0, 3, (n_states, n_actions))
    for policy in (
        random_policy(n_states, n_actions, generator, 0.05),
        softmax_policy(1e4 * value),
        greedy_policy(value),
        epsilon_greedy_policy(value, 0.3),
        maximum_likelihood_policy(counts),
    ):
        assert policy.shape == (n_states, n_actions)
        check_rows("policy", policy)


def test_constructors_worked_out_by_hand() -> None:
    value = np.array([[1.0, 3.0], [2.0, 2.0]])
    np.testing.assert_array_equal(greedy_policy(value), [[0.0, 1.0], [1.0, 0.0]])  # a tie takes the first
    np.testing.assert_allclose(epsilon_greedy_policy(value, 0.2), [[0.1, 0.9], [0.9, 0.1]])
    np.testing.assert_allclose(softmax_policy(np.log(value)), [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(softmax_policy(np.log(value), 0.5), [[0.1, 0.9], [0.5, 0.5]])  # squares of 1 and 3
    np.testing.assert_allclose(maximum_likelihood_policy(np.array([[3, 1], [0, 0]])), [[0.75, 0.25], [0.5, 0.5]])
    np.testing.assert_array_equal(deterministic_policy(np.array([1, 0]), 2), [[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(uniform_policy(chain_mdp(2)), np.full((2, 2), 0.5))


def test_softmax_survives_large_logits_and_low_temperatures() -> None:
    np.testing.assert_array_equal(softmax_policy(np.array([[1e6, -1e6]]), 1e-3), [[1.0, 0.0]])
    np.testing.assert_allclose(softmax_policy(np.array([[5.0, -5.0]]), 1e12), [[0.5, 0.5]])


def test_mixtures_reach_both_ends() -> None:
    first, second = np.array([[1.0, 0.0]]), np.array([[0.25, 0.75]])
    np.testing.assert_array_equal(mix_policies(first, second, 0.0), first)
    np.testing.assert_array_equal(mix_policies(first, second, 1.0), second)
    np.testing.assert_allclose(mix_policies(first, second, 0.5), [[0.625, 0.375]])


@pytest.mark.parametrize("temperature", [0.0, -1.0, np.nan])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(InvalidArgumentError, match="expected a positive number"):
        softmax_policy(np.zeros((1, 2)), temperature)


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    rows = np.ones((1, 1))
    with pytest.raises(InvalidArgumentError, match="share"):
        mix_policies(rows, rows, share)
    with pytest.raises(InvalidArgumentError, match="epsilon"):
        epsilon_greedy_policy(rows, share)


@pytest.mark.parametrize("actions", [[0, 2], [-1, 0]])
def test_an_action_that_does_not_exist_is_refused(actions: list[int]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"expected 0\.\.1"):
        deterministic_policy(np.array(actions), 2)


def test_same_seed_same_policy() -> None:
    first, again = (random_policy(3, 2, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("scale", [1e-200, 1e-100, 1.0, 1e100, 1e200])
@pytest.mark.parametrize("discount", [0.9, 1.0 - 1e-9])
def test_the_optimal_policy_depends_neither_on_the_unit_of_the_reward_nor_on_its_level(
    scale: float, discount: float
) -> None:
    """Both actions lead to the same place; the second earns a thousandth more, in each of two states."""
    dynamics = np.full((2, 2, 2), 0.5)
    reward = np.array([[1.0, 1.001], [0.5, 0.501]])
    mdp = FiniteMDP(dynamics, scale * reward, np.array([0.5, 0.5]), discount)
    np.testing.assert_array_equal(optimal_policy(mdp), [[0.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize("scale", [1e-200, 1.0])
def test_a_small_reward_now_gives_way_to_a_larger_one_later(scale: float) -> None:
    """Greedy is wrong here: 1e-3 for going to a state that earns nothing, nothing for one that earns 1 for ever."""
    dynamics = np.zeros((3, 2, 3))
    dynamics[0, 0, 1] = dynamics[0, 1, 2] = dynamics[1, :, 1] = dynamics[2, :, 2] = 1.0
    reward = scale * np.array([[1e-3, 0.0], [0.0, 0.0], [1.0, 1.0]])
    mdp = FiniteMDP(dynamics, reward, np.eye(3)[0], 1.0 - 1e-9)
    np.testing.assert_array_equal(optimal_policy(mdp)[0], [0.0, 1.0])


@pytest.mark.parametrize("hazard", [-1e3, -1e9, -1e12, 1e12])
def test_a_huge_reward_that_no_good_policy_meets_hides_no_better_action(hazard: float) -> None:
    """Two states that are worth visiting for 0.5 and 0.6 a step, one to avoid, or one that cannot be reached."""
    dynamics = np.zeros((4, 3, 4))
    dynamics[0, [0, 1, 2], [0, 1, 2 if hazard < 0.0 else 0]] = 1.0
    dynamics[1:, :, :] = np.eye(4)[1:, None, :]
    reward = np.array([[0.5] * 3, [0.6] * 3, [hazard] * 3, [0.0] * 3])
    mdp = FiniteMDP(dynamics, reward, np.array([1.0, 0.0, 0.0, 0.0]), 0.999)
    assert optimal_policy(mdp)[0].argmax() == 1


def test_lists_are_taken_as_arrays() -> None:
    np.testing.assert_array_equal(deterministic_policy([1, 0], 2), [[0.0, 1.0], [1.0, 0.0]])  # type: ignore[arg-type]
    table = [[1.0, 2.0], [0.0, 0.0]]
    for build in (greedy_policy, softmax_policy, maximum_likelihood_policy):
        np.testing.assert_array_equal(build(table), build(np.array(table)))  # type: ignore[operator]
    np.testing.assert_allclose(epsilon_greedy_policy(table, 0.5), [[0.25, 0.75], [0.75, 0.25]])  # type: ignore[arg-type]


def test_fractional_counts_are_shares() -> None:
    np.testing.assert_array_equal(maximum_likelihood_policy(np.array([[0.25, 0.25]])), [[0.5, 0.5]])


def test_what_is_no_table_or_no_action_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="actions has dtype float64; expected integers"):
        deterministic_policy(np.array([0.0, 1.0]), 2)
    with pytest.raises(InvalidShapeError, match=r"actions has shape \(1, 2\)"):
        deterministic_policy(np.array([[0, 1]]), 2)
    for build in (greedy_policy, softmax_policy, maximum_likelihood_policy):
        with pytest.raises(InvalidShapeError, match=r"has shape \(2,\); expected \[S, A\]"):
            build(np.ones(2))  # type: ignore[operator]
        with pytest.raises(InvalidArgumentError, match="not an array of real numbers"):
            build([["a", "b"]])  # type: ignore[operator]
    with pytest.raises(InvalidArgumentError, match=r"counts\[0, 1\] is -1; expected a number >= 0"):
        maximum_likelihood_policy(np.array([[1, -1]]))
    with pytest.raises(InvalidArgumentError, match="temperature is '1'; expected a real number"):
        softmax_policy(np.ones((1, 2)), "1")  # type: ignore[arg-type]
