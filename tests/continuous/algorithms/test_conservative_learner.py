"""The conservative critics that CQL and COMBO share, against plain loops over rows and actions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from continuous.algorithms.cql.learner import ConservativeConfig, ConservativeLearner
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.networks.streams import SeedStreams
from tests.continuous.algorithms.test_soft_actor_critic import A, D, random_batch, values, vectors

B, N = 6, 3


def learner(weight: float = 0.7, seeds: tuple[int, ...] = (0,)) -> ConservativeLearner:
    config = ConservativeConfig(
        conservative_weight=weight,
        sampled_actions=N,
        hidden=(16, 16),
        policy=SquashedGaussianConfig(hidden=(16, 16)),
    )
    return ConservativeLearner(D, A, config, seeds)


@pytest.mark.parametrize("first", [0, 2])
def test_the_gap_is_the_importance_weighted_log_sum_less_the_datas_mean(first: int) -> None:
    """CQL(H): of 3 n actions at each state from row `first` on, over the density that each was drawn with."""
    conservative, batch = learner(), random_batch(1, rows=B)
    draws = conservative.draw_actions(SeedStreams((0,), "draws"), B - first)
    value, gap = conservative.values_and_gap(batch, draws, data_rows=2, first=first)
    critics, policy = conservative.critic_online.views, conservative.policy

    def q(twin: int, state: Tensor, action: Tensor) -> float:
        return float(values(critics, state[None], action[None])[twin].detach())

    for twin in range(2):
        down = []
        for row, (noise, next_noise, uniform) in enumerate(zip(*(kind[0] for kind in draws), strict=True), first):
            total = 0.0
            for drawn_at, kind in ((batch.state, noise), (batch.next_state, next_noise)):
                for one in kind:
                    action, log = policy.sample_with_log_probability(drawn_at[:, row : row + 1], one[None, None])
                    total += math.exp(q(twin, batch.state[0, row], action[0, 0]) - float(log.detach()))
            total += sum(math.exp(q(twin, batch.state[0, row], one)) / 0.5**A for one in uniform)
            down.append(math.log(total))
        up = [q(twin, batch.state[0, row], batch.action[0, row]) for row in range(B)]
        assert value[0, twin].tolist() == pytest.approx(up, abs=1e-5)
        assert float(gap[0, twin].detach()) == pytest.approx(sum(down) / len(down) - sum(up[:2]) / 2, abs=1e-4)


def test_an_update_follows_the_squared_error_and_the_weighted_gap_of_hard_targets() -> None:
    """What Adam is given, against autograd of the stated loss."""
    conservative, batch, streams = learner(), random_batch(1, rows=B), SeedStreams((0,), "draws")
    noise, next_noise, draws = streams.normal(B, A), streams.normal(B, A), conservative.draw_actions(streams, B)
    action = conservative.policy.sample(batch.next_state, next_noise)[0]
    twins = torch.stack(values(conservative.critic_target.views, batch.next_state[0], action[0]))
    target = (batch.reward[0] + 0.99 * ~batch.terminal[0] * twins.amin(0)).detach()
    value, gap = conservative.values_and_gap(batch, draws, data_rows=2, first=0)
    expected = conservative.critic_online.gradient(((value - target).square().mean(-1) + 0.7 * gap).sum())
    before = vectors(conservative)
    conservative.update_conservatively(batch, noise, next_noise, draws, data_rows=2)
    given = list(conservative.critic_optimizer.first_moment.views.values())
    for one, other in zip(expected, given, strict=True):
        torch.testing.assert_close(0.1 * one, other, rtol=1e-4, atol=1e-7)
    for name, after in vectors(conservative).items():
        assert (before[name] != after).any(), name
