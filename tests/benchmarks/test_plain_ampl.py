"""The yardstick computes what the project computes: equal losses at equal parameters and batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.plain_ampl import PlainAMPL
from continuous.algorithms.ampl.critic import CriticConfig, TwinCritic
from continuous.algorithms.ampl.discriminator import Discriminator, Pairs, RegularizerConfig
from continuous.algorithms.ampl.policy import ImplicitPolicyConfig
from continuous.model.loss import gaussian_loss
from continuous.model.network import DynamicsConfig, DynamicsNetwork
from continuous.networks.stacks import StackedMLP
from continuous.replay.buffers import Batch
from continuous.weights.estimator import Draws
from continuous.weights.q_moment import CriticTest, QMomentConfig

D, A, ROWS, NOISE = 4, 2, 64, 3


@pytest.fixture
def plain() -> PlainAMPL:
    generator = np.random.default_rng(0)
    torch.manual_seed(0)  # the yardstick, like most code, draws from the global generator
    columns = {
        "state": generator.standard_normal((ROWS, D)),
        "action": np.tanh(generator.standard_normal((ROWS, A))),
        "reward": generator.standard_normal(ROWS),
        "next_state": generator.standard_normal((ROWS, D)),
        "terminal": np.arange(ROWS) % 5 == 0,
        "start_state": generator.standard_normal((ROWS, D)),
    }
    return PlainAMPL({name: column.astype(np.float32) for name, column in columns.items()}, NOISE)


def take_over(stacked: StackedMLP, *modules: nn.Module) -> None:
    """Puts the parameters of plain modules into the copies of a stack of one seed."""
    copies = [stacked.views[f"weight{layer}"].detach().flatten(0, -3) for layer in range(3)]
    biases = [stacked.views[f"bias{layer}"].detach().flatten(0, -3) for layer in range(3)]
    for index, module in enumerate(modules):
        layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
        for layer, weight, bias in zip(layers, copies, biases, strict=True):
            weight[index].copy_(layer.weight.T)
            bias[index].copy_(layer.bias[None])


def columns_of(plain: PlainAMPL) -> tuple[dict[str, torch.Tensor], Batch]:
    host = {name: torch.from_numpy(column) for name, column in plain.data.items()}
    stacked = {name: column[None] for name, column in host.items() if name != "start_state"}
    return host, Batch(**(stacked | {"terminal": stacked["terminal"] > 0}))


@torch.no_grad()
def test_critic_targets_and_losses_agree(plain: PlainAMPL) -> None:
    critic = TwinCritic(D, A, CriticConfig(), [0])
    take_over(critic.online, *plain.critics)
    take_over(critic.target, *plain.target_critics)
    host, batch = columns_of(plain)
    next_action = torch.tanh(host["next_state"][:, :A])
    target = plain.bellman_target(host, next_action)
    torch.testing.assert_close(critic.bellman_target(batch, next_action[None])[0], target)
    expected = plain.critic_loss(host, next_action)
    with torch.enable_grad():
        torch.testing.assert_close(critic.update(batch, next_action[None])[0], expected)


@torch.no_grad()
def test_losses_of_discriminator_and_generator_agree(plain: PlainAMPL) -> None:
    discriminator = Discriminator(D, A, RegularizerConfig(), [0])
    take_over(discriminator.network, plain.discriminator)
    true, fake = torch.randn(2, ROWS, D + A, generator=torch.Generator().manual_seed(1))
    uniform = torch.rand(ROWS, generator=torch.Generator().manual_seed(2))
    ones = torch.ones(1, ROWS)
    pairs = [Pairs(pair=part[None], weight=ones, present=ones > 0) for part in (true, fake)]
    logits = [discriminator.logits(part) for part in pairs]
    loss = discriminator.discriminator_loss(logits[0], pairs[0], logits[1], pairs[1], uniform[None])
    torch.testing.assert_close(loss[0], plain.discriminator_loss(true, fake, 0.8 + 0.2 * uniform))
    torch.testing.assert_close(discriminator.generator_loss(logits[1], pairs[1])[0], plain.generator_loss(fake))


@torch.no_grad()
def test_losses_of_the_model_agree(plain: PlainAMPL) -> None:
    network = DynamicsNetwork(D, A, DynamicsConfig(), [torch.Generator().manual_seed(member) for member in range(7)])
    views = {name: view.detach() for name, view in network.members.views.items()}
    for layer, module in enumerate(plain.ensemble.layers):
        views[f"weight{layer}"][0].copy_(module.weight)
        views[f"bias{layer}"][0].copy_(module.bias)
    views["weight4"][0].copy_(torch.cat((plain.ensemble.mean.weight, plain.ensemble.log_std.weight), -1))
    views["bias4"][0].copy_(torch.cat((plain.ensemble.mean.bias, plain.ensemble.log_std.bias), -1))
    host, _ = columns_of(plain)
    inputs = torch.cat((host["state"], host["action"]), -1).expand(7, -1, -1)
    target = torch.cat((host["reward"][:, None], host["next_state"] - host["state"]), -1).expand(7, -1, -1)
    weights = torch.rand(7, ROWS, generator=torch.Generator().manual_seed(1))
    mean, log_std = network(inputs[None])
    ours = (gaussian_loss(mean, log_std, target[None]).mean(-1)[0] * weights).mean(-1).sum()
    penalty = 0.02 * (D + 1) * (0.25 + 5.0)
    torch.testing.assert_close(ours + penalty, plain.ensemble.loss(inputs, target, weights))


@torch.no_grad()
def test_both_sides_of_the_moment_equation_agree(plain: PlainAMPL, monkeypatch: pytest.MonkeyPatch) -> None:
    host, batch = columns_of(plain)
    policy = ImplicitPolicyConfig(noise_size=NOISE).build(D, A, [0], "cpu")
    take_over(policy.network, plain.policy.network)
    critic = TwinCritic(D, A, CriticConfig(), [0])
    take_over(critic.online, *plain.critics)
    take_over(critic.target, plain.target_value, plain.target_value)
    estimator = QMomentConfig(batch_size=ROWS, start_batch_size=ROWS).build(D, A, [0], None, "cpu")
    take_over(estimator.network, plain.weights)
    take_over(estimator.target, plain.target_weights)

    starts = host["start_state"][None]
    states = torch.cat((batch.state, batch.next_state, starts), 1)
    acted = policy.sample(states[:, ROWS:], torch.zeros(1, 2 * ROWS, NOISE))[0]  # a policy without noise
    monkeypatch.setattr(torch, "randn", lambda *shape: torch.zeros(*shape))
    _, left, right = plain.moment_sides(host, host["start_state"])
    (weights, value), ours = estimator.sides(Draws(batch, states, acted), CriticTest(critic))
    torch.testing.assert_close((weights * value).mean(-1)[0], left)
    torch.testing.assert_close(ours[0], right)
