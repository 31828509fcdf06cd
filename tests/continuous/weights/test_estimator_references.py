"""Every estimator against a plain training loop: modules, torch's Adam, one seed, one player after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss, relu, softplus

from continuous.networks.stacks import StackedMLP
from continuous.networks.streams import SeedStreams
from continuous.weights.dualdice import DualDICEConfig
from continuous.weights.gendice import GenDICEConfig
from continuous.weights.q_moment import MomentLoss, QMomentConfig
from continuous.weights.vpm import VPMConfig
from tests.continuous.model.small_table import A, D, LinearPolicy, SmallCritic, small_table

STEPS = 23
TABLE, POLICY = small_table(), LinearPolicy()
SMALL: dict[str, Any] = {"steps": STEPS, "batch_size": 64, "start_batch_size": 32, "hidden": (16, 8)}
DISCOUNT = 0.9


class Module(nn.Module):
    """A multilayer perceptron with the parameters of the first copy of a stacked one."""

    def __init__(self, stacked: StackedMLP, output: Callable[[Tensor], Tensor] = lambda last: last) -> None:
        super().__init__()
        self.output = output
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in zip(stacked.widths, stacked.widths[1:], strict=False))
        for index, layer in enumerate(self._linear()):
            layer.weight.data.copy_(stacked.views[f"weight{index}"][0].detach().T)
            layer.bias.data.copy_(stacked.views[f"bias{index}"][0, 0].detach())

    def _linear(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        flowing = torch.cat(pair, -1)
        for index, layer in enumerate(self.layers):
            flowing = layer(flowing)
            flowing = torch.where(flowing > 0, flowing, 0.01 * flowing) if index < 2 else flowing
        return self.output(flowing[:, 0])


def power(last: Tensor) -> Tensor:
    return (softplus(last - 1e-8) + 1e-8) ** 0.5


def clipped(last: Tensor) -> Tensor:
    return 1e-8 + softplus(500 - softplus(500 - last) - 1e-8)


class Draws:
    """The batches that a stream of the same name draws: pairs now, next and at the start, and terminals."""

    def __init__(self) -> None:
        self.streams = SeedStreams([0], "weights")

    def next(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], tuple[Tensor, Tensor], Tensor]:
        batch, starts = TABLE.sample(64, self.streams), TABLE.sample_starts(32, self.streams)
        pairs = []
        for state in (batch.next_state, starts):
            pairs.append((state[0], POLICY.act(state, self.streams)[0]))
        return (batch.state[0], batch.action[0]), pairs[0], pairs[1], batch.terminal[0].float()


def soft_update(target: nn.Module, online: nn.Module, rate: float) -> None:
    for own, other in zip(target.parameters(), online.parameters(), strict=True):
        own.data.copy_(rate * other.data + (1 - rate) * own.data)


def compare(subject: Any, module: Module, start: Module) -> None:
    """Parameters agree to a small part of how far they moved."""
    end = Module(subject.network)
    for found, expected, before in zip(end.parameters(), module.parameters(), start.parameters(), strict=True):
        moved = (expected - before).abs().max()
        assert moved > 0
        assert (found - expected).abs().max() < 0.003 * moved


@pytest.mark.parametrize("bound", [10.0, 0.6])
@pytest.mark.parametrize("loss", list(MomentLoss))
def test_q_moment_is_the_plain_loop(loss: MomentLoss, bound: float) -> None:
    settings = {"learning_rate": 1e-3, "mean_bound": bound, "loss": loss, "gradient_norm": 0.05}
    subject = QMomentConfig(**settings, **SMALL).build(D, A, [0], None, "cpu", DISCOUNT)  # type: ignore[arg-type]
    critic = SmallCritic([0], offset=3.0)
    w, q, q_target = (
        Module(subject.network, power),
        Module(critic.first_head()),
        Module(critic.first_head_target()),
    )
    start, w_target, adam, draws, acted = deepcopy(w), deepcopy(w), torch.optim.Adam(w.parameters(), 1e-3), Draws(), 0
    for _ in range(STEPS):
        now, later, first, terminal = draws.next()
        with torch.no_grad():
            y = 0.1 * q_target(first).mean() + 0.9 * ((1 - terminal) * q_target(later) * w_target(now)).mean()
        moment = (w(now) * q(now).detach()).mean()
        objective = huber_loss(moment, y) if loss is MomentLoss.HUBER else (moment - y) ** 2
        objective.backward(retain_graph=True)
        mean = w(now).mean()
        walls = torch.autograd.grad(mean, list(w.parameters()))
        for parameter, wall in zip(w.parameters(), walls, strict=True):
            slope, square = parameter.grad, (wall**2).sum()
            assert slope is not None
            kappa = relu((torch.minimum(mean.detach() - bound, square) - (slope * wall).sum()) / (square + 1e-8))
            acted += int(kappa > 0)
            parameter.grad = slope + kappa * wall
        nn.utils.clip_grad_norm_(w.parameters(), 0.05)
        adam.step()
        adam.zero_grad()
        soft_update(w_target, w, 0.01)
        soft_update(q_target, q, 0.01)
    subject.estimate(TABLE, POLICY, critic, SeedStreams([0], "weights"))
    assert (acted > 0) == (bound < 1.0)
    compare(subject, w, start)


def test_vpm_is_the_plain_loop() -> None:
    subject = VPMConfig(**SMALL).build(D, A, [0], None, "cpu", DISCOUNT)
    tau = Module(subject.network, clipped)
    v = torch.ones((), requires_grad=True)
    start, draws = deepcopy(tau), Draws()
    adam, adam_v = torch.optim.Adam(tau.parameters(), 3e-4), torch.optim.Adam([v], 3e-4)
    for k in range(1, STEPS + 1):
        if k % 10 == 1:
            previous = deepcopy(tau)
        now, later, first, _ = draws.next()
        alpha = 1 / k**0.5
        t, before = tau(now), previous(now).detach()
        y = 0.1 * tau(first).mean() + 0.9 * (tau(later) * before).mean()
        loss = 0.5 * (t**2).mean() - (1 - alpha) * (t * before).mean() - alpha * y
        loss = loss + 2 * v.detach() * (t.mean() - 1) - v.detach() ** 2
        loss_v = -(2 * v * (t.mean().detach() - 1) - v**2)
        for optimizer, objective in ((adam, loss), (adam_v, loss_v)):
            optimizer.zero_grad()
            objective.backward()
        adam.step()
        adam_v.step()
    subject.estimate(TABLE, POLICY, SmallCritic([0]), SeedStreams([0], "weights"))
    compare(subject, tau, start)
    torch.testing.assert_close(subject.multiplier.values[0], v.detach())


@pytest.mark.parametrize("dual", [False, True])
def test_the_dice_estimators_are_the_plain_loop_with_hard_copies(dual: bool) -> None:
    config = (DualDICEConfig if dual else GenDICEConfig)(**SMALL)
    subject = config.build(D, A, [0], None, "cpu", DISCOUNT)
    tau, nu = Module(subject.network, clipped), Module(subject.value)
    v = torch.ones((), requires_grad=True)
    start, start_nu, draws = deepcopy(tau), deepcopy(nu), Draws()
    rates = (1e-4, 1e-4, 1e-4) if dual else (3e-3, 1e-4, 1e-4)
    groups: list[list[Tensor]] = [list(tau.parameters()), list(nu.parameters()), [v]]
    adams = [torch.optim.Adam(group, rate) for group, rate in zip(groups, rates, strict=True)]

    def objective(players: Sequence[Any], batch: Any) -> Tensor:
        tau, nu, v = players
        now, later, first, _ = batch
        t, n = tau(now), nu(now)
        if dual:
            return ((n - 0.9 * nu(later)) * t).mean() - (t**3).mean() / 3 - 0.1 * nu(first).mean()
        found = 0.1 * nu(first).mean() + 0.9 * (t * nu(later)).mean() - (t * (n + n**2 / 4)).mean()
        return found + v * (t.mean() - 1) - v**2 / 2

    for _ in range(STEPS):
        batch, copies = draws.next(), (deepcopy(tau), deepcopy(nu), v.detach().clone())
        for player in range(2 if dual else 3):
            mixed: list[Any] = list(copies)
            mixed[player] = (tau, nu, v)[player]
            value = objective(mixed, batch)
            ascends = (player == 0) == dual
            adams[player].zero_grad()
            (-value if ascends else value).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_value_(groups[player], 1.0)
            adams[player].step()
    subject.estimate(TABLE, POLICY, SmallCritic([0]), SeedStreams([0], "weights"))
    compare(subject, tau, start)
    for found, expected, before in zip(
        Module(subject.value).parameters(), nu.parameters(), start_nu.parameters(), strict=True
    ):
        assert (found - expected).abs().max() < 0.02 * (expected - before).abs().max() + 1e-7
    torch.testing.assert_close(subject.multiplier.values[0], v.detach())
