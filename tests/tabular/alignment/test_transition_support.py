"""Transition occupancies entry by entry agree with the dense tables, and what is not covered is named with its mass."""

import re

import numpy as np
import pytest
from hypothesis import given
from scipy import sparse

from ampl.errors import (
    AbsoluteContinuityError,
    InvalidArgumentError,
    InvalidDiscountError,
    InvalidDistributionError,
    InvalidShapeError,
)
from tabular.alignment.transition_support import TransitionSupport
from tabular.exact.occupancy import transition_occupancy
from tabular.exact.policy import uniform_policy
from tabular.mdps.generators import chain_mdp, random_mdp
from tabular.mdps.mdp import FiniteMDP
from tests.strategies import Case, mdp_model_and_policies


def _dense(support: TransitionSupport, entries: np.ndarray) -> np.ndarray:
    table = np.zeros((support.mdp.reward.size, support.mdp.n_states))
    table[support.pair, support.next_state] = entries
    return table.reshape(*support.shape, -1)


@given(mdp_model_and_policies())
def test_entries_are_the_dense_tables_rearranged(case: Case) -> None:
    support = TransitionSupport(case.mdp, case.model, case.behavior)
    occupancies = support.occupancies(case.policy)
    for entries, mdp, policy in (
        (occupancies.truth, case.mdp, case.policy),
        (occupancies.model, case.model, case.policy),
        (support.data, case.mdp, case.behavior),
    ):
        expected = transition_occupancy(mdp.to_dense(), policy)
        np.testing.assert_allclose(_dense(support, entries), expected, atol=1e-12)


@given(mdp_model_and_policies())
def test_data_may_be_given_as_a_table(case: Case) -> None:
    table = transition_occupancy(case.mdp.to_dense(), case.behavior)
    from_table = TransitionSupport(case.mdp, case.model, table)
    from_policy = TransitionSupport(case.mdp, case.model, case.behavior)
    np.testing.assert_allclose(from_table.data, from_policy.data, atol=1e-12)


def test_data_of_transitions_that_neither_has_are_left_out() -> None:
    mdp = random_mdp(2, 1, np.random.default_rng(0))
    cycle = mdp.with_dynamics(np.array([[[0.0, 1.0]], [[1.0, 0.0]]]))
    support = TransitionSupport(cycle, cycle, np.full((2, 1, 2), 0.25))
    np.testing.assert_array_equal(support.data, [0.25, 0.25])


def _two_states(rows: list[list[float]]) -> FiniteMDP:
    return FiniteMDP(np.array(rows)[:, None, :], np.zeros((2, 1)), np.array([1.0, 0.0]), 0.5)


def test_a_model_that_leaves_the_data_is_named_with_its_mass() -> None:
    truth, model = _two_states([[1.0, 0.0], [0.0, 1.0]]), _two_states([[0.5, 0.5], [0.0, 1.0]])
    occupancies = TransitionSupport(truth, model, uniform_policy(truth)).occupancies(uniform_policy(truth))
    with pytest.raises(AbsoluteContinuityError, match=r"2 transitions.*0\.667 of its occupancy.*\(s=\d, a=0, s'=1\)"):
        occupancies.log_ratio()


def test_a_truth_that_leaves_the_model_is_named_with_its_mass() -> None:
    truth, model = _two_states([[0.5, 0.5], [0.0, 1.0]]), _two_states([[1.0, 0.0], [0.0, 1.0]])
    occupancies = TransitionSupport(truth, model, uniform_policy(truth)).occupancies(uniform_policy(truth))
    with pytest.raises(AbsoluteContinuityError, match="the model has not"):
        occupancies.check_model_covers_truth()


def test_a_policy_that_leaves_the_data_is_named() -> None:
    mdp = random_mdp(3, 2, np.random.default_rng(0))
    first, second = np.tile([1.0, 0.0], (3, 1)), np.tile([0.0, 1.0], (3, 1))
    occupancies = TransitionSupport(mdp, mdp, first).occupancies(second)
    with pytest.raises(AbsoluteContinuityError, match=r"the data have not, with 1 of its occupancy"):
        occupancies.true_log_ratio()


