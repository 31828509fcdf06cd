"""Deep CQL's critics for a fixed policy, on a finite problem with one-hot states, against the fixed point of CQL(H)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from continuous.algorithms.cql.learner import ConservativeConfig, ConservativeLearner
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.experiments.finite import encoded
from continuous.networks.streams import SeedStreams
from tabular.bounds.conservative_value import entropic_value
from tabular.exact.occupancy import action_value
from tabular.exact.policy import uniform_policy
from tabular.types import Floats, Policy
from tests.twins.test_twin_sac import DISCOUNT, GRID, S, problem, transitions

WEIGHT = 4.0  # of deep CQL's conservative term beside an error that is not halved: alpha is half of it
SEEDS = (0,)
ACTIONS = -1.0 + 2.0 * (np.arange(GRID) + 0.5) / GRID


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


def learner() -> ConservativeLearner:
    """Whose policy and temperature stay as they are drawn."""
    config = ConservativeConfig(
        discount=DISCOUNT, target_rate=0.05, critic_learning_rate=3e-3, policy_learning_rate=0.0,
        temperature_learning_rate=0.0, hidden=(32, 32), policy=SquashedGaussianConfig(hidden=(32,)),
        conservative_weight=WEIGHT, sampled_actions=16,
    )  # fmt: skip
    return ConservativeLearner(S, 1, config, SEEDS)


@torch.no_grad()
def policy_on_grid(deep: ConservativeLearner) -> Policy:
    """The chances of its actions in cells of equal width, [K, S, GRID], from 4,000 quantiles of its noise."""
    nodes = norm.ppf((np.arange(4000) + 0.5) / 4000)
    noise = torch.tensor(np.tile(nodes, S), dtype=torch.float32)[:, None].expand(len(SEEDS), -1, -1)
    state = encoded(np.repeat(np.arange(S), 4000), S).expand(len(SEEDS), -1, -1)
    action = deep.policy.sample(state, noise)[0].numpy().reshape(len(SEEDS) * S, 4000)
    cells = np.clip(((action + 1.0) / 2.0 * GRID).astype(int), 0, GRID - 1)
    return np.stack([np.bincount(row, minlength=GRID) / 4000 for row in cells]).reshape(len(SEEDS), S, GRID)


@torch.no_grad()
def critics_on_grid(deep: ConservativeLearner) -> Floats:
    """Mean of the twins, [K, S, GRID]."""
    state = encoded(np.repeat(np.arange(S), GRID), S).expand(len(SEEDS), -1, -1)
    action = torch.tensor(np.tile(ACTIONS, S), dtype=torch.float32)[:, None].expand(len(SEEDS), -1, -1)
    return deep.action_value(state, action).mean(1).numpy().reshape(len(SEEDS), S, GRID)


def test_deep_critics_converge_to_the_exact_fixed_point_of_cql() -> None:
    """Within 0.13 at every state and action, averaged over the last third of 1,200 updates; values range over 2.4.

    The data are drawn anew for each update: states and actions uniform, so that pi_b is. Values without the penalty, or
    with one twice as large, are told apart.
    """
    deep, streams = learner(), SeedStreams(SEEDS, "updates")
    mdp = problem(np.tile(ACTIONS, (S, 1)), DISCOUNT)
    behavior = uniform_policy(mdp)
    found = []
    for step in range(1200):
        batch, draws = transitions(64, streams), deep.draw_actions(streams, 64)
        deep.update_conservatively(batch, streams.normal(64, 1), streams.normal(64, 1), draws, data_rows=64)
        if step >= 800 and step % 20 == 0:
            found.append(critics_on_grid(deep))
    average = np.mean(found, axis=0)[0]
    (policy,) = policy_on_grid(deep)
    exact = entropic_value(mdp, policy, behavior, WEIGHT / 2.0)
    np.testing.assert_allclose(average, exact, atol=0.13)
    for other in (action_value(mdp, policy), entropic_value(mdp, policy, behavior, WEIGHT)):
        assert np.abs(other - average).max() > 0.19
