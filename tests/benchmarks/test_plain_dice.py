"""The yardsticks of OptiDICE, O-DICE and AlgaeDICE compute what the project computes: equal losses and gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmarks.plain_dice import PlainAlgaeDICE, PlainODICE, PlainOptiDICE
from continuous.algorithms.algaedice.learner import (
    SETTINGS,
    UPDATES,
    AlgaeDICEDraws,
    AlgaeDICELearner,
    AlgaeDICELearnerConfig,
)
from continuous.algorithms.bc.policy import TanhPolicyConfig
from continuous.algorithms.odice.learner import ODICELearner, ODICELearnerConfig
from continuous.algorithms.optidice.learner import OptiDICELearner, OptiDICELearnerConfig
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.networks.adam import StackedAdam
from continuous.networks.stacks import Gradient
from continuous.replay.buffers import Batch
from tests.benchmarks.test_plain_mopo import A, D, assert_same_gradients, data_of, take_over

ROWS = 64


def case_of(plain_class: Any, **hidden: Any) -> tuple[Any, dict[str, torch.Tensor], Batch, torch.Tensor]:
    """A yardstick, and one batch for it and for ours, with start states."""
    torch.manual_seed(0)
    data = data_of(ROWS) | {"start_state": data_of(ROWS)["state"]}
    host = {name: torch.from_numpy(column) for name, column in data.items()}
    columns = {name: host[name][None] for name in Batch._fields}
    return (
        plain_class(data, **hidden),
        host,
        Batch(**columns | {"terminal": columns["terminal"] > 0}),
        host["start_state"][None],
    )


def gradients_of(monkeypatch: pytest.MonkeyPatch, *optimizers: StackedAdam) -> list[Gradient]:
    """What the optimizers are given from now on, in the order of their steps; they make none."""
    taken: list[Gradient] = []
    for optimizer in optimizers:
        monkeypatch.setattr(optimizer, "step", taken.append)
    return taken


def test_odices_gradients_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, host, batch, _ = case_of(PlainODICE, hidden=32, policy_hidden=(24, 24))
    policy = TanhPolicyConfig(hidden=(24, 24), standardized=False, gaussian=True)
    ours = ODICELearner(D, A, ODICELearnerConfig(hidden=(32, 32), policy=policy), [0])
    take_over(ours.policy.network, plain.policy)
    take_over(ours.value_online, *plain.twins)
    take_over(ours.value_target, *plain.slow_twins)
    taken = gradients_of(monkeypatch, ours.value_optimizer, *ours.policy_optimizer._each)
    losses = plain.update(host)
    ours.update(batch)
    assert_same_gradients(taken[0], ours.value_online, *plain.twins)
    assert_same_gradients(taken[1], ours.policy.network, plain.policy)
    torch.testing.assert_close(taken[2][0].flatten(), plain.log_std.grad)
    torch.testing.assert_close(float(ours.sums["policy/loss"][0]), losses["policy"], rtol=1e-5, atol=1e-6)


def test_optidices_gradients_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, host, batch, starts = case_of(PlainOptiDICE, hidden=(24, 24))
    policy = SquashedGaussianConfig(hidden=(24, 24), lowest_log_std=-5.0)
    ours = OptiDICELearner(D, A, OptiDICELearnerConfig(hidden=(24, 24), policy=policy), [0])
    pairs = [(ours.policy.network, plain.policy), (ours.nu, plain.nu), (ours.advantage, plain.advantage)]
    pairs += [(ours.data_policy.network, plain.data_policy)]
    for stack, module in pairs:
        take_over(stack, module)
    own = (ours.policy_optimizer, ours.entropy_optimizer, ours.nu_optimizer, ours.advantage_optimizer)
    taken = gradients_of(monkeypatch, *own, ours.data_policy_optimizer, ours.multiplier_optimizer)
    noise = torch.randn(ROWS, A)
    losses = plain.update(host, noise)
    ours.update(batch, starts, noise[None])
    entropy, multipliers = taken.pop(1), taken.pop()
    for gradient, (stack, module) in zip(taken, pairs, strict=True):
        assert_same_gradients(gradient, stack, module)
    for found, expected in zip((*multipliers, *entropy), plain.multipliers, strict=True):
        torch.testing.assert_close(found[0], expected.grad)
    for name, loss in (("critic/loss", "nu"), ("advantage/loss", "fit"), ("policy/data_loss_nats", "cloning")):
        torch.testing.assert_close(float(ours.sums[name][0]), losses[loss], rtol=1e-5, atol=1e-6)


def test_algaedices_gradients_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, host, batch, starts = case_of(PlainAlgaeDICE, hidden=(24, 24))
    learner = replace(SETTINGS, hidden=(24, 24), policy=replace(SETTINGS.policy, hidden=(24, 24)))
    ours = AlgaeDICELearner(D, A, AlgaeDICELearnerConfig(learner=learner), [0])
    take_over(ours.policy.network, plain.policy)
    take_over(ours.critic_online, *plain.twins)
    take_over(ours.critic_target, *plain.slow_twins)
    taken = gradients_of(monkeypatch, ours.critic_optimizer, ours.policy_optimizer, ours.temperature_optimizer)
    for optimizer in (plain.critic_optimizer, plain.policy_optimizer, plain.temperature_optimizer):
        monkeypatch.setattr(optimizer, "step", lambda: None)
    noise = torch.randn(2 * ROWS, A)
    at_next, at_start = noise[None, :ROWS], noise[None, ROWS:]
    draws = AlgaeDICEDraws(batch=batch, start_state=starts, next_noise=at_next, start_noise=at_start)
    losses = plain.update([host, host], [noise, noise])
    ours.update_all(draws, draws)
    plain.critic_optimizer.zero_grad()  # the policy's loss has left its own there
    dual = plain.dual(host, *(part.detach() for part in plain.drawn(host, noise)))
    sum(delta.abs().pow(1.5).mean() / 1.5 + start for delta, start in dual).backward()  # type: ignore[union-attr]
    for gradient in taken[:2]:
        assert_same_gradients(gradient, ours.critic_online, *plain.twins)
    assert_same_gradients(taken[2], ours.policy.network, plain.policy)
    torch.testing.assert_close(taken[3][0].flatten(), plain.log_temperature.grad)
    torch.testing.assert_close(float(ours.sums["critic/loss"][0]) / UPDATES, losses["critic"], rtol=1e-5, atol=1e-6)
