"""The yardstick of TD3+BC computes what the project computes: equal losses and gradients."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.plain_baselines import PlainCQL, PlainTD3BC
from benchmarks.plain_mopo import BATCH
from continuous.algorithms.td3_bc.config import TD3BCConfig
from continuous.algorithms.td3_bc.td3_bc import TD3BCLearner
from continuous.replay.buffers import TransitionTable
from tests.benchmarks.test_plain_mopo import ROWS, assert_same_gradients, data_of, take_over


def test_td3_bcs_losses_and_gradients_agree() -> None:
    torch.manual_seed(0)
    data = data_of(ROWS)
    columns = {name: torch.from_numpy(column) for name, column in data.items()}
    columns["terminal"] = torch.from_numpy(data["terminal"] > 0)
    table = TransitionTable(**columns, start_state=columns["state"])
    plain, ours = PlainTD3BC(data), TD3BCLearner(table, TD3BCConfig(), [0])
    with torch.no_grad():
        for parameter in (*plain.policy_target.parameters(), *plain.first_target.parameters()):
            parameter.add_(0.05 * torch.randn_like(parameter))
        take_over(ours.policy.network, plain.policy)
        take_over(ours.policy_target, plain.policy_target)
        take_over(ours.critic_online, plain.first_critic, plain.second_critic)
        take_over(ours.critic_target, plain.first_target, plain.second_target)
    index = np.arange(64)
    host = {name: torch.from_numpy(column[index]) for name, column in plain.real.columns.items()}
    batch = ours.standardized(table.gather(torch.from_numpy(index)[None]))
    torch.testing.assert_close(batch.state[0], host["state"], atol=1e-5, rtol=1e-4)

    noise = 3.0 * torch.randn(64, host["action"].shape[1])
    loss = plain.critic_loss(host, noise)
    loss.backward()  # type: ignore[no-untyped-call]
    seen = {}
    ours.critic_optimizer.step = lambda gradient: seen.update(critics=gradient)  # type: ignore[method-assign]
    ours.update(table.gather(torch.from_numpy(index)[None]), noise[None], trains_policy=False)
    torch.testing.assert_close(ours.sums["critic/loss"][0], loss.detach(), rtol=1e-4, atol=1e-5)
    assert_same_gradients(seen["critics"], ours.critic_online, plain.first_critic, plain.second_critic)

    policy_loss = plain.policy_loss(host)
    policy_loss.backward()  # type: ignore[no-untyped-call]
    found = ours.policy_loss(batch)[0].sum()
    torch.testing.assert_close(found.detach(), policy_loss.detach(), rtol=1e-4, atol=1e-5)
    assert_same_gradients(ours.policy.network.gradient(found), ours.policy.network, plain.policy)


def test_cql_pushes_up_every_row_of_its_batch_which_is_all_data() -> None:
    plain = PlainCQL(data_of(ROWS), 1)
    assert len(plain.mixed()["reward"]) == plain.data_rows == BATCH
