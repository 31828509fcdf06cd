"""Theorem 1 and its competitors: each bound holds, a built case attains it, and dropping an assumption breaks it."""

import numpy as np
import pytest
from hypothesis import given

from ampl.errors import (
    AbsoluteContinuityError,
    InvalidDistributionError,
    InvalidShapeError,
)
from ampl.return_bounds import SQRT_2, sharp_constant, stopped_path_bound, theorem1_bound
from tabular.bounds.divergences import LOG_2, jensen_shannon, kl
from tabular.bounds.theorem1 import (
    coupling_bound,
    eq8_joints,
    joint_divergence,
    model_divergence,
    model_policy_divergence,
    next_state_kl,
    next_state_total_variation,
    return_gap,
    reward_range,
    simulation_lemma_bound,
)
from tabular.exact.policy import uniform_policy
from tabular.mdps.generators import chain_mdp, fork_mdp
from tabular.mdps.mdp import FiniteMDP
from tests.strategies import Case, mdp_model_and_policies, mdps

ONLY = np.ones((3, 1))  # the policy of the fork
EPSILON = 1e-4
DISCOUNTS = [0.1, 0.5, 0.75, 0.9, 0.99]


def _fork_ratio(discount: float, shift: float = 0.0, scale: float = 1.0) -> float:
    """|J - J_hat| / (discount r_max / (1 - discount) sqrt(D)) of the extremal family, rewards scale * r + shift."""
    truth, model = (_rescaled(fork_mdp(discount, 0.5 + sign * EPSILON), shift, scale) for sign in (1, -1))
    divergence = model_policy_divergence(truth, model, ONLY, ONLY).total
    return return_gap(truth, model, ONLY) / theorem1_bound(divergence, discount, truth.reward_bound, constant=1.0)


def _rescaled(mdp: FiniteMDP, shift: float, scale: float) -> FiniteMDP:
    return FiniteMDP(mdp.dynamics, scale * mdp.reward + shift, mdp.initial, mdp.discount)


def _leak(discount: float, leak: float) -> FiniteMDP:
    """State 0 pays 1 and leaks into a state that pays nothing."""
    dynamics = np.array([[[1.0 - leak, leak]], [[0.0, 1.0]]])
    return FiniteMDP(dynamics, np.array([[1.0], [0.0]]), np.array([1.0, 0.0]), discount)


@given(mdp_model_and_policies(same_support=True))
def test_theorem_1_holds_with_the_square_root_of_two(case: Case) -> None:
    divergence = model_policy_divergence(case.mdp, case.model, case.policy, case.behavior)
    gap = return_gap(case.mdp, case.model, case.policy)
    assert gap <= theorem1_bound(divergence.total, case.mdp.discount, case.mdp.reward_bound) + 1e-8


@given(mdp_model_and_policies())
def test_sharp_form_of_theorem_1_holds_with_the_model_part_alone(case: Case) -> None:
    """|J - J_hat| <= discount r_max sqrt(2 D / (1 - discount)), and the Bretagnolle-Huber form."""
    divergence = model_divergence(case.mdp, case.model, case.policy_occupancy)
    gap = return_gap(case.mdp, case.model, case.policy)
    discount, bound = case.mdp.discount, case.mdp.reward_bound
    sharp = theorem1_bound(divergence, discount, bound, sharp_constant(discount))
    stopped = stopped_path_bound(divergence, discount, bound)
    assert gap <= stopped + 1e-7
    assert stopped <= min(sharp, 2 * discount * bound) + 1e-12
    if case.mdp.reward.min() >= 0.0:
        assert gap <= stopped / 2 + 1e-7


@pytest.mark.parametrize("discount", DISCOUNTS)
def test_sharp_constant_is_attained_in_the_limit_by_the_fork(discount: float) -> None:
    """Hence no constant below sqrt(2 (1 - discount)) holds, and sqrt(2) is never attained."""
    assert _fork_ratio(discount) == pytest.approx(np.sqrt(2 * (1 - discount)), rel=1e-6)
    assert _fork_ratio(discount) < sharp_constant(discount) < SQRT_2
    truth, model = fork_mdp(discount, 0.5 + EPSILON), fork_mdp(discount, 0.5 - EPSILON)
    divergence = model_policy_divergence(truth, model, ONLY, ONLY).total
    gap = return_gap(truth, model, ONLY)
    assert gap == pytest.approx(stopped_path_bound(divergence, discount, 1.0), rel=1e-6)


