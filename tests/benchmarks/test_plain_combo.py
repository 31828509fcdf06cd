"""The yardsticks of COMBO and MOBILE compute what the project computes: equal losses, gradients and charges."""

from __future__ import annotations

from itertools import chain

import pytest
import torch

from benchmarks.plain_combo import CONSERVATIVE_WEIGHT, DRAWN_ACTIONS, HALF, PlainCOMBO, PlainMOBILE
from benchmarks.plain_mopo import BATCH, REAL_ROWS, PlainMOPO
from continuous.algorithms.combo.config import COMBOConfig, learner
from continuous.algorithms.cql.learner import ActionDraws, ConservativeLearner
from continuous.algorithms.mobile.config import MOBILEConfig
from continuous.algorithms.mobile.mobile import MOBILE
from continuous.algorithms.sac.learner import SoftActorCritic
from continuous.commands.bench.loops import no_surroundings
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch, TransitionTable
from tests.benchmarks.test_plain_mopo import ROWS, A, D, assert_same_gradients, data_of, take_over


def alike(plain: PlainMOPO, ours: SoftActorCritic) -> None:
    """Gives ours the parameters of the yardstick, whose targets are moved away from the critics first."""
    with torch.no_grad():
        for parameter in chain(plain.first_target.parameters(), plain.second_target.parameters()):
            parameter.add_(0.05 * torch.randn_like(parameter))
        take_over(ours.policy.network, plain.policy)
        take_over(ours.critic_online, plain.first_critic, plain.second_critic)
        take_over(ours.critic_target, plain.first_target, plain.second_target)


@pytest.mark.parametrize("detached", [False, True])
def test_combos_critic_losses_and_gradients_agree(detached: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    data = {name: column[:BATCH] for name, column in data_of(ROWS).items()}
    plain = PlainCOMBO(data, buffer_capacity=ROWS, detached=detached)
    ours = ConservativeLearner(D, A, learner(CONSERVATIVE_WEIGHT), [0])
    assert ours.config.sampled_actions == DRAWN_ACTIONS
    alike(plain, ours)
    host = {name: torch.from_numpy(column) for name, column in data.items()}
    stacked = {name: column[None] for name, column in host.items()}
    batch = Batch(**(stacked | {"terminal": stacked["terminal"] > 0}))
    draws = [torch.randn(BATCH, DRAWN_ACTIONS, A) for _ in range(2)] + [torch.rand(BATCH, DRAWN_ACTIONS, A) - 0.5]
    noise, next_noise = torch.randn(2, BATCH, A)
    seen: dict[str, list[torch.Tensor]] = {}
    monkeypatch.setattr(ours.critic_optimizer, "step", lambda gradient: seen.update(critics=gradient))
    ours.update_conservatively(
        batch, noise[None], next_noise[None], ActionDraws(*(each[None] for each in draws)), data_rows=HALF
    )
    flat = tuple(each.flatten(0, 1) for each in draws)
    losses = plain.critic_losses(host, next_noise, flat)  # type: ignore[arg-type]
    sum(losses).backward()  # type: ignore[union-attr]
    torch.testing.assert_close(ours.sums["critic/loss"][0], 0.5 * sum(losses).detach())  # type: ignore[union-attr]
    assert_same_gradients(seen["critics"], ours.critic_online, plain.first_critic, plain.second_critic)
    assert all(parameter.grad is None for parameter in plain.policy.parameters()) == detached


def test_mobiles_charges_agree() -> None:
    torch.manual_seed(0)
    data = data_of(ROWS)
    plain = PlainMOBILE(data, buffer_capacity=ROWS)
    columns = {name: torch.from_numpy(column) for name, column in data.items()}
    table = TransitionTable(**(columns | {"terminal": columns["terminal"] > 0}), start_state=columns["state"][:5])
    mobile = MOBILE(table, MOBILEConfig(penalty_weight=1.0), [0], no_surroundings())
    alike(plain, mobile.learner)
    views = {name: view.detach() for name, view in mobile.model.network.members.views.items()}
    for layer, module in enumerate(plain.ensemble.layers):
        views[f"weight{layer}"][0].copy_(module.weight)
        views[f"bias{layer}"][0].copy_(module.bias)
    for kind in ("weight", "bias"):
        heads = [getattr(head, kind).detach() for head in (plain.ensemble.mean, plain.ensemble.log_std)]
        views[f"{kind}4"][0].copy_(torch.cat(heads, -1))
    mobile.model.copy_elites()
    mobile.model.standardization.fit(table, targets=False)
    streams, members = SeedStreams([0], "charge"), mobile.model.config.elites
    count = mobile.settings.sampled_states
    found = mobile.inconsistency(table.state[None], table.action[None], SeedStreams([0], "charge"))[0]
    noise, action_noise = streams.normal(count, members, ROWS, D)[0], streams.normal(count * members * ROWS, A)[0]
    torch.testing.assert_close(
        plain.inconsistency(table.state, table.action, noise, action_noise), found, rtol=1e-3, atol=1e-5
    )


def test_the_yardsticks_batches_are_those_of_the_settings() -> None:
    schedules = COMBOConfig(learner=learner(1.0)).schedule, MOBILEConfig(penalty_weight=1.0).schedule
    assert [schedule.real_rows(1) for schedule in schedules] == [HALF, REAL_ROWS]
    assert {schedule.batch_size for schedule in schedules} == {BATCH}
