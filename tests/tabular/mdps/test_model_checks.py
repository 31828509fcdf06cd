"""A model must be the same MDP under other dynamics; what compares the two refuses any other."""

from typing import Any

import numpy as np
import pytest

from ampl.errors import (
    AmplError,
    InvalidDiscountError,
    InvalidDistributionError,
    InvalidRewardError,
    InvalidShapeError,
)
from tabular.bounds.penalized_mdp import telescoping
from tabular.bounds.return_gap import mix_models, split_return_gap
from tabular.bounds.theorem1 import coupling_bound, model_policy_divergence, return_gap, simulation_lemma_bound
from tabular.exact.policy import uniform_policy
from tabular.mdps.generators import chain_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.model_checks import check_model


def _chain_like(model: FiniteMDP, **changes: Any) -> FiniteMDP:
    parts = {"reward": model.reward, "initial": model.initial, "discount": model.discount} | changes
    return FiniteMDP(model.dynamics, **parts)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"discount": 0.5}, InvalidDiscountError),
        ({"initial": [0.0, 1.0, 0.0]}, InvalidDistributionError),
        ({"reward": np.ones((3, 2))}, InvalidRewardError),
    ],
)
def test_a_model_of_another_problem_is_refused(changes: dict[str, Any], expected: type[AmplError]) -> None:
    mdp = chain_mdp(3)
    model = _chain_like(mdp, **changes)
    policy = uniform_policy(mdp)
    for measure in (coupling_bound, simulation_lemma_bound):
        with pytest.raises(expected, match="expected the same"):
            measure(mdp, model)
    with pytest.raises(expected, match="expected the same"):
        return_gap(mdp, model, policy)
    with pytest.raises(expected, match="expected the same"):
        telescoping(mdp, model, policy)
    with pytest.raises(expected, match="expected the same"):
        split_return_gap(mdp, model, policy, policy, np.ones((3, 2), dtype=bool))
    if expected is not InvalidRewardError:  # D_pi does not depend on it
        with pytest.raises(expected, match="expected the same"):
            model_policy_divergence(mdp, model, policy, policy)


def test_the_message_has_the_first_entry_that_differs() -> None:
    mdp = chain_mdp(3)
    reward = np.array(mdp.reward)
    reward[1, 0] += 0.5
    with pytest.raises(InvalidRewardError, match=r"reward\[1, 0\] of .* is .* and of .*; expected the same\. Build"):
        check_model(mdp, _chain_like(mdp, reward=reward))
    check_model(mdp, _chain_like(mdp, reward=reward), same_reward=False)
    check_model(mdp, _chain_like(mdp, reward=np.array(mdp.reward)))


def test_a_mask_of_another_shape_is_refused() -> None:
    mdp = chain_mdp(3)
    with pytest.raises(InvalidShapeError, match="`where` has shape"):
        mix_models(mdp, mdp, np.ones(3, dtype=bool))
