"""FiniteMDP's checks name the offending entry in one line."""

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from ampl.errors import (
    AmplError,
    InvalidArgumentError,
    InvalidDiscountError,
    InvalidDistributionError,
    InvalidRewardError,
    InvalidShapeError,
)
from tabular.bounds.conservative_value import action_divergence, action_ratio
from tabular.bounds.pessimistic_mdp import discounted_hitting_time
from tabular.bounds.theorem1 import return_gap
from tabular.exact.dataset import sample_dataset
from tabular.exact.occupancy import expected_return, occupancy
from tabular.exact.policy import uniform_policy
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.probabilities import check_rows
from tabular.types import Floats
from tabular.weights.contraction import sup_norm_factor
from tabular.weights.moments import q_moment
from tabular.weights.operator import exact_weights
from tests.tabular.mdps.toy_mdp import sparse_arrays, toy_arrays


def _spoiled(name: str, index: tuple[int, ...], value: float) -> dict[str, Any]:
    arrays = toy_arrays()
    arrays[name][index] = value
    return arrays


def _error(expected: type[AmplError], arrays: dict[str, Any]) -> str:
    with pytest.raises(expected) as caught:
        FiniteMDP(**arrays, name="toy")
    message = str(caught.value)
    assert "\n" not in message
    assert "toy" in message
    return message


@pytest.mark.parametrize("change", [lambda arrays: arrays, sparse_arrays])
def test_a_row_that_does_not_sum_to_one_is_named_with_its_sum(change: Any) -> None:
    message = _error(InvalidDistributionError, change(_spoiled("dynamics", (1, 0, 0), 0.25)))
    assert "[1, 0] sums to 1.25" in message
    assert "maximum_likelihood" in message  # the mend, if the array holds counts


@pytest.mark.parametrize("change", [lambda arrays: arrays, sparse_arrays])
def test_a_negative_probability_is_named(change: Any) -> None:
    arrays = _spoiled("dynamics", (0, 1, 0), 1.5)
    arrays["dynamics"][0, 1, 1] = -0.5
    assert "[0, 1, 1] is -0.5" in _error(InvalidDistributionError, change(arrays))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("change", [lambda arrays: arrays, sparse_arrays])
def test_a_probability_that_is_not_finite_is_named(change: Any, value: float) -> None:
    assert "[1, 1] holds NaN" in _error(InvalidDistributionError, change(_spoiled("dynamics", (1, 1, 0), value)))


def test_initial_distribution_is_checked() -> None:
    assert "sums to 1.5" in _error(InvalidDistributionError, _spoiled("initial", (1,), 0.5))
    wrong = {"initial": np.array([1.5, -0.5])}
    assert "initial of toy[1] is -0.5" in _error(InvalidDistributionError, toy_arrays() | wrong)
    wrong = {"initial": np.array([np.nan, 1.0])}
    assert "initial of toy holds NaN" in _error(InvalidDistributionError, toy_arrays() | wrong)


@pytest.mark.parametrize("discount", [1.0, -0.1, 1.5, np.nan, np.inf])
def test_a_discount_outside_its_range_is_refused(discount: float) -> None:
    assert "[0, 1)" in _error(InvalidDiscountError, toy_arrays() | {"discount": discount})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_reward_that_is_not_finite_is_named(value: float) -> None:
    assert "[1, 0]" in _error(InvalidRewardError, _spoiled("reward", (1, 0), value))


def test_a_reward_beyond_the_stated_bound_is_named() -> None:
    message = _error(InvalidRewardError, _spoiled("reward", (0, 1), -2.0) | {"reward_bound": 1.0})
    assert "[0, 1] is -2" in message
    _error(InvalidRewardError, toy_arrays() | {"reward_bound": np.nan})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"dynamics": np.ones((2, 2, 3)) / 3.0}, "reward [2, 2] and dynamics [2, 2, 3] of "),
        ({"dynamics": np.ones((3, 2, 2)) / 2.0}, "expected [S, A] and [S, A, S]."),
        ({"dynamics": sparse.csr_array(np.eye(2))}, "reward [2, 2] and sparse dynamics [2, 2] of "),
        ({"reward": np.zeros((2, 1))}, "reward [2, 1] and dynamics [2, 2, 2] of "),
        ({"reward": np.zeros(2)}, "expected [S, A]"),
        ({"reward": np.zeros((0, 2))}, "expected [S, A]"),
        ({"initial": np.ones(3) / 3.0}, "expected [S]"),
        ({"initial": np.ones((1, 2)) / 2.0}, "expected [S]"),
    ],
)
def test_shapes_that_disagree_are_refused_with_the_expected_one(wrong: dict[str, Any], words: str) -> None:
    assert words in _error(InvalidShapeError, toy_arrays() | wrong)


