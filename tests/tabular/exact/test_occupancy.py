"""What a policy visits and earns: two routes agree, and small cases match what was worked out by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from ampl.errors import InvalidShapeError
from tabular.exact import linear_solvers
from tabular.exact.occupancy import (
    action_value,
    expected_return,
    occupancy,
    reachable_states,
    relative_value,
    solve_state_occupancy,
    state_occupancy,
    state_value,
    transition_occupancy,
)
from tabular.exact.policy import random_policy, uniform_policy
from tabular.mdps.generators import chain_mdp, detour_mdp, random_mdp
from tabular.mdps.grid_world import grid_world, shortest_path_policy
from tabular.mdps.mdp import FiniteMDP
from tabular.weights.operator import exact_weights
from tests.strategies import mdps, policies


def _two_states(discount: float = 0.5) -> FiniteMDP:
    """State 0 earns 1 and leads to state 1, which is absorbing and earns 3."""
    dynamics = np.array([[[0.0, 1.0]], [[0.0, 1.0]]])
    return FiniteMDP(dynamics, np.array([[1.0], [3.0]]), np.array([1.0, 0.0]), discount)


@pytest.mark.parametrize("function", [occupancy, state_value, relative_value, expected_return])
def test_a_policy_of_another_mdp_is_refused_by_its_shape(function: Callable[..., object]) -> None:
    with pytest.raises(InvalidShapeError, match=r"policy has shape \(3, 1\); mdp has 2 states and 1 actions"):
        function(_two_states(), np.ones((3, 1)))


@given(mdps(), st.data())
def test_occupancy_is_a_distribution_that_flows(mdp: FiniteMDP, data: st.DataObject) -> None:
    """Occupancy by state: m = (1 - discount) mu0 + discount P_pi^T m, m >= 0, sum m = 1."""
    policy = data.draw(policies(mdp))
    visits = state_occupancy(mdp, policy)
    arriving = mdp.push_forward(visits[:, None] * policy)
    np.testing.assert_allclose(visits, (1 - mdp.discount) * mdp.initial + mdp.discount * arriving, atol=1e-10)
    assert visits.min() >= 0.0
    assert visits.sum() == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_array_equal(occupancy(mdp, policy), visits[:, None] * policy)


@given(mdps(), st.data())
def test_occupancy_is_the_discounted_sum_over_time(mdp: FiniteMDP, data: st.DataObject) -> None:
    """Occupancy by state: m = (1 - discount) sum_t discount^t m_t, summed instead of solved."""
    mdp = mdp.with_discount(min(mdp.discount, 0.9))
    policy = data.draw(policies(mdp))
    now, total = mdp.initial, np.zeros(mdp.n_states)
    for step in range(300):  # .9^300 = 2e-14
        total += (1 - mdp.discount) * mdp.discount**step * now
        now = mdp.push_forward(now[:, None] * policy)
    np.testing.assert_allclose(state_occupancy(mdp, policy), total, atol=1e-9)


@given(mdps(), st.data())
def test_values_solve_the_bellman_equation(mdp: FiniteMDP, data: st.DataObject) -> None:
    """Q = r + discount E[V(s')] and V = E_pi[Q]."""
    policy = data.draw(policies(mdp))
    value, by_action = state_value(mdp, policy), action_value(mdp, policy)
    tolerance = 1e-10 / (1 - mdp.discount)
    np.testing.assert_allclose((policy * by_action).sum(axis=1), value, atol=tolerance)
    np.testing.assert_allclose(by_action, mdp.reward + mdp.discount * mdp.expect_next(value), atol=tolerance)


@given(mdps(), st.data())
def test_expected_return_by_values_and_by_occupancy_agree(mdp: FiniteMDP, data: st.DataObject) -> None:
    """AMPL, Eq. 1: (1 - discount) E_mu0[V] = E_d[r], both normalised: |J| <= r_max."""
    policy = data.draw(policies(mdp))
    by_occupancy = float(np.vdot(occupancy(mdp, policy), mdp.reward))
    assert expected_return(mdp, policy) == pytest.approx(by_occupancy, abs=1e-9)
    assert abs(expected_return(mdp, policy)) <= mdp.reward_bound + 1e-9


@given(mdps(), st.data())
def test_transition_occupancy_splits_the_occupancy_over_next_states(mdp: FiniteMDP, data: st.DataObject) -> None:
    policy = data.draw(policies(mdp))
    dense = transition_occupancy(mdp.to_dense(), policy)
    compressed = transition_occupancy(mdp.to_sparse(), policy)
    np.testing.assert_allclose(dense.sum(axis=2), occupancy(mdp, policy), atol=1e-10)
    np.testing.assert_allclose(compressed.toarray().reshape(dense.shape), dense, atol=1e-10)


@given(mdps(), st.data())
def test_states_out_of_reach_have_no_occupancy_and_others_have_some(mdp: FiniteMDP, data: st.DataObject) -> None:
    """Exactly zero where no path leads; positive where one does and the discount is."""
    policy = data.draw(policies(mdp))
    visits = state_occupancy(mdp, policy)
    reachable = reachable_states(mdp.policy_dynamics(policy), mdp.initial)
    assert (visits[~reachable] == 0.0).all()
    visited = reachable if mdp.discount > 0.0 else mdp.initial > 0.0
    assert (visits[visited] > 0.0).all()
    assert (visits[~visited] == 0.0).all()


@given(mdps(), st.data())
def test_reachability_on_dense_and_sparse_graphs_agrees(mdp: FiniteMDP, data: st.DataObject) -> None:
    policy = data.draw(policies(mdp))
    dense = reachable_states(mdp.to_dense().policy_dynamics(policy), mdp.initial)
    np.testing.assert_array_equal(reachable_states(mdp.to_sparse().policy_dynamics(policy), mdp.initial), dense)


def test_reachability_of_many_dense_states_takes_the_graph_path() -> None:
    mdp = chain_mdp(100)
    right = np.tile([0.0, 1.0], (100, 1))
    start = np.eye(100)[40]
    np.testing.assert_array_equal(reachable_states(mdp.policy_dynamics(right), start), np.arange(100) >= 40)


def test_the_solve_reports_a_residual_that_was_met() -> None:
    mdp = random_mdp(5, 2, np.random.default_rng(0), discount=0.999)
    policy_dynamics = mdp.policy_dynamics(uniform_policy(mdp))
    solution = solve_state_occupancy(mdp, policy_dynamics)
    assert solution.residual <= 1e-10 * (1 - mdp.discount)
    flow = np.eye(5) - mdp.discount * policy_dynamics.T
    missed = np.abs((1 - mdp.discount) * mdp.initial - flow @ solution.value).sum()
    assert solution.residual == pytest.approx(missed, abs=1e-15)


def test_two_states_worked_out_by_hand() -> None:
    mdp, only = _two_states(), np.ones((2, 1))
    # m_0 = 1 - 1/2, m_1 = the rest; V_1 = 3 / (1 - 1/2) = 6, V_0 = 1 + 6/2 = 4, J = V_0 / 2 = 2 = 1/2 + 3/2
    np.testing.assert_allclose(state_occupancy(mdp, only), [0.5, 0.5])
    np.testing.assert_allclose(state_value(mdp, only), [4.0, 6.0])
    np.testing.assert_allclose(action_value(mdp, only), [[4.0], [6.0]])
    assert expected_return(mdp, only) == pytest.approx(2.0)


def test_detour_worked_out_by_hand() -> None:
    mdp = detour_mdp(0.5)
    policy = np.array([[1.0, 0.0], [0.0, 1.0]])  # 0 -> 1 -> 0 -> ...
    # m_0 = 1/2 (1 + 1/4 + 1/16 + ...) = 2/3; reward 1 is paid only for staying in state 1
    np.testing.assert_allclose(occupancy(mdp, policy), [[2 / 3, 0.0], [0.0, 1 / 3]])
    assert expected_return(mdp, policy) == pytest.approx(0.0, abs=1e-15)
    np.testing.assert_allclose(transition_occupancy(mdp, policy)[0, 0], [0.0, 2 / 3])


def test_discount_zero_sees_only_the_first_step() -> None:
    mdp = _two_states(discount=0.0)
    np.testing.assert_array_equal(state_occupancy(mdp, np.ones((2, 1))), [1.0, 0.0])
    assert expected_return(mdp, np.ones((2, 1))) == 1.0


def test_one_state_and_one_action() -> None:
    mdp = FiniteMDP(np.ones((1, 1, 1)), np.array([[0.7]]), np.ones(1), 0.99)
    np.testing.assert_allclose(occupancy(mdp, np.ones((1, 1))), [[1.0]])
    assert expected_return(mdp, np.ones((1, 1))) == pytest.approx(0.7)
    assert state_value(mdp, np.ones((1, 1)))[0] == pytest.approx(70.0)


def test_far_states_of_a_long_sparse_chain_keep_their_tiny_occupancy() -> None:
    """Occupancies fall like 2^-k; rounding must not turn a visited state into one never visited."""
    mdp = chain_mdp(60, discount=0.5, slip=0.25)
    policy = np.tile([0.1, 0.9], (60, 1))
    dense, compressed = state_occupancy(mdp, policy), state_occupancy(mdp.to_sparse(), policy)
    assert (dense > 0.0).all()
    assert (compressed > 0.0).all()
    np.testing.assert_allclose(compressed, dense, atol=1e-10)


@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999])
def test_dense_and_sparse_solves_agree_on_a_larger_mdp(discount: float) -> None:
    generator = np.random.default_rng(3)
    mdp = random_mdp(80, 3, generator, discount=discount, concentration=0.1)
    policy = random_policy(80, 3, generator)
    np.testing.assert_allclose(state_occupancy(mdp.to_sparse(), policy), state_occupancy(mdp, policy), atol=1e-9)
    scale = 1e-8 / (1 - discount)
    np.testing.assert_allclose(state_value(mdp.to_sparse(), policy), state_value(mdp, policy), atol=scale)