@pytest.mark.parametrize("discount", DISCOUNTS)
def test_printed_constant_fails_for_signed_rewards_exactly_below_three_quarters(discount: float) -> None:
    """With c = 1/sqrt(2): broken by the fork at discount 1/2, met at 3/4, slack above."""
    printed = 1 / SQRT_2
    if discount < 0.75:
        assert _fork_ratio(discount) > printed + 0.1
    else:
        assert _fork_ratio(discount) <= printed


@pytest.mark.parametrize("discount", DISCOUNTS)
def test_nonnegative_rewards_halve_the_sharp_form_and_attain_the_half(discount: float) -> None:
    half = _fork_ratio(discount, shift=0.5, scale=0.5)
    assert half == pytest.approx(sharp_constant(discount) / 2, rel=1e-6)
    assert half < 1 / SQRT_2


def test_halved_form_is_broken_by_signed_rewards() -> None:
    """Dropping r >= 0."""
    truth, model = fork_mdp(0.9, 0.5 + EPSILON), fork_mdp(0.9, 0.5 - EPSILON)
    divergence = model_policy_divergence(truth, model, ONLY, ONLY).total
    assert return_gap(truth, model, ONLY) > 1.9 * stopped_path_bound(divergence, 0.9, 1.0) / 2


def test_bretagnolle_huber_form_is_attained_by_opposite_forks() -> None:
    """D is infinite, the gap 2 discount r_max: the bound of Pinsker is vacuous and this one is met."""
    truth, model = fork_mdp(0.9, 1.0), fork_mdp(0.9, 0.0)
    divergence = model_divergence(truth, model, np.array([[0.1], [0.9], [0.0]]))
    assert divergence == np.inf
    assert return_gap(truth, model, ONLY) == pytest.approx(1.8)
    assert stopped_path_bound(divergence, 0.9, 1.0) == pytest.approx(1.8)


def test_a_reward_beyond_the_stated_bound_breaks_theorem_1() -> None:
    """Dropping |r| <= r_max: rewards of 10 with r_max = 1 put in."""
    truth, model = (_rescaled(fork_mdp(0.5, success), 0.0, 10.0) for success in (0.6, 0.4))
    divergence = model_policy_divergence(truth, model, ONLY, ONLY).total
    assert return_gap(truth, model, ONLY) > theorem1_bound(divergence, 0.5, 1.0)


def test_bounds_at_their_ends() -> None:
    assert theorem1_bound(np.inf, 0.0, 1.0) == stopped_path_bound(np.inf, 0.0, 1.0) == 0.0
    assert theorem1_bound(0.0, 0.9, 1.0) == stopped_path_bound(0.0, 0.9, 1.0) == 0.0
    assert theorem1_bound(-1e-17, 0.9, 1.0) == stopped_path_bound(-1e-17, 0.9, 1.0) == 0.0  # rounding of a zero
    assert theorem1_bound(2.0, 0.5, 3.0) == pytest.approx(6.0)  # sqrt(2) * 1 * 3 * sqrt(2)
    # D / (1 - discount) = 3: Pinsker sqrt(3/2) > 1, so Bretagnolle-Huber counts; with 1/2 it is Pinsker's sqrt(1/4)
    assert stopped_path_bound(1.5, 0.5, 2.0) == pytest.approx(2.0 * np.sqrt(1 - np.exp(-3.0)))
    assert stopped_path_bound(0.25, 0.5, 2.0) == pytest.approx(2.0 * 0.5)


@given(mdp_model_and_policies())
def test_coupling_and_simulation_lemma_bounds_hold(case: Case) -> None:
    coupling, simulation = coupling_bound(case.mdp, case.model), simulation_lemma_bound(case.mdp, case.model)
    assert return_gap(case.mdp, case.model, case.policy) <= coupling + 1e-8
    assert coupling <= simulation + 1e-12


