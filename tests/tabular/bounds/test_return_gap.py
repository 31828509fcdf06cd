"""The parts of the return gap add up, and each is zero where it must be."""

import numpy as np
import pytest
from hypothesis import given

from tabular.bounds.return_gap import dense_pairs, mix_models, split_return_gap
from tabular.exact.occupancy import expected_return, occupancy, state_value
from tabular.exact.policy import optimal_policy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Policy
from tests.strategies import Case, mdp_model_and_policies


@given(mdp_model_and_policies())
def test_the_parts_add_up_to_the_gap_and_each_is_a_sum_over_its_pairs(case: Case) -> None:
    dense, best = dense_pairs(case.behavior_occupancy), optimal_policy(case.mdp)
    parts = split_return_gap(case.mdp, case.model, case.policy, best, dense)
    gap = expected_return(case.mdp, best) - expected_return(case.mdp, case.policy)
    assert parts.total == pytest.approx(gap, abs=1e-12)
    chain = (case.mdp, mix_models(case.mdp, case.model, dense), case.model)
    errors = [_telescoped(*chain[i : i + 2], case.policy) - _telescoped(*chain[i : i + 2], best) for i in (0, 1)]
    assert not errors[0][~dense].any()
    assert not errors[1][dense].any()
    assert [error.sum() for error in errors] == pytest.approx([parts.dense, parts.sparse], abs=1e-9)


def _telescoped(mdp: FiniteMDP, model: FiniteMDP, policy: Policy) -> Floats:
    """What each pair adds to J(pi, model) - J(pi, mdp), by the simulation lemma, [S, A]."""
    value, differ = state_value(model, policy), mdp.to_dense().dynamics != model.to_dense().dynamics
    change = np.where(differ.any(-1), model.expect_next(value) - mdp.expect_next(value), 0.0)
    return mdp.discount * occupancy(mdp, policy) * change


@given(mdp_model_and_policies())
def test_a_true_model_has_no_error_and_the_best_policy_of_a_model_leaves_nothing_to_optimize(case: Case) -> None:
    dense, best = dense_pairs(case.behavior_occupancy), optimal_policy(case.mdp)
    parts = split_return_gap(case.mdp, case.mdp, case.policy, best, dense)
    assert parts.dense == pytest.approx(0.0, abs=1e-12)
    assert parts.sparse == pytest.approx(0.0, abs=1e-12)
    assert split_return_gap(case.mdp, case.model, optimal_policy(case.model), best, dense).optimization <= 1e-9


def test_the_dense_pairs_are_the_fewest_that_hold_the_share() -> None:
    data = np.array([[0.5, 0.3], [0.195, 0.005], [0.0, 0.0]])
    assert dense_pairs(data).tolist() == [[True, True], [True, False], [False, False]]
    assert dense_pairs(data, 1.0).tolist() == [[True, True], [True, True], [False, False]]
    assert dense_pairs(data, 0.5).tolist() == [[True, False], [False, False], [False, False]]