def test_policies_are_checked_where_they_are_used() -> None:
    mdp = FiniteMDP(**toy_arrays())
    with pytest.raises(InvalidShapeError, match=r"expected \[2, 2\]"):
        mdp.policy_dynamics(np.ones((3, 2)) / 2.0)
    with pytest.raises(InvalidDistributionError, match=r"policy\[1\] sums to 0\.75"):
        mdp.policy_dynamics(np.array([[0.5, 0.5], [0.5, 0.25]]))
    with pytest.raises(InvalidDistributionError, match=r"policy\[0, 1\] is -1"):
        mdp.policy_dynamics(np.array([[2.0, -1.0], [0.5, 0.5]]))
    mdp.check_policy(uniform_policy(mdp))


def test_a_row_just_inside_the_tolerance_passes_and_one_just_outside_does_not() -> None:
    check_rows("rows", np.array([[0.5, 0.5 + 9e-10]]))
    with pytest.raises(InvalidDistributionError):
        check_rows("rows", np.array([[0.5, 0.5 + 2e-9]]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_policy_of_few_digits_is_judged_as_what_it_is_in_float64(dtype: Any) -> None:
    mdp = FiniteMDP(np.full((2, 3, 2), 0.5), np.zeros((2, 3)), np.full(2, 0.5), 0.999)
    thirds = np.full((2, 3), 1.0 / 3.0, dtype)
    assert abs(thirds.sum(axis=1)[0] - dtype(1.0)) <= 1e-9  # in their own precision they do
    for check in (mdp.check_policy, mdp.policy_dynamics, lambda rows: check_rows("rows", rows)):
        with pytest.raises(InvalidDistributionError, match=r"\[0\] sums to 1 [-+] .*normalize it in float64"):
            check(thirds)
    exact = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]], dtype)
    assert mdp.check_policy(exact).dtype == np.float64
    np.testing.assert_array_equal(mdp.policy_dynamics(exact), mdp.policy_dynamics(exact.astype(np.float64)))


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("change", [lambda rows: rows.tolist(), lambda rows: rows.astype(int), lambda rows: rows > 0.0])
def test_policies_may_be_lists_integers_or_booleans(is_sparse: bool, change: Any) -> None:
    mdp = FiniteMDP(**(sparse_arrays(toy_arrays()) if is_sparse else toy_arrays()))
    model, half = mdp.with_dynamics(mdp.dynamics), np.full((2, 2), 0.5)
    functions: tuple[Any, ...] = (
        lambda policy: occupancy(mdp, policy),
        lambda policy: expected_return(mdp, policy),
        lambda policy: sup_norm_factor(mdp, policy, half),
        lambda policy: sup_norm_factor(mdp, half, policy),
        lambda policy: exact_weights(mdp, policy, half),
        lambda policy: action_ratio(policy, half),
        lambda policy: action_divergence(policy, half),
        lambda policy: return_gap(mdp, model, policy),
        lambda policy: discounted_hitting_time(mdp, policy, half > 0.0),
        lambda policy: sample_dataset(mdp, policy, 9, np.random.default_rng(0)).next_action,
        lambda policy: q_moment(mdp, policy, occupancy(mdp, half), mdp.reward).coefficients,
    )
    for function in functions:
        np.testing.assert_array_equal(function(change(np.eye(2))), function(np.eye(2)))


