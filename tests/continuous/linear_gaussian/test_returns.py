"""Rewards, marginals, returns and action values against Monte Carlo and against each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ampl.errors import AmplError, InvalidArgumentError
from continuous.linear_gaussian.dataset import sample_episodes
from continuous.linear_gaussian.families import random_covariance, random_mdp, random_policy
from continuous.linear_gaussian.marginals import discount_horizon
from continuous.linear_gaussian.mixtures import occupancy
from continuous.linear_gaussian.optimum import optimal_policy
from continuous.linear_gaussian.problem import (
    AffineGaussianPolicy,
    LinearDynamics,
    LinearGaussianMDP,
    closed_loop,
)
from continuous.linear_gaussian.returns import action_value, expected_return, quadratic_value
from continuous.linear_gaussian.rewards import BoundedReward, QuadraticReward
from continuous.linear_gaussian.square_roots import square_root
from continuous.linear_gaussian.tasks import find_linear_gaussian
from tests.continuous.linear_gaussian.monte_carlo import assert_mean, problems, state_law

few = settings(max_examples=25, deadline=None)


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.booleans())
def test_the_mean_of_a_reward_under_a_gaussian(seed: int, size: int, bounded: bool) -> None:
    generator = np.random.default_rng(seed)
    weight = random_covariance(size, generator)
    if seed % 2:
        weight[0], weight[:, 0] = 0.0, 0.0  # a coordinate that costs nothing
    reward = BoundedReward(weight) if bounded else QuadraticReward(weight)
    mean, covariance = generator.standard_normal(size), random_covariance(size, generator)
    samples = mean + generator.standard_normal((20_000, size)) @ square_root(covariance).T
    assert_mean(reward(samples), reward.expectation(mean, covariance))
    assert reward(samples).max() <= min(reward.bound, 1.0)


@few
@given(problems(), st.integers(0, 8))
def test_the_law_of_a_step(case: tuple[LinearGaussianMDP, AffineGaussianPolicy], step: int) -> None:
    mdp, policy = case
    episodes = sample_episodes(mdp, policy, episodes=20_000, length=step + 1, generator=np.random.default_rng(step))
    states, actions = episodes.states[:, step], episodes.actions[:, step]
    mean, covariance = policy.joint(*state_law(mdp, policy, step))
    pairs = np.hstack((states, actions))
    assert_mean(pairs, mean)
    centred = pairs - mean
    assert_mean(centred[:, :, None] * centred[:, None, :], covariance)
    assert_mean(episodes.rewards[:, step], mdp.reward.expectation(mean, covariance))


@few
@given(problems())
def test_the_return_is_that_of_episodes(case: tuple[LinearGaussianMDP, AffineGaussianPolicy]) -> None:
    mdp, policy = case
    length = min(discount_horizon(mdp.discount), 400)
    episodes = sample_episodes(mdp, policy, episodes=1500, length=length, generator=np.random.default_rng(1))
    powers = mdp.discount ** np.arange(length)
    rest = mdp.discount**length * float(mdp.reward.expectation(*policy.joint(*state_law(mdp, policy, length))))
    assert_mean((1.0 - mdp.discount) * episodes.rewards @ powers + rest, expected_return(mdp, policy))


@few
@given(problems(bounded=False))
def test_a_quadratic_return_by_two_routes(case: tuple[LinearGaussianMDP, AffineGaussianPolicy]) -> None:
    mdp, policy = case
    mixture = occupancy(mdp, policy)
    by_steps = float(mixture.shares @ mdp.reward.expectation(mixture.means, mixture.covariances))
    assert expected_return(mdp, policy) == pytest.approx(by_steps, rel=1e-9)


@few
@given(problems())
def test_the_return_is_the_mean_action_value_of_the_start(case: tuple[LinearGaussianMDP, AffineGaussianPolicy]) -> None:
    mdp, policy = case
    generator = np.random.default_rng(2)
    roots = square_root(mdp.initial_covariance)
    states = mdp.initial_mean + generator.standard_normal((3000, mdp.dynamics.state_size)) @ roots.T
    pairs = np.hstack((states, policy.act(states, generator)))
    assert_mean((1.0 - mdp.discount) * action_value(mdp, policy, pairs), expected_return(mdp, policy))


@few
@given(problems())
def test_the_bellman_equation(case: tuple[LinearGaussianMDP, AffineGaussianPolicy]) -> None:
    """Q(s, a) = r(s, a) + gamma E[Q(s', a')], from one pair."""
    mdp, policy = case
    generator = np.random.default_rng(3)
    pair = generator.standard_normal((1, mdp.reward.size))
    mean = mdp.dynamics.next_mean(pair)
    noise = generator.standard_normal((4000, mdp.dynamics.state_size)) @ square_root(mdp.dynamics.covariance).T
    after = np.hstack((mean + noise, policy.act(mean + noise, generator)))
    backup = mdp.reward(pair) + mdp.discount * action_value(mdp, policy, after)
    assert_mean(backup, float(action_value(mdp, policy, pair)[0]))


@few
@given(problems(bounded=False))
def test_no_policy_beats_the_optimum(case: tuple[LinearGaussianMDP, AffineGaussianPolicy]) -> None:
    mdp, policy = case
    best, generator = optimal_policy(mdp), np.random.default_rng(4)
    top = expected_return(mdp, best)
    assert top >= expected_return(mdp, policy)
    for _ in range(5):
        near = AffineGaussianPolicy(
            best.gain + 1e-3 * generator.standard_normal(best.gain.shape),
            best.offset + 1e-3 * generator.standard_normal(best.offset.shape),
            best.covariance,
        )
        assert expected_return(mdp, near) <= top + 1e-12 * abs(top)


@few
@given(problems(bounded=False))
def test_the_optimum_acts_greedily_on_its_own_value(case: tuple[LinearGaussianMDP, AffineGaussianPolicy]) -> None:
    mdp, _ = case
    best, generator = optimal_policy(mdp), np.random.default_rng(5)
    states = generator.standard_normal((20, mdp.dynamics.state_size))
    actions = best.mean(states)
    value = action_value(mdp, best, np.hstack((states, actions)))
    np.testing.assert_allclose(value, quadratic_value(mdp, best)(states), rtol=1e-9)
    for _ in range(5):
        other = actions + 0.1 * generator.standard_normal(actions.shape)
        assert (action_value(mdp, best, np.hstack((states, other))) <= value + 1e-9 * np.abs(value)).all()


def test_a_return_in_a_model_is_that_of_the_model() -> None:
    generator = np.random.default_rng(6)
    mdp = random_mdp(3, 2, generator, discount=0.9)
    model = random_mdp(3, 2, generator, discount=0.9).dynamics
    policy = random_policy(model, generator)
    inside = LinearGaussianMDP(model, mdp.initial_mean, mdp.initial_covariance, mdp.reward, mdp.discount)
    pairs = generator.standard_normal((7, 5))
    assert expected_return(mdp, policy, model) == expected_return(inside, policy)
    np.testing.assert_array_equal(action_value(mdp, policy, pairs, model), action_value(inside, policy, pairs))


def test_a_system_that_grows_slower_than_its_discount_falls_has_a_return_and_a_faster_one_is_named() -> None:
    def system(radius: float) -> LinearGaussianMDP:
        dynamics = LinearDynamics(np.array([[radius]]), np.array([[1.0]]), np.eye(1), np.zeros(1))
        return LinearGaussianMDP(dynamics, np.ones(1), np.eye(1), QuadraticReward(np.eye(2)), 0.81)

    still = AffineGaussianPolicy(np.zeros((1, 1)), np.zeros(1), np.eye(1))
    # V_t = 1.1^(2t) + 2 (1.1^(2t) - 1) / 0.21 and m_t = 1.1^t: the series by hand, at gamma 0.81.
    powers = 1.21 ** np.arange(3000)
    second = powers + powers + 2.0 * (powers - 1.0) / 0.21
    by_hand = -(0.19 * (0.81 ** np.arange(3000)) @ second) - 1.0
    assert expected_return(system(1.1), still) == pytest.approx(by_hand, rel=1e-9)
    with pytest.raises(InvalidArgumentError, match=r"spectral radius 1\.2; at discount 0\.81 expected less .*1\.1111"):
        expected_return(system(1.2), still)


def test_a_bounded_value_far_from_the_data_is_that_of_the_way_back_and_does_not_depend_on_other_rows() -> None:
    """Rewards of the first steps are zero to float64; those of the steps near the origin are not."""
    task = find_linear_gaussian("lqr-pointmass-bounded")
    far, near = np.array([100.0, 0.0, 0.0]), np.zeros(3)
    alone = action_value(task.mdp, task.behavior, far[None])
    assert action_value(task.mdp, task.behavior, np.stack((far, near)))[0] == pytest.approx(float(alone[0]), rel=1e-12)
    matrix, shift, noise = closed_loop(task.mdp.dynamics, task.behavior)
    mean, covariance, total = (
        task.mdp.dynamics.next_mean(far),
        task.mdp.dynamics.covariance,
        float(task.mdp.reward(far)),
    )
    for step in range(1, 3000):
        total += 0.99**step * float(task.mdp.reward.expectation(*task.behavior.joint(mean, covariance)))
        mean, covariance = matrix @ mean + shift, matrix @ covariance @ matrix.T + noise
    assert alone[0] == pytest.approx(total, rel=1e-9)
    assert total > 40.0


def _constant_beside_decay(constant: float) -> tuple[LinearGaussianMDP, AffineGaussianPolicy]:
    """Without noise: one coordinate keeps its start N(0, constant^2), one shrinks by 0.9 a step and earns a bell."""
    dynamics = LinearDynamics(np.diag([1.0, 0.9]), np.zeros((2, 1)), np.zeros((2, 2)), np.zeros(2))
    reward = BoundedReward(np.diag([0.0, 5.0, 0.0]))
    mdp = LinearGaussianMDP(dynamics, np.zeros(2), np.diag([constant**2, 1.0]), reward, 0.95)
    return mdp, AffineGaussianPolicy(np.zeros((1, 2)), np.zeros(1), np.zeros((1, 1)))


@pytest.mark.parametrize("constant", [1.0, 1e6, 1e8])
def test_a_large_constant_coordinate_does_not_cut_the_return_of_another(constant: float) -> None:
    """The second coordinate has variance 0.81^t at step t: its bell earns (1 + 5 0.81^t)^(-1/2) on average."""
    steps = np.arange(2000)
    by_hand = 0.05 * 0.95**steps @ (1.0 + 5.0 * 0.81**steps) ** -0.5
    assert by_hand == pytest.approx(0.794614, abs=1e-6)
    assert expected_return(*_constant_beside_decay(constant)) == pytest.approx(by_hand, rel=1e-11)


def test_an_action_value_does_not_depend_on_other_rows_however_large() -> None:
    mdp, policy = _constant_beside_decay(1.0)
    pair, far = np.array([0.0, 1.0, 0.0]), np.array([1e16, 1.0, 0.0])
    steps = np.arange(2000)
    by_hand = 0.95**steps @ np.exp(-2.5 * 0.81**steps)
    assert by_hand == pytest.approx(14.0717, abs=1e-4)
    for batch in (pair[None], np.stack((pair, far)), np.stack((pair, -far, 1e4 * pair))):
        assert action_value(mdp, policy, batch)[0] == pytest.approx(by_hand, rel=1e-11)


def test_a_law_that_no_longer_changes_ends_the_sum_where_its_mean_tends_to_zero() -> None:
    """With noise a mean is measured by the standard deviation: 0.5^47 is below 1e-14 of it."""
    one = np.ones((1, 1))
    dynamics = LinearDynamics(0.5 * one, one, one, np.zeros(1))
    mdp = LinearGaussianMDP(dynamics, np.ones(1), one, BoundedReward(np.eye(2)), 0.999)
    still = AffineGaussianPolicy(np.zeros((1, 1)), np.zeros(1), one)
    assert len(occupancy(mdp, still).shares) < 60


def test_what_does_not_fit_the_problem_is_refused() -> None:
    generator = np.random.default_rng(0)
    mdp = random_mdp(2, 1, generator, discount=0.9)
    other = random_mdp(3, 1, generator, discount=0.9).dynamics
    policy = random_policy(mdp.dynamics, generator)
    for ask, said in (
        (
            lambda: expected_return(mdp, random_policy(other, generator), other),
            r"sizes \(3, 1\); the MDP's are \(2, 1\)",
        ),
        (lambda: action_value(mdp, policy, np.zeros((4, 2))), r"pairs has shape \(4, 2\); expected \(any, 3\)"),
        (lambda: action_value(mdp, policy, np.full((1, 3), np.nan)), "pairs has entries that are not finite"),
        (lambda: occupancy(mdp, policy).log_density(np.zeros(3)), r"points has shape \(3,\)"),
        (lambda: BoundedReward(np.eye(3) * 1j), "is not an array of real numbers"),
    ):
        with pytest.raises(AmplError, match=said):
            ask()
