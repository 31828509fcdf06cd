"""Theorem 4.4 and Eq. 11 against every deterministic policy, and against stochastic ones found by ascent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from ampl.errors import InvalidArgumentError, NotConvergedError
from tabular.bounds import penalty_tradeoff
from tabular.bounds.integral_metrics import L1Distance, LineWasserstein1
from tabular.bounds.penalized_mdp import mean_uncertainty, penalized_optimum, penalty_weight
from tabular.bounds.penalty_tradeoff import (
    _negative_objective,
    ascend,
    deterministic_actions,
    enumerate_trade_off,
    norm_over_policies,
)
from tabular.exact.occupancy import expected_return, state_value
from tabular.exact.policy import deterministic_policy, uniform_policy
from tabular.mdps.mdp import FiniteMDP
from tests.strategies import Case, mdp_model_and_policies, mdps, policies, seeds


@st.composite
def small_cases(draw: st.DrawFn) -> Case:
    """At most 81 deterministic policies."""
    return draw(mdp_model_and_policies(mdp=draw(mdps(max_states=4, max_actions=3))))


def _two_states(to_second: list[list[float]], reward: list[list[float]], discount: float) -> FiniteMDP:
    second = np.array(to_second)
    dynamics = np.stack([1.0 - second, second], axis=-1)
    return FiniteMDP(dynamics, np.array(reward), np.array([1.0, 0.0]), discount)


def _safe_and_risky() -> tuple[FiniteMDP, FiniteMDP]:
    """From the start, action 0 leads surely to a state that pays 0.4; action 1 to +1 with probability 0.9, else -1.

    The model believes 0.8 instead of 0.9: the penalty makes both actions equal, at what action 0 really earns.
    """
    dynamics = np.zeros((4, 2, 4))
    dynamics[[1, 2, 3], :, [1, 2, 3]] = 1.0
    dynamics[0, 0, 3] = 1.0
    dynamics[0, 1, 1:3] = 0.9, 0.1
    reward = np.array([[0.0, 0.0], [1.0, 1.0], [-1.0, -1.0], [0.4, 0.4]])
    believed = dynamics.copy()
    believed[0, 1, 1:3] = 0.8, 0.2
    mdp = FiniteMDP(dynamics, reward, np.eye(4)[0], 0.9)
    return mdp, mdp.with_dynamics(believed)


@given(small_cases())
def test_theorem_4_4_and_eq_11_hold_for_every_deterministic_policy_and_delta(case: Case) -> None:
    """With the smallest norm that serves all policies, in two metrics."""
    for metric in (L1Distance(centered=True), LineWasserstein1(positions=np.arange(case.mdp.n_states) * 1.0)):
        uncertainty = metric.distance(case.mdp, case.model)
        weight = penalty_weight(case.mdp.discount, norm_over_policies(case.mdp, metric.norm))
        trade_off = enumerate_trade_off(case.mdp, case.model, uncertainty)
        earned = expected_return(case.mdp, penalized_optimum(case.model, uncertainty, weight))
        rounding = 1e-8 / (1.0 - case.mdp.discount)
        assert earned >= trade_off.supremum(weight) - rounding
        for delta in trade_off.mean_uncertainty:
            assert earned >= trade_off.best_return_within(float(delta)) - 2.0 * weight * delta - rounding


def test_theorem_4_4_is_attained_by_a_safe_and_a_risky_action() -> None:
    mdp, model = _safe_and_risky()
    uncertainty = L1Distance().distance(mdp, model)
    weight = penalty_weight(0.9, 10.0)
    trade_off = enumerate_trade_off(mdp, model, uncertainty)
    risky = deterministic_policy(np.array([1, 0, 0, 0]), 2)
    earned = expected_return(mdp, penalized_optimum(model, uncertainty, weight))
    side = expected_return(mdp, risky) - 2.0 * weight * mean_uncertainty(model, uncertainty, risky)
    assert mean_uncertainty(model, uncertainty, risky) > 0.0
    assert expected_return(mdp, risky) == pytest.approx(0.72)
    assert earned == pytest.approx(0.36)
    assert earned == pytest.approx(side)
    assert earned == pytest.approx(trade_off.supremum(weight))


def test_theorem_4_4_needs_its_factor_of_two() -> None:
    mdp, model = _safe_and_risky()
    uncertainty = L1Distance().distance(mdp, model)
    weight = penalty_weight(0.9, 10.0)
    earned = expected_return(mdp, penalized_optimum(model, uncertainty, weight))
    assert enumerate_trade_off(mdp, model, uncertainty).supremum(weight / 2.0) > earned + 0.1


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_theorem_4_4_fails_with_less_penalty_than_discount_times_c(share: float) -> None:
    """The model takes a losing gamble for a good one; its optimum believes it unless lambda is large enough."""
    _, model = _safe_and_risky()
    dynamics = model.to_dense().dynamics.copy()
    dynamics[0, 1, 1:3] = 0.2, 0.8
    mdp = model.with_dynamics(dynamics)
    uncertainty = L1Distance().distance(mdp, model)
    trade_off = enumerate_trade_off(mdp, model, uncertainty)
    weight = penalty_weight(0.9, 10.0)
    assert expected_return(mdp, penalized_optimum(model, uncertainty, weight)) >= trade_off.supremum(weight)
    careless = expected_return(mdp, penalized_optimum(model, uncertainty, 0.1 * share * weight))
    assert careless < trade_off.supremum(0.1 * share * weight) - 0.5


@given(small_cases())
def test_enumeration_agrees_with_one_policy_at_a_time(case: Case) -> None:
    uncertainty = L1Distance().distance(case.mdp, case.model)
    trade_off = enumerate_trade_off(case.mdp, case.model, uncertainty)
    actions = deterministic_actions(case.mdp.n_states, case.mdp.n_actions)
    assert len(np.unique(actions, axis=0)) == case.mdp.n_actions**case.mdp.n_states == len(trade_off.expected_return)
    for index in (0, len(actions) // 2, -1):
        policy = deterministic_policy(actions[index], case.mdp.n_actions)
        assert trade_off.expected_return[index] == pytest.approx(expected_return(case.mdp, policy), abs=1e-9)
        uncertain = mean_uncertainty(case.model, uncertainty, policy)
        assert trade_off.mean_uncertainty[index] == pytest.approx(uncertain, abs=1e-9)


@given(st.data())
def test_norms_of_values_are_largest_at_a_deterministic_policy(data: st.DataObject) -> None:
    """V_pi of a stochastic policy is a mean of deterministic ones', so a convex function of it is no larger."""
    mdp = data.draw(mdps(max_states=4, max_actions=3))
    value = state_value(mdp, data.draw(policies(mdp)))
    for norm in (L1Distance().norm, L1Distance(centered=True).norm, lambda v: float(np.abs(v).sum())):
        assert norm(value) <= norm_over_policies(mdp, norm) + 1e-9 / (1.0 - mdp.discount)