COMPLEX, RAGGED, TEXT = np.array([[1j, 0.0], [0.0, 1.0]]), [[0.0, 1.0], [0.0]], [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        *(({"reward": array}, "reward of toy is not an array of real numbers") for array in (COMPLEX, RAGGED, TEXT)),
        ({"reward": [["1", "2"], ["3", "4"]]}, "reward of toy is not an array"),
        ({"reward": None}, "reward of toy is not an array"),
        ({"reward": np.array([[None, 1.0], [0.0, 0.0]])}, "reward of toy is not an array"),
        ({"reward": np.zeros((2, 2), "datetime64[s]")}, "reward of toy is not an array"),
        ({"reward": [[10**400, 0], [0, 0]]}, "reward of toy is not an array"),
        ({"initial": np.array([1.0 + 0.5j, 0.0])}, "initial of toy is not an array"),
        ({"dynamics": np.full((2, 2, 2), 0.5 + 1j)}, "dynamics of toy is not an array"),
        ({"dynamics": sparse.csr_array(np.full((4, 2), 0.5 + 1j))}, "dynamics of toy: entries of dtype complex128"),
        *(
            ({"discount": value}, "discount of toy is .*; expected a real")
            for value in (None, "0.9", 0.9j, [0.9], True)
        ),
        *(({"reward_bound": value}, "reward_bound of toy is .*; expected a real") for value in ("1", 1j, [2.0])),
    ],
)
def test_what_is_no_real_number_is_refused_and_never_converted(wrong: dict[str, Any], words: str) -> None:
    assert re.search(words, _error(InvalidArgumentError, toy_arrays() | wrong))


def test_real_numbers_of_any_type_are_taken() -> None:
    arrays = toy_arrays()
    lists = {name: np.asarray(value, dtype=object).tolist() for name, value in arrays.items()}
    for each in (lists, arrays | {"discount": np.array(0.9), "reward_bound": np.float32(1.0)}):
        mdp = FiniteMDP(**each)
        np.testing.assert_array_equal(mdp.dynamics, arrays["dynamics"])
        assert (mdp.discount, mdp.reward_bound) == (0.9, 1.0)
    assert FiniteMDP(**arrays | {"reward": [[True, Fraction(1, 2)], [0, 1]]}).reward[0, 1] == 0.5


ROUNDED = {
    "float32": np.array([0.1, 0.9], np.float32).astype(np.float64),
    "digits": np.array([0.333333, 0.666666]),
    "barely": np.array([0.5 + 2e-9, 0.5]),
}


def build_with(row: Floats, what: str) -> None:
    """Puts the row into one of the four places where a distribution is checked."""
    good, bad = np.full((2, 1, 2), 0.5), np.stack([row, row])
    if what == "policy":
        FiniteMDP(np.full((2, 2, 2), 0.5), np.zeros((2, 2)), np.full(2, 0.5), 0.9).check_policy(bad)
    elif what == "initial":
        FiniteMDP(good, np.zeros((2, 1)), row, 0.9)
    else:
        FiniteMDP(bad[:, None] if what == "dynamics" else sparse.csr_array(bad), np.zeros((2, 1)), np.full(2, 0.5), 0.9)


@pytest.mark.parametrize("name", ROUNDED)
@pytest.mark.parametrize("what", ["dynamics", "sparse dynamics", "initial", "policy"])
def test_rounded_rows_are_refused_with_how_far_they_are_off_and_the_remedy(name: str, what: str) -> None:
    row = ROUNDED[name]
    off = row.sum() - 1.0
    with pytest.raises(InvalidDistributionError) as raised:
        build_with(row, what)
    message = str(raised.value)
    which = "it" if what == "initial" else "every row"
    assert f"sums to 1 {'-' if off < 0.0 else '+'} {abs(off):.2e}; {which} must sum to 1 within 1e-09" in message
    assert "normalize it in float64: row / row.sum()" in message
    assert "counts" not in message


@pytest.mark.parametrize("is_sparse", [False, True])
def test_rows_within_the_tolerance_become_exact_and_exact_ones_stay(is_sparse: bool) -> None:
    dynamics = np.array([[0.5 + 5e-10, 0.5], [0.1, 0.9]])
    given = sparse.csr_array(dynamics) if is_sparse else dynamics[:, None, :]
    mdp = FiniteMDP(given, np.zeros((2, 1)), np.array([0.25 + 5e-10, 0.75]), 0.9)
    rows = mdp.to_dense().dynamics[:, 0]
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=0.0, atol=1e-15)
    np.testing.assert_array_equal(rows[1], dynamics[1])
    assert mdp.initial.sum() == pytest.approx(1.0, abs=1e-15)
    assert dynamics[0, 0] == 0.5 + 5e-10  # the caller's array