@pytest.mark.parametrize("discount", DISCOUNTS)
def test_coupling_bound_is_attained_by_a_leak_and_the_simulation_lemma_in_the_limit(discount: float) -> None:
    """J = 1 against (1 - discount) / (1 - discount + discount eps)."""
    truth, model, only = _leak(discount, 0.0), _leak(discount, 0.2), np.ones((2, 1))
    assert return_gap(truth, model, only) == pytest.approx(coupling_bound(truth, model), rel=1e-9)
    slight = _leak(discount, 1e-6)
    assert return_gap(truth, slight, only) == pytest.approx(simulation_lemma_bound(truth, slight), rel=1e-3)


def test_coupling_bound_needs_the_largest_error_and_not_the_mean() -> None:
    truth, model = _leak(0.9, 0.0), _leak(0.9, 0.2)
    mean = next_state_total_variation(truth, model).mean()
    with_mean = reward_range(truth) * 0.9 * mean / (1 - 0.9 + 0.9 * mean)
    assert return_gap(truth, model, np.ones((2, 1))) > 1.2 * with_mean


@given(mdp_model_and_policies(same_support=True))
def test_chain_rule_joins_the_two_parts(case: Case) -> None:
    """KL of the joints = KL(P* || P_hat) + E[KL(pi_b || pi)], weighted by w d_b."""
    parts = model_policy_divergence(case.mdp, case.model, case.policy, case.behavior)
    joint = joint_divergence(case.mdp, case.model, case.policy, case.behavior, case.weights, case.behavior_occupancy)
    assert parts.total == pytest.approx(joint, rel=1e-9, abs=1e-9)
    assert parts.model_part == pytest.approx(model_divergence(case.mdp, case.model, case.policy_occupancy), abs=1e-12)
    given_occupancy = model_policy_divergence(case.mdp, case.model, case.policy, case.behavior, case.policy_occupancy)
    assert given_occupancy == parts


@given(mdp_model_and_policies(same_support=True))
def test_policy_part_is_slack_that_vanishes_at_the_behavior_policy(case: Case) -> None:
    parts = model_policy_divergence(case.mdp, case.model, case.policy, case.behavior)
    assert parts.policy_part >= -1e-12
    assert model_policy_divergence(case.mdp, case.model, case.behavior, case.behavior).policy_part == 0.0


@given(mdp_model_and_policies(same_support=True))
def test_relaxation_of_eq_8_bounds_the_divergence(case: Case) -> None:
    """D_pi <= ||w||_inf KL of Eq. 8's joints, and their JSD lies in [0, log 2]."""
    parts = model_policy_divergence(case.mdp, case.model, case.policy, case.behavior)
    joints = eq8_joints(case.mdp, case.model, case.policy, case.behavior, case.behavior_occupancy)
    assert parts.total <= case.weights.max() * kl(*joints) + 1e-8
    assert -1e-12 <= jensen_shannon(*joints) <= LOG_2 + 1e-12


@given(mdp_model_and_policies())
def test_joints_of_eq_8_are_distributions(case: Case) -> None:
    joints = eq8_joints(case.mdp, case.model, case.policy, case.behavior, case.behavior_occupancy)
    np.testing.assert_allclose([joint.sum() for joint in joints], 1.0, atol=1e-9)


def test_relaxation_of_eq_8_is_attained_at_the_behavior_policy() -> None:
    """Weights one and equal policies: both sides are E_{d_b}[KL(P* || P_hat)]."""
    truth, model = fork_mdp(0.5, 0.75), fork_mdp(0.5, 0.5)
    joints = eq8_joints(truth, model, ONLY, ONLY, np.array([[0.5], [0.375], [0.125]]))
    total = model_policy_divergence(truth, model, ONLY, ONLY).total
    assert kl(*joints) == pytest.approx(total)
    assert total == pytest.approx(0.5 * (0.75 * np.log(1.5) + 0.25 * np.log(0.5)))