def test_rarely_visited_states_of_sparse_mdps_are_accurate_entry_by_entry() -> None:
    """Far along a corridor the uniform policy's occupancy is below any iterative residual, and still covers pi's."""
    mdp = chain_mdp(700, discount=0.99, slip=0.25)
    uniform, rightward = np.full((700, 2), 0.5), np.tile([0.1, 0.9], (700, 1))
    sparse_visits, dense_visits = (state_occupancy(each, uniform) for each in (mdp.to_sparse(), mdp))
    np.testing.assert_allclose(sparse_visits, dense_visits, rtol=1e-9)
    assert exact_weights(mdp.to_sparse(), rightward, uniform).max() > 1e10


@pytest.mark.parametrize(("slip", "discount"), [(0.5, 0.9), (0.5, 0.5), (0.1, 0.99)])
@pytest.mark.parametrize("directed", [False, True])
def test_every_entry_of_a_sparse_occupancy_is_that_of_the_dense_one(
    slip: float, discount: float, directed: bool
) -> None:
    """The farthest corner is reached with a chance near the iterative solver's residual, or far below it."""
    size = (25, 25)
    open_grid = grid_world(size, slip=slip, discount=discount)
    world = FiniteMDP(open_grid.dynamics, open_grid.reward, np.eye(open_grid.n_states)[0], discount)
    policy = shortest_path_policy(size) if directed else uniform_policy(world)
    found = state_occupancy(world, policy)
    np.testing.assert_allclose(found, state_occupancy(world.to_dense(), policy), rtol=1e-8)


def test_entries_of_a_sparse_graph_without_order_are_accurate_without_a_direct_solve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A direct solve of such a graph of 5,000 states takes more than five seconds, an iterative one milliseconds."""
    generator = np.random.default_rng(0)
    rows = np.repeat(np.arange(600), 3)
    chances = generator.dirichlet(np.ones(3), 600).ravel()
    dynamics = sparse.csr_array((chances, (rows, generator.integers(0, 600, 1800))), shape=(600, 600))
    mdp = FiniteMDP(dynamics, np.zeros((600, 1)), np.eye(600)[0], 0.99)
    only = np.ones((600, 1))
    dense = state_occupancy(mdp.to_dense(), only)
    monkeypatch.setattr(linear_solvers, "splu", None)
    np.testing.assert_allclose(state_occupancy(mdp, only), dense, rtol=1e-8)
