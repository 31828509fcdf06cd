"""MOPO's yardstick computes what the project computes: equal losses, gradients and penalties at equal parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmarks.plain_mopo import BATCH, PENALTY_WEIGHT, REAL_ROWS, HostBuffer, PlainMOPO
from continuous.algorithms.mopo.config import MOPO_DYNAMICS, MOPOConfig
from continuous.algorithms.mopo.penalties import PenalizedModel
from continuous.algorithms.sac.learner import SoftActorCritic, SoftActorCriticConfig
from continuous.model.ensemble import EnsembleDynamics
from continuous.model.loss import gaussian_loss
from continuous.networks.stacks import StackedMLP
from continuous.replay.buffers import Batch, TransitionTable
from continuous.tasks.termination import never, of_next_state

D, A, ROWS, LOG_TEMPERATURE = 4, 2, 300, -0.7
FROZEN = SoftActorCriticConfig(
    policy_learning_rate=0.0, critic_learning_rate=0.0, temperature_learning_rate=0.0, target_rate=0.0
)
"""Without steps, every gradient of an update is taken at the parameters that the test has set."""


@dataclass
class Case:
    """Both with the same parameters, and one batch for both."""

    plain: PlainMOPO
    ours: SoftActorCritic
    host: dict[str, Tensor]
    batch: Batch
    noise: Tensor
    next_noise: Tensor


def data_of(rows: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    columns = {
        "state": generator.standard_normal((rows, D)) * (1.0 + np.arange(D)) + 0.5,
        "action": np.tanh(generator.standard_normal((rows, A))),
        "reward": generator.standard_normal(rows),
        "next_state": generator.standard_normal((rows, D)),
        "terminal": np.arange(rows) % 5 == 0,
    }
    return {name: column.astype(np.float32) for name, column in columns.items()}


def case_of(config: SoftActorCriticConfig) -> Case:
    torch.manual_seed(0)  # the yardstick, like most code, draws from the global generator
    data = data_of(ROWS)
    plain, ours = PlainMOPO(data, buffer_capacity=ROWS), SoftActorCritic(D, A, config, [0])
    with torch.no_grad():
        for parameter in chain(plain.first_target.parameters(), plain.second_target.parameters()):
            parameter.add_(0.05 * torch.randn_like(parameter))  # apart from the critics
        plain.policy.network[-1].bias[A] += 2.0  # some standard deviations are clipped, others not
        plain.log_temperature.fill_(LOG_TEMPERATURE)
        ours.log_temperature.fill_(LOG_TEMPERATURE)
        take_over(ours.policy.network, plain.policy)
        take_over(ours.critic_online, plain.first_critic, plain.second_critic)
        take_over(ours.critic_target, plain.first_target, plain.second_target)
    host = {name: torch.from_numpy(column) for name, column in data.items()}
    stacked = {name: column[None] for name, column in host.items()}
    batch = Batch(**(stacked | {"terminal": stacked["terminal"] > 0}))
    noise, next_noise = torch.randn(2, ROWS, A)
    return Case(plain, ours, host, batch, noise, next_noise)


def take_over(stacked: StackedMLP, *modules: nn.Module) -> None:
    """Puts the parameters of plain modules into the copies of a stack of one seed."""
    for name, values in gathered(modules, [parameters(module) for module in modules]).items():
        view = stacked.views[name].detach()
        view.copy_(values.view_as(view))


def parameters(module: nn.Module) -> list[Tensor]:
    return [parameter.detach() for parameter in module.parameters()]


def gradients(module: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in module.parameters() if parameter.grad is not None]


def gathered(modules: Sequence[nn.Module], values: Sequence[list[Tensor]]) -> dict[str, Tensor]:
    """Weights and biases of modules of linear layers, or their gradients, as a stack names and shapes them."""
    layers = len(values[0]) // 2
    assert all(len(own) == len(list(module.parameters())) for module, own in zip(modules, values, strict=True))
    stack: dict[str, Tensor] = {}
    for layer in range(layers):
        stack[f"weight{layer}"] = torch.stack([own[2 * layer].T for own in values])
        stack[f"bias{layer}"] = torch.stack([own[2 * layer + 1][None] for own in values])
    return stack


def recorded_update(case: Case, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Tensor]]:
    """The gradients that one update of ours hands to its three optimizers."""
    seen: dict[str, list[Tensor]] = {}
    for name in ("critic_optimizer", "policy_optimizer", "temperature_optimizer"):
        optimizer = getattr(case.ours, name)
        monkeypatch.setattr(optimizer, "step", lambda gradient, name=name: seen.update({name: gradient}))
    case.ours.update(case.batch, case.noise[None], case.next_noise[None])
    return seen


def assert_same_gradients(ours: list[Tensor], stack: StackedMLP, *modules: nn.Module) -> None:
    expected = gathered(modules, [gradients(module) for module in modules])
    for (name, view), gradient in zip(stack.views.items(), ours, strict=True):
        assert expected[name].any(), name
        scale = float(expected[name].abs().max())
        torch.testing.assert_close(gradient, expected[name].view_as(view), atol=1e-5 * scale, rtol=1e-4, msg=name)


def test_critic_losses_and_gradients_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(FROZEN)
    ours = recorded_update(case, monkeypatch)
    losses = case.plain.critic_losses(case.host, case.next_noise)
    sum(losses).backward()
    torch.testing.assert_close(case.ours.sums["critic/loss"][0], 0.5 * sum(losses).detach())
    plain = case.plain
    assert_same_gradients(ours["critic_optimizer"], case.ours.critic_online, plain.first_critic, plain.second_critic)


def test_the_policy_s_loss_and_gradient_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(FROZEN)
    ours = recorded_update(case, monkeypatch)
    loss, log_probability = case.plain.policy_loss(case.host["state"], case.noise)
    loss.backward()
    torch.testing.assert_close(case.ours.sums["policy/loss"][0], loss.detach())
    torch.testing.assert_close(case.ours.sums["policy/entropy_nats"][0], -log_probability.detach().mean())
    assert_same_gradients(ours["policy_optimizer"], case.ours.policy.network, case.plain.policy)


def test_the_temperature_s_loss_and_gradient_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(FROZEN)
    (slope,) = recorded_update(case, monkeypatch)["temperature_optimizer"]
    loss = case.plain.temperature_loss(case.plain.policy_loss(case.host["state"], case.noise)[1])
    loss.backward()
    assert case.plain.log_temperature.grad is not None
    torch.testing.assert_close(slope[0], case.plain.log_temperature.grad)
    torch.testing.assert_close(slope[0, 0] * LOG_TEMPERATURE, loss.detach())  # it is linear in the logarithm


def test_updates_lead_to_the_same_parameters() -> None:
    case = case_of(SoftActorCriticConfig())
    started = case_of(SoftActorCriticConfig()).ours
    for _ in range(5):
        case.ours.update(case.batch, case.noise[None], case.next_noise[None])
        case.plain.update(case.host, case.noise, case.next_noise)
    plain = case.plain
    parts = {
        "policy": (case.ours.policy.network, started.policy.network, (plain.policy,)),
        "online": (case.ours.critic_online, started.critic_online, (plain.first_critic, plain.second_critic)),
        "target": (case.ours.critic_target, started.critic_target, (plain.first_target, plain.second_target)),
    }
    for part, (ours, before, modules) in parts.items():
        expected = gathered(modules, [parameters(module) for module in modules])
        for name, view in ours.views.items():
            moved = (view - before.views[name]).detach()
            difference = (view.detach() - expected[name].view_as(view)).norm()
            assert moved.any(), (part, name)
            assert difference < 0.01 * moved.norm(), (part, name)  # Adam may turn a slope of nearly zero around
    torch.testing.assert_close(case.ours.log_temperature.detach(), plain.log_temperature.detach())
    assert plain.log_temperature.item() != LOG_TEMPERATURE
    case.ours.clear()
    case.ours.update(case.batch, case.noise[None], case.next_noise[None])
    losses = plain.update(case.host, case.noise, case.next_noise)
    torch.testing.assert_close(float(case.ours.sums["critic/loss"]), losses["critic"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(float(case.ours.sums["policy/loss"]), losses["policy"], rtol=1e-4, atol=1e-5)


def test_the_yardstick_s_constants_are_the_defaults_of_deep_mopo() -> None:
    schedule = MOPOConfig(penalty_weight=1.0).schedule
    assert (schedule.batch_size, schedule.real_rows(1)) == (BATCH, REAL_ROWS)
    plain = PlainMOPO(data_of(ROWS), buffer_capacity=10)
    assert plain.ensemble.members == MOPO_DYNAMICS.members
    decays = [group["weight_decay"] for group in plain.ensemble_optimizer.param_groups]
    assert decays == [*MOPO_DYNAMICS.weight_decay, *[MOPO_DYNAMICS.head_weight_decay] * 2, 0.0]


def test_a_batch_has_the_data_s_rows_first_and_then_the_model_s() -> None:
    plain = PlainMOPO(data_of(ROWS), buffer_capacity=ROWS)
    marked = {name: np.full_like(column, 7.0) for name, column in data_of(50).items()}
    plain.made.add(marked)
    reward = plain.mixed()["reward"]
    assert len(reward) == BATCH
    assert (reward[:REAL_ROWS] != 7.0).all()
    assert (reward[REAL_ROWS:] == 7.0).all()


def test_the_host_s_buffer_keeps_the_newest() -> None:
    buffer = HostBuffer(4, D, A)
    for first in (0, 3):
        rows = {name: np.zeros((3, *column.shape[1:]), np.float32) for name, column in buffer.columns.items()}
        buffer.add(rows | {"reward": np.arange(first, first + 3, dtype=np.float32)})
    assert sorted(buffer.columns["reward"].tolist()) == [2.0, 3.0, 4.0, 5.0]
    assert buffer.size == 4


@torch.no_grad()
def test_the_model_s_loss_predictions_and_penalty_agree() -> None:
    torch.manual_seed(0)
    data = data_of(ROWS)
    plain = PlainMOPO(data, buffer_capacity=ROWS)
    columns = {name: torch.from_numpy(column) for name, column in data.items()}
    columns["terminal"] = columns["terminal"] > 0
    table = TransitionTable(**columns, start_state=columns["state"][:5])
    far = torch.tensor(1e6)
    model = EnsembleDynamics(
        D, A, MOPO_DYNAMICS, [0], termination=of_next_state(never), state_bound=far.expand(D), reward_bound=far
    )
    views = {name: view.detach() for name, view in model.network.members.views.items()}
    for layer, module in enumerate(plain.ensemble.layers):
        views[f"weight{layer}"][0].copy_(module.weight)
        views[f"bias{layer}"][0].copy_(module.bias)
    views["weight4"][0].copy_(torch.cat((plain.ensemble.mean.weight, plain.ensemble.log_std.weight), -1))
    views["bias4"][0].copy_(torch.cat((plain.ensemble.mean.bias, plain.ensemble.log_std.bias), -1))

    rows = model.standardization.fit(table, targets=MOPO_DYNAMICS.standardizes_targets)
    inputs, target = torch.from_numpy(plain.model_inputs), torch.from_numpy(plain.model_targets)
    torch.testing.assert_close(torch.cat((inputs, target), 1), rows, atol=1e-5, rtol=1e-5)
    prediction = model.network(rows[None, None, :, : D + A])
    ours = gaussian_loss(*prediction, rows[None, None, :, D + A :]).mean((-2, -1)).sum()
    ours += float(model.network.bounds_penalty())
    members = plain.ensemble.members
    theirs = plain.ensemble.loss(inputs.expand(members, -1, -1), target.expand(members, -1, -1), torch.ones(ROWS))
    torch.testing.assert_close(ours, theirs)

    penalized = PenalizedModel(model, MOPOConfig(penalty_weight=1.0).penalty, PENALTY_WEIGHT)
    mean, std = plain.predict(data["state"], data["action"])
    own_mean, own_std = penalized.predictions(table.state[None], table.action[None])
    torch.testing.assert_close(torch.from_numpy(mean), own_mean[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.from_numpy(std), own_std[0], atol=1e-5, rtol=1e-5)
    fixed = np.zeros_like(mean)
    plain.generator = _Fixed(fixed)  # type: ignore[assignment]
    next_state, reward = plain.model_step(data["state"], data["action"])
    uncertainty = penalized.uncertainty(table.state[None], table.action[None])[0]
    torch.testing.assert_close(torch.from_numpy(next_state), table.state + own_mean[0, 2, :, 1:], atol=1e-4, rtol=1e-5)
    expected = own_mean[0, 2, :, 0] - PENALTY_WEIGHT * uncertainty
    torch.testing.assert_close(torch.from_numpy(reward), expected, atol=1e-5, rtol=1e-5)


class _Fixed:
    """Draws member 2 for every row, and the noise it was given."""

    def __init__(self, noise: np.ndarray) -> None:
        self._noise = noise

    def integers(self, high: int, size: int) -> np.ndarray:
        assert high == MOPO_DYNAMICS.elites
        return np.full(size, 2)

    def standard_normal(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        assert shape == self._noise.shape
        return self._noise


def test_a_rollout_fills_the_buffer_with_connected_paths() -> None:
    torch.manual_seed(0)
    plain = PlainMOPO(data_of(ROWS), buffer_capacity=40)
    assert plain.roll_out(starts=10, length=3) == 30
    assert plain.made.size == 30
    np.testing.assert_array_equal(plain.made.columns["next_state"][:20], plain.made.columns["state"][10:30])
    assert np.abs(plain.made.columns["action"][:30]).max() < 1.0
