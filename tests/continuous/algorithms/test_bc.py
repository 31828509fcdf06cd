"""Behavior cloning: which transitions, which likelihood, which observations."""

from __future__ import annotations

import numpy as np
import torch

from ampl.randomness import stream
from continuous.algorithms.bc.bc import Imitation, best
from continuous.algorithms.bc.config import main_config
from continuous.algorithms.bc.policy import TanhPolicy, TanhPolicyConfig
from continuous.data.linear_gaussian_data import sampled_data
from continuous.data.transitions import transition_table
from continuous.linear_gaussian.tasks import find_linear_gaussian
from continuous.networks.stacks import frozen
from continuous.networks.streams import SeedStreams
from continuous.tasks.find import find_task
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


def test_the_best_tenth_of_one_policys_episodes_says_nothing_of_where_the_others_start() -> None:
    """On lqr-pointmass, where its clones diverge: mean actions off from the behavior's, root mean square."""
    torch.set_num_threads(1)
    task, seeds = find_task("lqr-pointmass"), [0]
    table = transition_table(sampled_data(task), task)
    position = table.state[:, 0].abs()
    behavior = table.state @ torch.tensor(find_linear_gaussian(task.name).behavior.gain.T, dtype=torch.float32)
    best_tenth, other_tenth = best(table, 0.1), table.selected(torch.arange(20_000).view(20, 10, 100)[:, 0].flatten())
    assert best_tenth.state[:, 0].abs().max() < 0.6 < position.max() / 2.0
    off = {}
    for name, rows in (("best", best_tenth), ("other", other_tenth)):
        deep, streams = Imitation(rows, main_config(task), seeds), SeedStreams(seeds, "updates")
        for _ in range(2000):
            deep.update(rows.sample(256, streams))
        with torch.no_grad():
            error = (deep.policy.best_action(table.state[None]) - behavior).square().mean(-1)
        off[name] = [error[:, where].mean().sqrt() for where in (position < 0.5, position > 0.6)]
    assert max(off["best"][0], off["other"][0]) < 0.1  # both know what is done near the target
    assert off["best"][1] > 2.0 * off["other"][1]  # equally many rows