def test_a_model_of_another_size_is_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(InvalidShapeError, match=r"Build the model with mdp\.with_dynamics"):
        TransitionSupport(random_mdp(3, 2, generator), random_mdp(4, 2, generator), np.full((3, 2), 0.5))


def test_deterministic_dynamics_have_one_entry_a_pair() -> None:
    mdp = chain_mdp(4)
    support = TransitionSupport(mdp, mdp, uniform_policy(mdp))
    np.testing.assert_array_equal(support.pair, np.arange(8))


@given(mdp_model_and_policies())
def test_arrays_and_sparse_matrices_give_the_same_entries(case: Case) -> None:
    mdp, model = case.mdp.to_dense(), case.model.to_dense()
    data = transition_occupancy(mdp, case.behavior)
    plain = TransitionSupport(mdp.to_sparse(), model.to_sparse(), sparse.csr_array(data.reshape(-1, mdp.n_states)))
    for given_data in (case.behavior, data):
        found = TransitionSupport(mdp, model, given_data)
        np.testing.assert_array_equal(found.pair, plain.pair)
        np.testing.assert_array_equal(found.next_state, plain.next_state)
        np.testing.assert_array_equal(found.true_row, plain.true_row)
        np.testing.assert_array_equal(found.model_row, plain.model_row)
        np.testing.assert_allclose(found.data, plain.data, atol=1e-15)


@pytest.mark.parametrize("storage", ["dense", "sparse"])
def test_data_that_are_no_distribution_over_transitions_are_refused(storage: str) -> None:
    mdp = chain_mdp(3)
    mdp = mdp if storage == "dense" else mdp.to_sparse()
    table = np.asarray(mdp.to_dense().dynamics) / 6.0
    negative = table.copy()
    negative[0, 0, 0] -= 1.0
    negative[1, 0, 0] += 1.0
    for data, expected, message in (
        (np.ones(7), InvalidShapeError, "data has shape (7,); "),
        (table.transpose(0, 2, 1), InvalidShapeError, "expected [3, 2, 3] or [3, 2] or [6, 3]"),
        (table * 1000.0, InvalidDistributionError, "data sums to 1000; "),
        (sparse.csr_array(table.reshape(6, 3) / 2.0), InvalidDistributionError, "data sums to 0.5; "),
        (negative, InvalidDistributionError, "data has the entry "),
        (np.full((3, 2), 1.0), InvalidDistributionError, "policy[0] sums to 2; "),
        (sparse.coo_array(table), InvalidShapeError, "data: 3 axes; expected a matrix"),
        (table.astype(complex), InvalidArgumentError, "data is not an array of real numbers"),
        (
            sparse.csr_array(table.reshape(6, 3).astype(complex)),
            InvalidArgumentError,
            "data: entries of dtype complex128",
        ),
    ):
        with pytest.raises(expected, match=re.escape(message)):
            TransitionSupport(mdp, mdp, data)


def test_sparse_data_with_repeated_entries_are_read_and_left_alone() -> None:
    mdp = FiniteMDP(np.ones((1, 1, 1)), np.zeros((1, 1)), np.ones(1), 0.5).to_sparse()
    halves = sparse.csr_array((np.array([0.5, 0.5]), np.array([0, 0]), np.array([0, 2])), shape=(1, 1))
    np.testing.assert_array_equal(TransitionSupport(mdp, mdp, halves).data, [1.0])
    np.testing.assert_array_equal(halves.data, [0.5, 0.5])


def test_a_model_of_another_problem_and_a_wrong_policy_are_refused() -> None:
    mdp = chain_mdp(3)
    with pytest.raises(InvalidDiscountError, match=r"has discount 0\.9 and .* 0\.5; expected the same"):
        TransitionSupport(mdp, mdp.with_discount(0.5), uniform_policy(mdp))
    support = TransitionSupport(mdp, mdp, uniform_policy(mdp))
    with pytest.raises(InvalidDistributionError, match="policy"):
        support.occupancies(np.ones((3, 2)))
    from_list = support.occupancies(uniform_policy(mdp).tolist())
    np.testing.assert_array_equal(from_list.policy, uniform_policy(mdp))
