"""Cases in which rounding, or a quantity in other units, used to decide the result without a word."""

import numpy as np
import pytest

from ampl.errors import InvalidArgumentError, NotConvergedError, UncoveredPairsError
from tabular.alignment.inner_minimum import inner_minimum_closed_form
from tabular.alignment.transition_support import TransitionSupport
from tabular.bounds.divergences import Divergence, JensenShannon, KullbackLeibler, SoftChiSquared, kl
from tabular.bounds.robust_value import robust_optimum, worst_model
from tabular.bounds.theorem1 import next_state_kl
from tabular.dice.regularized_optimum import regularized_optimum
from tabular.exact.occupancy import action_value, expected_return, occupancy, state_value
from tabular.exact.policy import deterministic_policy, optimal_policy, random_policy, uniform_policy
from tabular.exact.policy_gradient import action_value_of
from tabular.mdps.generators import chain_mdp, random_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.weights.estimators.lagrangian import RegularizedLagrangian, dualdice, gendice
from tabular.weights.estimators.minimax_weight_learning import MinimaxWeightLearning
from tabular.weights.estimators.moments import MultiMoment, random_test_functions
from tabular.weights.estimators.problem import EstimationProblem, Estimator


def with_unreachable_state(mdp: FiniteMDP, reward: float) -> FiniteMDP:
    """The MDP and one more state, which stays where it is, pays `reward` and is never entered."""
    n = mdp.n_states
    dynamics = np.zeros((n + 1, mdp.n_actions, n + 1))
    dynamics[:n, :, :n] = mdp.to_dense().dynamics
    dynamics[n, :, n] = 1.0
    rewards = np.vstack([mdp.reward, np.full(mdp.n_actions, reward)])
    return FiniteMDP(dynamics, rewards, np.append(mdp.initial, 0.0), mdp.discount)


def test_optimal_policies_are_optimal_far_from_the_start_too() -> None:
    """0.5^79 of the start's value is what a step to the goal is worth at the far end of the chain."""
    chain = chain_mdp(80, discount=0.5)
    spread = FiniteMDP(chain.dynamics, chain.reward, np.full(80, 1 / 80), 0.5)
    assert (optimal_policy(spread)[:-1, 1] == 1.0).all()


def test_a_trap_at_one_start_does_not_hide_the_choice_at_another() -> None:
    dynamics = np.zeros((3, 2, 3))
    dynamics[0, 0, 0] = dynamics[0, 1, 1] = 1.0
    dynamics[1, :, 1] = dynamics[2, :, 2] = 1.0
    reward = np.array([[0.5, 0.4], [0.55, 0.55], [-1e10, -1e10]])
    mdp = FiniteMDP(dynamics, reward, np.array([0.5, 0.0, 0.5]), 0.99)
    assert optimal_policy(mdp)[0].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("penalty", [-1e6, -1e9, -1e12])
def test_iterative_values_are_right_beside_a_reward_that_is_never_met(penalty: float) -> None:
    plain = random_mdp(700, 2, np.random.default_rng(0), discount=0.9)
    mdp = with_unreachable_state(plain, penalty)
    policy = uniform_policy(mdp)
    found = state_value(mdp.to_sparse(), policy)[:-1]
    np.testing.assert_allclose(found, state_value(plain, uniform_policy(plain)), rtol=0, atol=1e-8)
    np.testing.assert_allclose(
        action_value_of(mdp.to_sparse(), policy, mdp.reward)[:-1],
        action_value(plain, uniform_policy(plain)),
        rtol=0,
        atol=1e-8,
    )


def test_policies_off_one_by_rounding_are_divided_by_their_sums() -> None:
    mdp = random_mdp(5, 2, np.random.default_rng(0), discount=1 - 1e-8)
    policy = random_policy(5, 2, np.random.default_rng(1))
    off = policy * (1.0 + 9e-10)
    assert occupancy(mdp, off).sum() == pytest.approx(1.0, abs=1e-12)
    assert expected_return(mdp, off) == pytest.approx(expected_return(mdp, policy), abs=1e-9)


def test_a_small_price_of_leaving_the_data_is_solved_and_not_certified_at_infinity() -> None:
    mdp = random_mdp(5, 2, np.random.default_rng(0))
    behavior = uniform_policy(mdp)
    found = regularized_optimum(mdp, behavior, 1e-3, KullbackLeibler())
    best = expected_return(mdp, optimal_policy(mdp))
    assert np.isfinite([found.value, found.gap]).all()
    assert expected_return(mdp, found.policy) == pytest.approx(best, rel=0.05)


@pytest.mark.parametrize(
    "estimator",
    [
        RegularizedLagrangian(dual_weight=1.0, reward_weight=1.0),
        gendice(),
        dualdice(),
        MinimaxWeightLearning(),
        MultiMoment(test_functions=random_test_functions(3, (5, 2), np.random.default_rng(0))),
    ],
)
def test_weights_of_zero_are_no_weights(estimator: Estimator) -> None:
    """No start of the policy has data: what is left of w is rounding, and its mean no unit for it."""
    generator = np.random.default_rng(3)
    mdp = random_mdp(5, 2, generator)
    mass = occupancy(mdp, uniform_policy(mdp))
    mass[0] = 0.0
    problem = EstimationProblem(
        mass=mass / mass.sum(),
        dynamics=mdp.dynamics,
        initial=np.eye(5)[0],
        reward=mdp.reward,
        discount=0.9,
        policy=random_policy(5, 2, generator),
    )
    with pytest.raises(UncoveredPairsError, match="starts at no pair with data"):
        estimator.estimate(problem)