def test_a_stochastic_policy_can_beat_every_deterministic_one() -> None:
    """J - 2 lambda eps_u is no return of an MDP: its supremum lies inside, and Theorem 4.4 covers it."""
    reward = [[-1.0, 0.0], [-1.0, 1.0]]
    mdp, model = _two_states([[0.0, 0.9], [0.5, 0.5]], reward, 0.9), _two_states([[0.9, 0.1], [1.0, 0.5]], reward, 0.9)
    metric = L1Distance(centered=True)
    uncertainty = metric.distance(mdp, model)
    weight = penalty_weight(0.9, norm_over_policies(mdp, metric.norm))
    best = enumerate_trade_off(mdp, model, uncertainty).supremum(weight)
    found = ascend(mdp, model, uncertainty, 2.0 * weight, [uniform_policy(mdp)])
    assert best == pytest.approx(-3.382, abs=1e-3)
    assert found.objective > best + 0.48
    assert 0.3 < found.policy[0, 1] < 0.45
    assert expected_return(mdp, penalized_optimum(model, uncertainty, weight)) >= found.objective


@given(small_cases())
def test_ascent_does_not_end_below_where_it_starts(case: Case) -> None:
    uncertainty = L1Distance().distance(case.mdp, case.model)
    for coefficient in (0.1, 2.0):
        found = ascend(case.mdp, case.model, uncertainty, coefficient, [case.policy, uniform_policy(case.mdp)])
        start = expected_return(case.mdp, case.policy) - coefficient * mean_uncertainty(
            case.model, uncertainty, case.policy
        )
        own = expected_return(case.mdp, found.policy) - coefficient * mean_uncertainty(
            case.model, uncertainty, found.policy
        )
        assert found.objective >= start - 1e-6
        assert found.objective == pytest.approx(own, abs=1e-9)


@given(small_cases(), seeds())
def test_the_gradient_of_the_objective_is_exact(case: Case, seed: int) -> None:
    mdp, model = case.mdp.to_dense(), case.model.to_dense()
    if mdp.discount > 0.9:
        mdp, model = mdp.with_discount(0.9), model.with_discount(0.9)
    costs = FiniteMDP(model.dynamics, L1Distance().distance(mdp, model), model.initial, model.discount)
    logits = np.random.default_rng(seed).normal(size=mdp.reward.size)
    _, gradient = _negative_objective(logits, mdp, costs, 0.7, 1.0)
    numerical = approx_fprime(logits, lambda x: _negative_objective(x, mdp, costs, 0.7, 1.0)[0], 1e-6)
    np.testing.assert_allclose(gradient, numerical, atol=1e-4)


def test_ascents_that_end_nowhere_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    mdp, model = _safe_and_risky()
    uncertainty = L1Distance().distance(mdp, model)
    with pytest.raises(InvalidArgumentError, match="no policy to start"):
        ascend(mdp, model, uncertainty, 1.0, [])
    monkeypatch.setattr(penalty_tradeoff, "_STATIONARY", -1.0)
    monkeypatch.setattr(penalty_tradeoff, "_ROUNDS", 1)
    with pytest.raises(NotConvergedError, match="none of 1 ascents"):
        ascend(mdp, model, uncertainty, 1.0, [uniform_policy(mdp)])


def test_too_many_policies_and_too_small_a_delta_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"make 2\^13 deterministic policies"):
        deterministic_actions(13, 2)
    for n_states in (13, 70):  # more than numpy has axes
        np.testing.assert_array_equal(deterministic_actions(n_states, 1), np.zeros((1, n_states)))
    np.testing.assert_array_equal(deterministic_actions(2, 3)[:4], [[0, 0], [0, 1], [0, 2], [1, 0]])
    mdp, model = _safe_and_risky()
    trade_off = enumerate_trade_off(mdp, model, L1Distance().distance(mdp, model) + 1.0)
    with pytest.raises(InvalidArgumentError, match=r"delta is 0\.5; expected at least delta_min = 1"):
        trade_off.best_return_within(0.5)
