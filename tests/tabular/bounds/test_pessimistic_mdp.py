"""MOReL's pessimistic MDP, where all can be worked out by hand, and where nothing is unknown."""

import numpy as np
import pytest
from hypothesis import given

from tabular.bounds.pessimistic_mdp import discounted_hitting_time, pessimistic_mdp, with_halt
from tabular.exact.occupancy import action_value, expected_return
from tabular.mdps.generators import chain_mdp
from tests.strategies import Case, mdp_model_and_policies


def test_an_unknown_pair_pays_its_reward_once_and_then_the_penalty_for_ever() -> None:
    mdp = chain_mdp(4, discount=0.5)
    right = np.tile([0.0, 1.0], (4, 1))
    unknown = np.zeros((4, 2), dtype=bool)
    unknown[2, 1] = True  # the step that is paid 1
    value = action_value(pessimistic_mdp(mdp, unknown, 3.0), with_halt(right))
    assert value[2, 1] == pytest.approx(1.0 - 0.5 * 3.0 / 0.5)
    assert value[0, 1] == pytest.approx(0.25 * value[2, 1])
    assert discounted_hitting_time(mdp, right, unknown) == pytest.approx(0.25)  # two steps before it


@given(mdp_model_and_policies())
def test_where_everything_is_known_nothing_changes(case: Case) -> None:
    known = np.zeros(case.policy.shape, dtype=bool)
    halting = pessimistic_mdp(case.model, known, 7.0)
    assert expected_return(halting, with_halt(case.policy)) == pytest.approx(
        expected_return(case.model, case.policy), abs=1e-9
    )
    assert discounted_hitting_time(case.mdp, case.policy, known) == 0.0
    assert discounted_hitting_time(case.mdp, case.policy, ~known) == pytest.approx(1.0)
