"""The yardstick's actor-critic computes what the project's does: equal losses and steps at equal parameters."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.plain_mopo import PlainMOPO
from continuous.dataset import Batch
from continuous.networks import StackedMLP
from continuous.soft_actor_critic import SoftActorCritic, SoftActorCriticConfig

D, A, ROWS = 4, 2, 64


def linears(module: nn.Module) -> list[nn.Linear]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]


def take_over(stacked: StackedMLP, *modules: nn.Module) -> None:
    for layer in range(3):
        weight = stacked.parameters.views[f"weight{layer}"].detach().flatten(0, -3)
        bias = stacked.parameters.views[f"bias{layer}"].detach().flatten(0, -3)
        for index, module in enumerate(modules):
            weight[index].copy_(linears(module)[layer].weight.T)
            bias[index].copy_(linears(module)[layer].bias[None])


@pytest.fixture
def both() -> tuple[PlainMOPO, SoftActorCritic]:
    generator = np.random.default_rng(0)
    torch.manual_seed(0)  # the yardstick, like most code, draws from the global generator
    columns = {
        "state": generator.standard_normal((ROWS, D)),
        "action": np.tanh(generator.standard_normal((ROWS, A))),
        "reward": generator.standard_normal(ROWS),
        "next_state": generator.standard_normal((ROWS, D)),
        "terminal": np.arange(ROWS) % 5 == 0,
    }
    plain = PlainMOPO({name: column.astype(np.float32) for name, column in columns.items()})
    ours = SoftActorCritic(D, A, SoftActorCriticConfig(), [0])
    take_over(ours.policy._network, plain.actor)
    take_over(ours.critic_online, *plain.critics)
    take_over(ours.critic_target, *plain.targets)
    return plain, ours


def batches(plain: PlainMOPO) -> tuple[dict[str, torch.Tensor], Batch]:
    host = {name: torch.from_numpy(column) for name, column in plain.data.items()}
    stacked = {name: column[None] for name, column in host.items()}
    return host, Batch(**(stacked | {"terminal": stacked["terminal"] > 0}))


def test_the_critics_losses_are_equal(both: tuple[PlainMOPO, SoftActorCritic]) -> None:
    plain, ours = both
    host, batch = batches(plain)
    noise = torch.randn(ROWS, A)
    expected = torch.stack(plain.critic_losses(host, noise))
    target = ours.bellman_target(batch, noise[None])[:, None]
    found = 0.5 * (ours.action_value(batch.state, batch.action) - target).square().mean(-1)
    torch.testing.assert_close(found[0].detach(), expected.detach(), rtol=1e-5, atol=1e-6)


def test_one_update_moves_policy_critics_and_temperature_alike(
    both: tuple[PlainMOPO, SoftActorCritic], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, ours = both
    host, batch = batches(plain)
    now, following = torch.randn(ROWS, A), torch.randn(ROWS, A)
    critic_losses, actor_loss = plain.critic_losses, plain.actor_loss
    monkeypatch.setattr(plain, "batch", lambda: host)
    monkeypatch.setattr(plain, "critic_losses", lambda each: critic_losses(each, following))
    monkeypatch.setattr(plain, "actor_loss", lambda each: actor_loss(each, now))
    for _ in range(3):
        plain.update()
        ours.update(batch, now[None], following[None])
    fresh = SoftActorCritic(D, A, SoftActorCriticConfig(), [0])
    take_over(fresh.policy._network, plain.actor)
    take_over(fresh.critic_online, *plain.critics)
    take_over(fresh.critic_target, *plain.targets)
    for found, expected in (
        (ours.policy.parameters, fresh.policy.parameters),
        (ours.critic_online.parameters, fresh.critic_online.parameters),
        (ours.critic_target.parameters, fresh.critic_target.parameters),
    ):
        torch.testing.assert_close(found.of_seed(0), expected.of_seed(0), rtol=1e-3, atol=2e-5)
    assert float(ours.log_temperature[0]) == pytest.approx(float(plain.log_temperature.detach()), abs=1e-6)
