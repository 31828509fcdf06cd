"""What CQL adds to the conservative critics: CQL(rho), and the learned weight."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from continuous.algorithms.cql.cql import CQLLearner
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch
from tests.continuous.algorithms.small_ampl import line_table
from tests.continuous.algorithms.small_model_free import small_config


def learner_and_batch(variant: str, **changes: Any) -> tuple[CQLLearner, Batch]:
    learner = CQLLearner(2, 1, small_config("cql", variant, **changes).learner, [0, 1])
    return learner, line_table().sample(16, SeedStreams([0, 1], "batch"))


@torch.no_grad()
def test_cql_rho_pushes_down_the_logarithm_of_the_mean_of_exp_q_over_the_policys_actions() -> None:
    learner, batch = learner_and_batch("rho", sampled_actions=7)
    draws = learner.draw_actions(SeedStreams([0, 1], "draws"), 16)
    _, gap = learner.values_and_gap(batch, draws, 16, 0)
    for seed in range(2):
        for twin in range(2):
            down = up = 0.0
            for row in range(16):
                state = batch.state[seed, row]
                mean, log_std = learner.policy.network(batch.state)[seed, row].chunk(2)
                pairs = [torch.cat((state, (mean + log_std.exp() * noise).tanh())) for noise in draws.noise[seed, row]]
                values = learner.critic_online(torch.stack(pairs).expand(2, 2, -1, -1))[seed, twin, :, 0]
                down += float(values.exp().sum().log()) / 16
                value = learner.critic_online(torch.cat((state, batch.action[seed, row])).expand(2, 2, 1, -1))
                up += float(value[seed, twin, 0, 0]) / 16
            assert float(gap[seed, twin]) == pytest.approx(down - up, abs=1e-5)


def test_the_learned_weight_grows_while_the_gap_is_above_the_threshold_and_falls_below() -> None:
    learner, _ = learner_and_batch("lagrange", gap_threshold=2.0)
    gap = torch.tensor([[3.0, 5.0], [1.0, 0.5]], requires_grad=True)  # of two seeds
    torch.testing.assert_close(learner.conservative_cost(gap), gap - 2.0)  # it begins at one
    rate = learner.config.conservative_learning_rate  # what Adam's first step moves the logarithm by
    weight = torch.tensor([rate, -rate]).exp()
    torch.testing.assert_close(learner.levels["critic/conservative_weight"], weight)
    torch.testing.assert_close(learner.conservative_cost(gap), weight[:, None] * (gap - 2.0))
