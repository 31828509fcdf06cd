"""Sampled episodes, fits of rows, and the one line that says what is wrong with a problem."""

from collections.abc import Callable

import numpy as np
import pytest

from ampl.errors import AmplError, InvalidArgumentError, InvalidShapeError
from continuous.linear_gaussian.dataset import fit_dynamics, fit_policy, sample_episodes
from continuous.linear_gaussian.families import random_mdp, random_policy
from continuous.linear_gaussian.optimum import optimal_policy
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics, LinearGaussianMDP, closed_loop
from continuous.linear_gaussian.rewards import BoundedReward, QuadraticReward


def test_the_same_generator_gives_the_same_episodes() -> None:
    mdp = random_mdp(2, 1, np.random.default_rng(0), discount=0.9)
    policy = random_policy(mdp.dynamics, np.random.default_rng(1))
    first, second = (
        sample_episodes(mdp, policy, episodes=3, length=4, generator=np.random.default_rng(2)) for _ in range(2)
    )
    assert first.states.tobytes() == second.states.tobytes()
    assert first.pairs().shape == (12, 3)
    np.testing.assert_array_equal(first.pairs()[5], [*first.states[1, 1], *first.actions[1, 1]])
    np.testing.assert_array_equal(first.next_states()[5], first.states[1, 2])
    np.testing.assert_array_equal(mdp.reward(first.pairs()), first.rewards.ravel())


def test_fits_find_what_made_the_rows() -> None:
    generator = np.random.default_rng(0)
    mdp = random_mdp(3, 2, generator, discount=0.9)
    policy = random_policy(mdp.dynamics, generator)
    rows = sample_episodes(mdp, policy, episodes=500, length=100, generator=generator)
    pairs, after = rows.pairs(), rows.next_states()
    fitted = fit_dynamics(pairs[:, :3], pairs[:, 3:], after)
    np.testing.assert_allclose(fitted.matrix, mdp.dynamics.matrix, atol=0.03)
    np.testing.assert_allclose(fitted.covariance, mdp.dynamics.covariance, atol=0.02)
    acted = fit_policy(pairs[:, :3], pairs[:, 3:])
    np.testing.assert_allclose(acted.gain, policy.gain, atol=0.03)
    np.testing.assert_allclose(acted.offset, policy.offset, atol=0.02)
    np.testing.assert_allclose(acted.covariance, policy.covariance, atol=0.02)


def test_weights_of_zero_and_one_are_rows_left_out() -> None:
    generator = np.random.default_rng(0)
    states, actions = generator.standard_normal((40, 2)), generator.standard_normal((40, 1))
    weights = (np.arange(40) < 25).astype(float)
    weighted, left = fit_policy(states, actions, weights), fit_policy(states[:25], actions[:25])
    np.testing.assert_allclose(weighted.gain, left.gain, rtol=1e-10)
    np.testing.assert_allclose(weighted.covariance, left.covariance, rtol=1e-10)


def test_rows_that_cannot_be_fitted_are_named() -> None:
    states, actions = np.zeros((5, 2)), np.zeros((5, 1))
    with pytest.raises(InvalidArgumentError, match="5 rows span 1 of 3 directions"):
        fit_policy(states, actions)
    with pytest.raises(InvalidShapeError, match="5 rows of inputs and 4 of outputs"):
        fit_policy(states, actions[:4])
    with pytest.raises(InvalidArgumentError, match="negative or all zero"):
        fit_policy(states, actions, np.zeros(5))


def mdp_with(**changes: object) -> LinearGaussianMDP:
    parts: dict[str, object] = {
        "state_matrix": 0.5 * np.eye(2),
        "action_matrix": np.ones((2, 1)),
        "covariance": np.eye(2),
        "offset": np.zeros(2),
        "initial_mean": np.zeros(2),
        "initial_covariance": np.eye(2),
        "weight": np.eye(3),
        "discount": 0.9,
        "reward": QuadraticReward,
    } | changes
    dynamics = LinearDynamics(*(parts[name] for name in ("state_matrix", "action_matrix", "covariance", "offset")))  # type: ignore[arg-type]
    reward = parts["reward"](parts["weight"])  # type: ignore[operator]
    return LinearGaussianMDP(dynamics, parts["initial_mean"], parts["initial_covariance"], reward, parts["discount"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state_matrix": np.eye(3)[:2]}, r"state_matrix has shape \(2, 3\); expected \(2, 2\)"),
        ({"action_matrix": np.ones((3, 1))}, r"action_matrix has shape \(3, 1\); expected \(2, any\)"),
        ({"covariance": np.array([[1.0, 0.5], [0.0, 1.0]])}, "covariance of the dynamics is not symmetric"),
        ({"covariance": -np.eye(2)}, "covariance of the dynamics has the eigenvalue -1; expected none below zero"),
        ({"offset": np.zeros(1)}, r"offset of the dynamics has shape \(1,\); expected \(2,\)"),
        ({"initial_mean": np.array([np.nan, 0.0])}, "initial_mean has entries that are not finite"),
        ({"initial_covariance": np.eye(3)}, r"initial_covariance has shape \(3, 3\)"),
        ({"weight": np.eye(2)}, "the reward's matrix has 2 rows; expected 3, for 2 coordinates of the state and 1"),
        ({"weight": np.diag([1.0, 1.0, -1.0])}, "matrix of the reward has the eigenvalue -1"),
        ({"discount": 1.0}, r"discount is 1\.0; expected a number in \[0, 1\)"),
    ],
)
def test_a_problem_that_is_none_is_refused_in_one_line(changes: dict[str, object], said: str) -> None:
    with pytest.raises(AmplError, match=said) as caught:
        mdp_with(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: optimal_policy(mdp_with(reward=BoundedReward)), "the reward is not quadratic"),
        (lambda: optimal_policy(mdp_with(weight=np.diag([1.0, 1.0, 0.0]))), "does not charge every direction"),
        (
            lambda: optimal_policy(mdp_with(state_matrix=2.0 * np.eye(2), action_matrix=np.zeros((2, 1)))),
            "no policy keeps the discounted cost finite",
        ),
        (
            lambda: closed_loop(mdp_with().dynamics, AffineGaussianPolicy(np.zeros((1, 3)), np.zeros(1), np.eye(1))),
            r"gain of the policy has shape \(1, 3\); the dynamics need \(1, 2\)",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(ask: Callable[[], object], said: str) -> None:
    with pytest.raises(AmplError, match=said):
        ask()
