"""FiniteMDP: what its methods compute; dense and sparse storage agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tabular.mdps.generators import chain_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.probabilities import check_rows
from tests.strategies import mdps, policies
from tests.tabular.mdps.toy_mdp import toy_arrays


@given(mdps(), st.data())
def test_dense_and_sparse_storage_agree_for_every_method(mdp: FiniteMDP, data: st.DataObject) -> None:
    dense, compressed = mdp.to_dense(), mdp.to_sparse()
    policy = data.draw(policies(mdp))
    state_value = np.linspace(-1.0, 2.0, mdp.n_states)
    np.testing.assert_allclose(compressed.policy_dynamics(policy).toarray(), dense.policy_dynamics(policy), atol=1e-14)
    np.testing.assert_allclose(compressed.expect_next(state_value), dense.expect_next(state_value), atol=1e-13)
    np.testing.assert_allclose(compressed.push_forward(policy), dense.push_forward(policy), atol=1e-13)
    np.testing.assert_array_equal(compressed.absorbing, dense.absorbing)
    np.testing.assert_array_equal(compressed.to_dense().dynamics, dense.dynamics)
    assert compressed.is_sparse
    assert not dense.is_sparse


@given(mdps(), st.data())
def test_policy_dynamics_are_rows_of_probabilities(mdp: FiniteMDP, data: st.DataObject) -> None:
    rows = mdp.to_dense().policy_dynamics(data.draw(policies(mdp)))
    check_rows("P_pi", rows)


@given(mdps())
def test_expect_next_and_push_forward_are_adjoint(mdp: FiniteMDP) -> None:
    """<mass, E[f(s')]> = <push_forward(mass), f> for any function f and any mass."""
    generator = np.random.default_rng(0)
    function, mass = generator.normal(size=mdp.n_states), generator.normal(size=mdp.reward.shape)
    ahead, pushed = np.vdot(mass, mdp.expect_next(function)), np.vdot(mdp.push_forward(mass), function)
    assert ahead == pytest.approx(pushed, abs=1e-12)


def test_policy_dynamics_and_expectations_worked_out_by_hand() -> None:
    mdp = FiniteMDP(**toy_arrays())
    policy = np.array([[0.5, 0.5], [0.0, 1.0]])
    # state 0: half of (.5, .5) and half of (1, 0); state 1: its second action's row
    np.testing.assert_allclose(mdp.policy_dynamics(policy), [[0.75, 0.25], [0.25, 0.75]])
    np.testing.assert_allclose(mdp.expect_next(np.array([4.0, 8.0])), [[6.0, 4.0], [8.0, 7.0]])
    np.testing.assert_allclose(mdp.push_forward(np.array([[1.0, 2.0], [3.0, 4.0]])), [3.5, 6.5])
    np.testing.assert_array_equal(mdp.absorbing, [False, False])


def test_absorbing_states_are_those_that_every_action_keeps() -> None:
    mdp = chain_mdp(4)  # the left end moves away under "right"
    np.testing.assert_array_equal(mdp.absorbing, [False, False, False, True])
    np.testing.assert_array_equal(mdp.to_sparse().absorbing, [False, False, False, True])


def test_reward_bound_is_the_largest_reward_unless_stated() -> None:
    assert FiniteMDP(**toy_arrays()).reward_bound == 1.0
    assert FiniteMDP(**toy_arrays(), reward_bound=3.0).reward_bound == 3.0
    stated = FiniteMDP(**toy_arrays(), reward_bound=3.0)
    for copy in (stated.with_discount(0.5), stated.with_dynamics(stated.dynamics), stated.to_sparse()):
        assert copy.reward_bound == 3.0


def test_copies_change_only_what_they_name() -> None:
    mdp = FiniteMDP(**toy_arrays(), name="toy")
    assert mdp.with_discount(0.25).discount == 0.25
    assert mdp.with_discount(0.25).dynamics is mdp.dynamics
    assert mdp.with_dynamics(mdp.dynamics).name == "model of toy"
    assert repr(mdp.to_sparse()) == "FiniteMDP(toy: 2 states, 2 actions, sparse, 0.9)"
    assert mdp.to_dense() is mdp


def test_sparse_input_is_left_as_it_was() -> None:
    """Duplicates are summed in a copy; the caller's matrix keeps its entries."""
    rows = sparse.csr_array((np.array([0.5, 0.5]), np.array([0, 0]), np.array([0, 2])), shape=(1, 1))
    FiniteMDP(rows, np.zeros((1, 1)), np.ones(1), 0.5)
    np.testing.assert_array_equal(rows.data, [0.5, 0.5])
    np.testing.assert_array_equal(rows.indptr, [0, 2])
