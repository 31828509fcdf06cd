"""Occupancies, weights and divergences: by quadrature where possible, else against Monte Carlo and identities."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from ampl.errors import InvalidArgumentError, InvalidDistributionError
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.divergences import model_divergence, policy_divergence
from continuous.linear_gaussian.families import random_covariance, random_mdp, random_policy
from continuous.linear_gaussian.mixtures import GaussianMixture, episode_law, occupancy
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearDynamics, LinearGaussianMDP
from continuous.linear_gaussian.returns import expected_return
from continuous.linear_gaussian.rewards import QuadraticReward
from continuous.linear_gaussian.square_roots import square_root
from continuous.linear_gaussian.weights import SecondMoment, log_weights, second_moment
from tests.continuous.linear_gaussian.monte_carlo import assert_mean, problems

few = settings(max_examples=25, deadline=None)


def behavior_of(policy: AffineGaussianPolicy) -> AffineGaussianPolicy:
    """A policy near the given one with wider actions, so that its data cover what the policy does."""
    return replace(policy, gain=0.9 * policy.gain, covariance=1.6 * policy.covariance)


@st.composite
def scalar_problems(draw: st.DrawFn) -> tuple[LinearGaussianMDP, AffineGaussianPolicy]:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mdp = random_mdp(1, 1, generator, discount=draw(st.sampled_from((0.0, 0.5, 0.9))), radius=0.7)
    return mdp, random_policy(mdp.dynamics, generator)


def grid(mixture: GaussianMixture, n: int = 250) -> tuple[Floats, float]:
    """Pairs (s, a) on a grid around a mixture, and the area of a cell."""
    spread = 9.0 * np.sqrt(np.diagonal(mixture.covariances, axis1=1, axis2=2))
    axes = [
        np.linspace((mixture.means - spread)[:, i].min(), (mixture.means + spread)[:, i].max(), n) for i in range(2)
    ]
    pairs = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    return pairs, float(np.prod([axis[1] - axis[0] for axis in axes]))


@settings(max_examples=8, deadline=None)
@given(scalar_problems())
def test_by_quadrature_on_one_state_and_one_action(case: tuple[LinearGaussianMDP, AffineGaussianPolicy]) -> None:
    """d_pi integrates to one, E_b[w] = 1 and E_b[w r] = J, to the accuracy of the grid."""
    mdp, policy = case
    reached, data = occupancy(mdp, policy), episode_law(mdp, behavior_of(policy), 30)
    pairs, cell = grid(reached)
    density = np.exp(reached.log_density(pairs))
    assert density.sum() * cell == pytest.approx(1.0, abs=1e-8)
    under_data = np.exp(data.log_density(pairs)) * cell
    weights = np.exp(log_weights(reached, data, pairs))
    assert under_data @ weights == pytest.approx(1.0, abs=1e-8)
    assert under_data @ (weights * mdp.reward(pairs)) == pytest.approx(expected_return(mdp, policy), abs=1e-8)


@few
@given(problems())
def test_weights_under_the_data(case: tuple[LinearGaussianMDP, AffineGaussianPolicy]) -> None:
    """E_b[w] = 1 and E_b[w r] = J, where the data are the behavior's own occupancy and cover the policy."""
    mdp, policy = case
    mdp = replace(mdp, discount=min(mdp.discount, 0.9))
    behavior = replace(policy, covariance=1.6 * policy.covariance)  # the same loop: variances grow, no mean moves
    reached, data = occupancy(mdp, policy), occupancy(mdp, behavior)
    assert second_moment(reached, data) is SecondMoment.FINITE
    pairs = data.sample(4000, np.random.default_rng(0))
    weights = np.exp(log_weights(reached, data, pairs))
    assert_mean(weights, 1.0)
    assert_mean(weights * mdp.reward(pairs), expected_return(mdp, policy))


@few
@given(problems(), st.integers(0, 2**32 - 1))
def test_the_flow_equation(case: tuple[LinearGaussianMDP, AffineGaussianPolicy], seed: int) -> None:
    """E_d[f(s)] = (1 - gamma) E[f(s_0)] + gamma E_d[f(s')] for polynomials and indicators of half-spaces, all exact."""
    mdp, policy = case
    size, generator = mdp.dynamics.state_size, np.random.default_rng(seed)
    reached = occupancy(mdp, policy)
    here = GaussianMixture(reached.shares, reached.means[:, :size], reached.covariances[:, :size, :size])
    matrix = mdp.dynamics.matrix
    after = GaussianMixture(
        reached.shares,
        mdp.dynamics.next_mean(reached.means),
        matrix @ reached.covariances @ matrix.T + mdp.dynamics.covariance,
    )
    start = GaussianMixture(np.ones(1), mdp.initial_mean[None], mdp.initial_covariance[None])
    direction, threshold = generator.standard_normal((1, size)), generator.standard_normal()

    def linear(law: GaussianMixture) -> float:
        return float(law.shares @ (law.means @ direction[0]))

    def square(law: GaussianMixture) -> float:
        return law.expectation_of_square(direction, -threshold)

    def below(law: GaussianMixture) -> float:
        deviation = np.sqrt(np.einsum("i,tij,j->t", direction[0], law.covariances, direction[0]))
        return float(law.shares @ norm.cdf((threshold - law.means @ direction[0]) / deviation))

    for expectation in (linear, square, below):
        flow = (1.0 - mdp.discount) * expectation(start) + mdp.discount * expectation(after)
        assert expectation(here) == pytest.approx(flow, rel=1e-9, abs=1e-9)


