"""The slack of Theorem 1 splits into a model part and a policy part.  Source: theory.md, section 4."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from tabular.bounds.theorem1 import (
    ModelPolicyDivergence,
    bound_slack,
    model_policy_divergence,
    return_gap,
    theorem1_bound,
)
from tabular.mdps.generators import fork_mdp
from tests.strategies import Case, mdp_model_and_policies


@given(case=mdp_model_and_policies(same_support=True))
def test_gap_and_both_slacks_add_up_to_the_bound_and_neither_is_negative(case: Case) -> None:
    parts = model_policy_divergence(case.mdp, case.model, case.policy, case.behavior)
    gap = return_gap(case.mdp, case.model, case.policy)
    slack = bound_slack(gap, parts, case.mdp.discount, case.mdp.reward_bound)
    bound = theorem1_bound(parts.total, case.mdp.discount, case.mdp.reward_bound)
    assert slack.gap + slack.model_slack + slack.policy_slack == pytest.approx(bound, rel=1e-9, abs=1e-9)
    assert slack.model_slack >= -1e-9
    assert slack.policy_slack >= -1e-9


def test_there_is_no_policy_slack_at_the_behavior_policy() -> None:
    """One action, so pi = pi_b; by hand: D = KL(.7 || .3) d(start) = .4 log(7/3) (1 - discount)."""
    mdp, model, only = fork_mdp(0.5, 0.7), fork_mdp(0.5, 0.3), np.ones((3, 1))
    parts = model_policy_divergence(mdp, model, only, only)
    assert parts.model_part == pytest.approx(0.5 * 0.4 * np.log(7.0 / 3.0))
    slack = bound_slack(return_gap(mdp, model, only), parts, 0.5, 1.0)
    assert slack.policy_slack == 0.0
    assert slack.gap == pytest.approx(0.5 * 0.8)  # discount times the difference of the values .4 and -.4


def test_policy_slack_alone_makes_a_bound_without_a_gap() -> None:
    slack = bound_slack(0.0, ModelPolicyDivergence(model_part=0.0, policy_part=0.08), 0.5, 1.0)
    assert (slack.gap, slack.model_slack) == (0.0, 0.0)
    assert slack.policy_slack == pytest.approx(np.sqrt(2.0) * np.sqrt(0.08))
