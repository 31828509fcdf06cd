"""A FiniteMDP keeps what it has checked: neither the caller's arrays nor its own can change it afterwards."""

import copy
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from ampl.real_numbers import read_only
from tabular.exact.occupancy import expected_return
from tabular.exact.policy import uniform_policy
from tabular.mdps.mdp import FiniteMDP
from tests.tabular.mdps.toy_mdp import sparse_arrays, toy_arrays


@pytest.mark.parametrize("arrays", [toy_arrays(), sparse_arrays(toy_arrays())])
def test_the_given_arrays_can_be_written_to_afterwards(arrays: dict[str, Any]) -> None:
    arrays = {name: copy.deepcopy(value) for name, value in arrays.items()}
    mdp = FiniteMDP(**arrays)
    before = expected_return(mdp, uniform_policy(mdp))
    dynamics = arrays["dynamics"]
    for array in (arrays["reward"], arrays["initial"], dynamics.data if sparse.issparse(dynamics) else dynamics):
        array[...] = 7.0
    assert expected_return(mdp, uniform_policy(mdp)) == before


@pytest.mark.parametrize("arrays", [toy_arrays(), sparse_arrays(toy_arrays())])
def test_its_own_arrays_cannot(arrays: dict[str, Any]) -> None:
    mdp = FiniteMDP(**arrays)
    for array in (mdp.reward, mdp.initial, mdp.dynamics.data if mdp.is_sparse else mdp.dynamics):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


@pytest.mark.parametrize("arrays", [toy_arrays(), sparse_arrays(toy_arrays())])
def test_nor_can_those_of_an_mdp_that_was_copied(arrays: dict[str, Any]) -> None:
    mdp = copy.deepcopy(FiniteMDP(**arrays))  # goes by __setstate__, as a pickle on its way to another process does
    again = mdp.with_discount(0.25)
    assert again.reward is mdp.reward  # shared, as they cannot be written to
    for array in (mdp.reward, mdp.initial, mdp.dynamics.data if mdp.is_sparse else mdp.dynamics):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0.0


def test_read_only_views_of_what_can_be_written_to_are_copied() -> None:
    rows, reward = np.array([0.5, 0.5]), np.zeros((2, 2))
    view = reward.view()
    view.flags.writeable = False
    mdp = FiniteMDP(np.broadcast_to(rows, (2, 2, 2)), view, np.array([1.0, 0.0]), 0.5)
    rows[:], reward[:] = [0.1, 0.9], 7.0
    assert (mdp.dynamics == 0.5).all()
    assert (mdp.reward == 0.0).all()


def test_derived_mdps_share_their_arrays() -> None:
    dense = FiniteMDP(**toy_arrays())
    other = dense.with_discount(0.25)
    assert other.dynamics is dense.dynamics
    assert other.reward is dense.reward
    assert other.initial is dense.initial
    thin = dense.to_sparse()
    again = thin.with_discount(0.25)
    for part in ("data", "indices", "indptr"):
        assert np.shares_memory(getattr(again.dynamics, part), getattr(thin.dynamics, part))


def test_read_only_copies_what_can_be_written_to_in_its_own_layout() -> None:
    given = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    kept = read_only(given)
    given[0, 0] = 9.0
    assert kept[0, 0] == 0.0
    assert kept.flags.f_contiguous
    assert read_only(kept) is kept