def test_gendice_is_exact_with_pairs_that_are_hardly_in_the_data() -> None:
    mdp = random_mdp(5, 2, np.random.default_rng(0))
    policy = random_policy(5, 2, np.random.default_rng(1))
    mass = np.full((5, 2), 0.125)
    mass[1] = 1e-13
    mass /= mass.sum()
    problem = EstimationProblem(
        mass=mass, dynamics=mdp.dynamics, initial=mdp.initial, reward=mdp.reward, discount=0.9, policy=policy
    )
    exact = occupancy(mdp, policy) / mass
    assert float((mass * np.abs(gendice().estimate(problem).weights - exact)).sum()) < 1e-3


def test_a_kernel_is_symmetric_in_its_own_unit() -> None:
    kernel = np.array([[1.0, 0.5], [0.2, 1.0]])
    with pytest.raises(InvalidArgumentError, match="not symmetric"):
        MinimaxWeightLearning(kernel=1e-13 * kernel)


def almost(mdp: FiniteMDP, change: float) -> tuple[FiniteMDP, np.ndarray]:
    """A model whose entries differ by shares of about `change`, and the divergences to second order in it, [S, A]."""
    noise = change * np.random.default_rng(5).uniform(-1.0, 1.0, mdp.dynamics.shape)
    rows = mdp.dynamics * (1.0 + noise)
    rows /= rows.sum(axis=2, keepdims=True)
    apart = noise - (mdp.dynamics * noise).sum(axis=2, keepdims=True)
    return mdp.with_dynamics(rows), 0.5 * (mdp.dynamics * apart**2).sum(axis=2)


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("change", [1e-6, 1e-8, 1e-9])
def test_divergences_of_a_model_near_the_truth_have_digits(change: float, is_sparse: bool) -> None:
    mdp = random_mdp(6, 2, np.random.default_rng(0))
    model, expected = almost(mdp, change)
    if is_sparse:
        mdp, model = mdp.to_sparse(), model.to_sparse()
    np.testing.assert_allclose(next_state_kl(mdp, model), expected, rtol=1e-4)


def test_sparse_and_dense_divergences_agree_where_the_model_invents_next_states() -> None:
    full = random_mdp(6, 2, np.random.default_rng(0))
    thinned = np.where(full.dynamics < 0.1, 0.0, full.dynamics)
    mdp = full.with_dynamics(thinned / thinned.sum(axis=2, keepdims=True))
    rows = 0.7 * mdp.dynamics + 0.3 / 6
    model = mdp.with_dynamics(rows)
    dense = next_state_kl(mdp.to_dense(), model)
    np.testing.assert_allclose(next_state_kl(mdp.to_sparse(), model.to_sparse()), dense, rtol=1e-12)
    p = mdp.dynamics
    np.testing.assert_allclose(dense, (p * np.log(np.where(p > 0.0, p, 1.0) / rows)).sum(axis=2), rtol=1e-12)


@pytest.mark.parametrize("kind", [KullbackLeibler(), JensenShannon(), SoftChiSquared()])
def test_generators_have_digits_where_the_ratio_is_nearly_one(kind: Divergence) -> None:
    """f(1 + x) is f''(1) x^2 / 2 there."""
    curvature = {"KL": 1.0, "JSD": 0.25, "soft chi-squared": 1.0}.get(kind.name, 1.0)
    for near in (1.0 - 1e-8, 1.0 + 1e-9):
        expected = curvature * (near - 1.0) ** 2 / 2.0
        assert float(kind.generator(np.array(near))) == pytest.approx(expected, rel=1e-3, abs=0.0)


def test_no_divergence_is_negative() -> None:
    generator = np.random.default_rng(0)
    p = generator.dirichlet(np.ones(8), size=200)
    q = p * (1.0 + 1e-9 * generator.standard_normal(p.shape))
    assert (kl(p, q / q.sum(axis=1, keepdims=True)) >= 0.0).all()


def test_an_adversary_sees_small_values_beside_a_huge_one_that_is_never_met() -> None:
    model = random_mdp(5, 2, np.random.default_rng(0), discount=0.9)
    radius = np.full((5, 2), 0.2)
    policy = uniform_policy(model)
    alone = expected_return(worst_model(model, radius, policy), policy)
    beside = with_unreachable_state(model, 1e12)
    radius_beside = np.vstack([radius, np.zeros((1, 2))])
    worst = worst_model(beside, radius_beside, uniform_policy(beside))
    assert expected_return(worst, uniform_policy(beside)) == pytest.approx(alone, rel=1e-6)
    best = robust_optimum(beside, radius_beside)[:-1]
    found = expected_return(worst_model(model, radius, best), best)
    robust = robust_optimum(model, radius)
    assert found == pytest.approx(expected_return(worst_model(model, radius, robust), robust), rel=1e-9)


def test_a_closed_form_that_lost_its_digits_is_refused() -> None:
    generator = np.random.default_rng(0)
    mdp = random_mdp(5, 2, generator, discount=1 - 1e-12)
    behavior = random_policy(5, 2, generator)
    support = TransitionSupport(mdp, mdp, behavior)
    with pytest.raises(NotConvergedError):
        inner_minimum_closed_form(support.occupancies(deterministic_policy(np.zeros(5, int), 2)), 1e-3)