@few
@given(problems(), st.integers(0, 2**32 - 1))
def test_divergences_are_means_of_log_ratios(case: tuple[LinearGaussianMDP, AffineGaussianPolicy], seed: int) -> None:
    mdp, policy = case
    generator = np.random.default_rng(seed)
    truth, size = mdp.dynamics, mdp.dynamics.state_size
    model = LinearDynamics(
        truth.state_matrix + 0.05 * generator.standard_normal((size, size)),
        truth.action_matrix,
        random_covariance(size, generator),
        truth.offset + 0.1,
    )
    other = random_policy(truth, generator)
    reached = occupancy(mdp, policy)
    pairs = reached.sample(20_000, generator)
    states, actions = pairs[:, :size], pairs[:, size:]
    after = truth.next_mean(pairs) + generator.standard_normal(states.shape) @ square_root(truth.covariance).T
    assert_mean(
        log_gaussian(after - truth.next_mean(pairs), truth.covariance)
        - log_gaussian(after - model.next_mean(pairs), model.covariance),
        model_divergence(reached, truth, model),
    )
    assert_mean(
        log_gaussian(actions - policy.mean(states), policy.covariance)
        - log_gaussian(actions - other.mean(states), other.covariance),
        policy_divergence(reached, policy, other),
    )
    assert model_divergence(reached, truth, truth) == pytest.approx(0.0, abs=1e-12)


def log_gaussian(deviation: Floats, covariance: Floats) -> Floats:
    solved = np.linalg.solve(covariance, deviation.T).T
    constant = np.linalg.slogdet(2.0 * np.pi * covariance)[1]
    density: Floats = -0.5 * ((deviation * solved).sum(1) + constant)
    return density


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ([1.0], [0.6], SecondMoment.FINITE),
        ([1.0], [0.4], SecondMoment.INFINITE),
        ([1.0, 3.0], [1.1], SecondMoment.INFINITE),  # one step of the policy is too wide
        ([1.0], [0.1, 0.9], SecondMoment.FINITE),  # one step of the data is wide enough
    ],
)
def test_the_second_moment_of_two_gaussians(wide: list[float], narrow: list[float], expected: SecondMoment) -> None:
    """N(0, V)^2 / N(0, U) has a finite integral exactly where U > V / 2."""

    def mixture(variances: list[float]) -> GaussianMixture:
        n = len(variances)
        return GaussianMixture(np.full(n, 1.0 / n), np.zeros((n, 1)), np.array(variances).reshape(n, 1, 1))

    assert second_moment(mixture(wide), mixture(narrow)) is expected


def test_steps_that_no_longer_differ_are_one_component_and_nothing_is_lost() -> None:
    generator = np.random.default_rng(0)
    mdp = random_mdp(2, 1, generator, discount=0.995, radius=0.5)
    policy = random_policy(mdp.dynamics, generator, radius=0.6)
    reached = occupancy(mdp, policy)
    assert len(reached.shares) < 200  # of 5513 steps
    assert reached.shares.sum() == pytest.approx(1.0, abs=1e-14)
    powers = 0.005 * 0.995 ** np.arange(6000)
    rewards = mdp.reward.expectation(*zip_law(episode_law(mdp, policy, 6000)))
    assert reached.shares @ mdp.reward.expectation(*zip_law(reached)) == pytest.approx(powers @ rewards, rel=1e-11)


def zip_law(law: GaussianMixture) -> tuple[Floats, Floats]:
    return law.means, law.covariances


def test_what_has_no_density_is_named() -> None:
    generator = np.random.default_rng(0)
    mdp = random_mdp(2, 1, generator, discount=0.9)
    still = AffineGaussianPolicy(np.zeros((1, 2)), np.zeros(1), np.zeros((1, 1)))
    noisy = replace(still, covariance=np.eye(1))
    with pytest.raises(InvalidDistributionError, match="singular, so the mixture has no density"):
        occupancy(mdp, still).log_density(np.zeros((1, 3)))
    with pytest.raises(InvalidDistributionError, match="the divergence is infinite"):
        policy_divergence(occupancy(mdp, noisy), still, noisy)
    with pytest.raises(InvalidArgumentError, match="length"):
        episode_law(mdp, noisy, 0)


@pytest.mark.parametrize("growth", [0.3, 0.9, 0.95])  # of the way from 1 to 1 / gamma
def test_a_loop_that_grows_is_followed_until_its_discounted_variance_is_negligible(growth: float) -> None:
    discount = 0.9
    radius = np.sqrt(1.0 + growth * (1.0 / discount - 1.0))
    one = np.ones((1, 1))
    dynamics = LinearDynamics(radius * one, one, 0.01 * one, np.zeros(1))
    mdp = LinearGaussianMDP(dynamics, np.zeros(1), one, QuadraticReward(np.eye(2)), discount)
    policy = AffineGaussianPolicy(np.zeros((1, 1)), np.zeros(1), 0.01 * one)
    by_mixture = -occupancy(mdp, policy).expectation_of_square(np.eye(2))
    assert by_mixture == pytest.approx(expected_return(mdp, policy), rel=1e-9)


def test_a_loop_that_grows_almost_too_fast_is_refused_in_one_line() -> None:
    one = np.ones((1, 1))
    dynamics = LinearDynamics(np.sqrt(1.0 - 1e-6) / np.sqrt(0.9) * one, one, 0.01 * one, np.zeros(1))
    mdp = LinearGaussianMDP(dynamics, np.zeros(1), one, QuadraticReward(np.eye(2)), 0.9)
    with pytest.raises(InvalidArgumentError, match="variances overflow before"):
        occupancy(mdp, AffineGaussianPolicy(np.zeros((1, 1)), np.zeros(1), one))