def test_divergence_and_gap_worked_out_by_hand() -> None:
    # State 0: action 0 stays, action 1 leads to the absorbing state 1, which pays 1; discount 1/2, pi = (1/4, 3/4).
    # m = (4/7, 3/7), so d(0, 1) = 3/7. The model leaves with probability 1/2 only: KL = log 2 there and 0 elsewhere.
    # KL(uniform || pi) = log(2)/2 + log(2/3)/2 in both states. Model: m_0 = .5 / (1 - .5 * .625) = 8/11.
    dynamics = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    mdp = FiniteMDP(dynamics, np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([1.0, 0.0]), 0.5)
    slower = dynamics.copy()
    slower[0, 1] = 0.5
    model, policy = mdp.with_dynamics(slower), np.tile([0.25, 0.75], (2, 1))
    parts = model_policy_divergence(mdp, model, policy, np.full((2, 2), 0.5))
    assert parts.model_part == pytest.approx(3 / 7 * np.log(2))
    assert parts.policy_part == pytest.approx(0.5 * np.log(4 / 3))
    assert return_gap(mdp, model, policy) == pytest.approx(3 / 7 - 3 / 11)
    np.testing.assert_allclose(next_state_kl(mdp, model), [[0.0, np.log(2)], [0.0, 0.0]])
    np.testing.assert_allclose(next_state_total_variation(mdp, model), [[0.0, 0.5], [0.0, 0.0]])
    assert coupling_bound(mdp, model) == pytest.approx(0.25 / 0.75)  # eps = 1/2, R = 1
    assert simulation_lemma_bound(mdp, model) == pytest.approx(0.5)


@given(mdp_model_and_policies())
def test_every_mixture_of_storages_agrees(case: Case) -> None:
    truths, models = ((mdp.to_dense(), mdp.to_sparse()) for mdp in (case.mdp, case.model))
    by_kl = [next_state_kl(truth, model) for truth in truths for model in models]
    by_variation = [next_state_total_variation(truth, model) for truth in truths for model in models]
    for kls, variations in zip(by_kl, by_variation, strict=True):
        np.testing.assert_allclose(kls, by_kl[0], atol=1e-12)
        np.testing.assert_allclose(variations, by_variation[0], atol=1e-12)


@given(mdps(max_states=4))
def test_a_perfect_model_has_no_divergence_and_no_gap(mdp: FiniteMDP) -> None:
    policy = np.full(mdp.reward.shape, 1 / mdp.n_actions)
    assert model_policy_divergence(mdp, mdp, policy, policy).total == 0.0
    assert return_gap(mdp, mdp, policy) == coupling_bound(mdp, mdp) == 0.0


@pytest.mark.parametrize("storage", [FiniteMDP.to_dense, FiniteMDP.to_sparse])
def test_infinite_divergences_name_where(storage: object) -> None:
    truth, model = storage(fork_mdp(0.5, 0.5)), storage(fork_mdp(0.5, 1.0))  # type: ignore[operator]
    with pytest.raises(AbsoluteContinuityError, match=r"\(s=0, a=0\).*smoothing"):
        model_policy_divergence(truth, model, ONLY, ONLY)
    assert model_policy_divergence(model, truth, ONLY, ONLY).total == pytest.approx(0.5 * LOG_2)
    mdp = storage(chain_mdp(3))  # type: ignore[operator]
    with pytest.raises(AbsoluteContinuityError, match=r"in state 1 the behavior policy takes action 0"):
        model_policy_divergence(mdp, mdp, np.tile([0.0, 1.0], (3, 1)), np.full((3, 2), 0.5))


def test_what_is_never_visited_may_be_infinite() -> None:
    """0 * infinity = 0: the model is wrong only where the policy does not go."""
    mdp = chain_mdp(3, discount=0.5)
    other = mdp.dynamics.copy()
    other[0, 0], other[1, 0] = [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]  # "left" is wrong, and the policy goes right
    right = np.tile([0.0, 1.0], (3, 1))
    assert model_policy_divergence(mdp, mdp.with_dynamics(other), right, right).total == 0.0


def test_models_of_another_size_are_refused() -> None:
    with pytest.raises(InvalidShapeError, match="with_dynamics"):
        next_state_kl(chain_mdp(3), chain_mdp(4))


def test_a_wrong_behavior_policy_is_refused() -> None:
    mdp = chain_mdp(3)
    policy, visits = uniform_policy(mdp), np.full((3, 2), 1.0 / 6.0)
    for behavior, expected in ((policy * 2.0, InvalidDistributionError), (policy.T, InvalidShapeError)):
        with pytest.raises(expected, match="behavior policy"):
            model_policy_divergence(mdp, mdp, policy, behavior)
        with pytest.raises(expected, match="behavior policy"):
            joint_divergence(mdp, mdp, policy, behavior, np.ones((3, 2)), visits)
    with pytest.raises(InvalidShapeError, match="the occupancy has shape"):
        model_divergence(mdp, mdp, visits[0])
