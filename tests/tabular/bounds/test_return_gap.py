"""The parts of the return gap add up, and each is zero where it must be."""

import numpy as np
import pytest
from hypothesis import given

from tabular.bounds.return_gap import dense_pairs, overestimation, split_return_gap
from tabular.exact.occupancy import expected_return
from tabular.exact.policy import optimal_policy, uniform_policy
from tabular.mdps.generators import chain_mdp
from tests.strategies import Case, mdp_model_and_policies


@given(mdp_model_and_policies())
def test_the_parts_add_up_to_the_gap(case: Case) -> None:
    dense, best = dense_pairs(case.behavior_occupancy), optimal_policy(case.mdp)
    parts = split_return_gap(case.mdp, case.model, case.policy, best, dense)
    gap = expected_return(case.mdp, best) - expected_return(case.mdp, case.policy)
    assert parts.total == pytest.approx(gap, abs=1e-12)
    error = expected_return(case.model, case.policy) - expected_return(case.mdp, case.policy)
    assert overestimation(case.mdp, case.model, case.policy).sum() == pytest.approx(error, abs=1e-12)


@given(mdp_model_and_policies())
def test_a_true_model_has_no_error_and_its_best_policy_no_gap(case: Case) -> None:
    dense, best = dense_pairs(case.behavior_occupancy), optimal_policy(case.mdp)
    parts = split_return_gap(case.mdp, case.mdp, case.policy, best, dense)
    assert parts.dense == parts.sparse == 0.0
    assert split_return_gap(case.mdp, case.model, optimal_policy(case.model), best, dense).optimization <= 1e-9


def test_an_error_is_charged_to_the_pair_where_the_model_is_wrong() -> None:
    mdp = chain_mdp(4)
    dynamics = np.array(mdp.dynamics)
    dynamics[2, 1] = np.eye(4)[0]  # the last step of the way to the reward leads back, in the model
    right = np.tile([0.0, 1.0], (4, 1))
    error = overestimation(mdp, mdp.with_dynamics(dynamics), right)
    assert np.argwhere(error).tolist() == [[2, 1]]
    only = np.zeros((4, 2), dtype=bool)
    only[2, 1] = True
    parts = split_return_gap(mdp, mdp.with_dynamics(dynamics), uniform_policy(mdp), right, ~only)
    assert parts.dense == 0.0 != parts.sparse


def test_the_dense_pairs_are_the_fewest_that_hold_the_share() -> None:
    data = np.array([[0.5, 0.3], [0.195, 0.005], [0.0, 0.0]])
    assert dense_pairs(data).tolist() == [[True, True], [True, False], [False, False]]
    assert dense_pairs(data, 1.0).tolist() == [[True, True], [True, True], [False, False]]
    assert dense_pairs(data, 0.5).tolist() == [[True, False], [False, False], [False, False]]
