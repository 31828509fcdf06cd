"""Behavior cloning: which transitions, which likelihood, which observations."""

from __future__ import annotations

import numpy as np
import torch

from ampl.randomness import stream
from continuous.algorithms.bc.bc import best
from continuous.algorithms.bc.policy import TanhPolicy, TanhPolicyConfig
from continuous.networks.stacks import frozen
from tests.continuous.algorithms.small_ampl import line_table
from tests.continuous.algorithms.small_model_free import small_model_free


def test_the_best_share_are_the_transitions_of_the_episodes_of_largest_return_in_their_order() -> None:
    table = line_table(40).changed(episode_return=torch.tensor([3.0, 9.0, 9.0, 1.0]).repeat_interleave(10))
    chosen = best(table, 0.3)
    torch.testing.assert_close(chosen.rows, table.rows[[*range(10, 22)]])
    assert chosen.start_state is table.start_state
    config = small_model_free("bc", variant="best-tenth")
    assert config.table.n_transitions == 40
    assert config.table.episode_return.min() >= line_table().episode_return.quantile(0.9)  # type: ignore[union-attr]


def test_the_likelihood_is_that_of_independent_normal_distributions() -> None:
    policy = TanhPolicy(2, 3, TanhPolicyConfig(hidden=(8,), gaussian=True, lowest_log_std=-1.0), [0, 1])
    policy.spread.values.copy_(torch.tensor([0.5, -0.3, -7.0, 0.1, 0.0, 9.0]))  # type: ignore[union-attr]
    state, action = torch.randn(2, 5, 2), torch.rand(2, 5, 3) * 2.0 - 1.0
    std = torch.tensor([[0.5, -0.3, -1.0], [0.1, 0.0, 2.0]]).exp()[:, None]
    expected = torch.distributions.Normal(policy.network(state).tanh(), std).log_prob(action).sum(-1)
    torch.testing.assert_close(policy.log_probability(state, action), expected)


def test_policies_standardize_the_observations_that_they_are_given_as_td3_bcs_code_does() -> None:
    table = line_table().changed(state=5.0 + 3.0 * line_table().state)
    policy = TanhPolicy(2, 1, TanhPolicyConfig(hidden=(8,)), [0, 1])
    bare = frozen(policy)
    policy.fit_inputs(table)
    states = table.state.numpy()
    inputs = (states - states.mean(0)) / (states.std(0) + 1e-3)
    acting = policy.snapshot(1)(states, stream(0, "none"))
    np.testing.assert_allclose(acting, bare.best_action(torch.from_numpy(inputs))[1], atol=1e-5)
    np.testing.assert_allclose(acting, policy.best_action(table.state[None])[1].detach(), atol=1e-6)
