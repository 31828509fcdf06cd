"""VPM, GenDICE, DualDICE and the multi-moment estimator: losses written out, schedules, and clipped gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from continuous.networks.streams import SeedStreams
from continuous.weights.dualdice import DualDICEConfig
from continuous.weights.gendice import GenDICEConfig
from continuous.weights.multi_moment import MultiMoment, MultiMomentConfig
from continuous.weights.saddle_point import SaddlePoint
from continuous.weights.vpm import VPM, VPMConfig
from tests.continuous.model.small_table import A, D, LinearPolicy, SmallCritic, small_table

TABLE, POLICY = small_table(), LinearPolicy()
SMALL: dict[str, Any] = {"steps": 5, "batch_size": 64, "start_batch_size": 32, "hidden": (16, 8)}


def batch() -> tuple[Any, Tensor, Tensor, Tensor]:
    """The batch that a stream named x draws, its start states, and the policy's actions at s' and at those."""
    streams = SeedStreams([0], "x")
    drawn, starts = TABLE.sample(64, streams), TABLE.sample_starts(32, streams)
    return drawn, starts, POLICY.act(drawn.next_state, streams), POLICY.act(starts, streams)


def vpm(**settings: Any) -> VPM:
    return VPMConfig(**(SMALL | settings)).build(D, A, [0], None, "cpu")


def test_vpm_minimizes_its_published_objectives() -> None:
    subject = vpm(normalization=0.5)
    subject.previous.values.mul_(1.1)
    subject.multiplier.values.fill_(0.7)
    data, starts, next_action, start_action = batch()
    tau, previous = subject.network.of(data.state, data.action), subject.previous.of(data.state, data.action)
    flow = 0.01 * subject.network.of(starts, start_action).mean()
    flow = flow + 0.99 * (subject.network.of(data.next_state, next_action) * previous).mean()
    alpha = 0.25
    by_hand = 0.5 * (tau**2).mean() - (1 - alpha) * (tau * previous).mean() - alpha * flow
    by_hand = by_hand + 0.5 * (2 * 0.7 * (tau.mean() - 1) - 0.7**2)
    found, multiplier = subject.objectives(subject.draws(TABLE, POLICY, SeedStreams([0], "x")), torch.tensor(alpha))
    torch.testing.assert_close(found[0], by_hand)
    torch.testing.assert_close(multiplier[0], -0.5 * (2 * 0.7 * (tau.mean() - 1) - 0.7**2))


def test_vpm_s_power_iteration_steps_every_ten_updates_from_the_first_with_shrinking_steps() -> None:
    subject = vpm(learning_rate=1e-2)
    used: list[float] = []
    taken_over: list[int] = []
    original = subject.objectives

    def watched(draws: Any, step_size: Tensor) -> tuple[Tensor, Tensor]:
        used.append(float(step_size))
        if torch.equal(subject.previous.values, subject.network.values):
            taken_over.append(len(used))
        return original(draws, step_size)

    subject.objectives = watched  # type: ignore[method-assign]
    update = subject.start(TABLE, POLICY, SmallCritic([0]), SeedStreams([0], "weights"))
    for _ in range(25):
        update()
    assert taken_over == [1, 11, 21]
    torch.testing.assert_close(torch.tensor(used), torch.arange(1.0, 26.0).rsqrt())


def terms_by_hand(subject: SaddlePoint) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    data, starts, next_action, start_action = batch()

    def nu(state: Tensor, action: Tensor) -> Tensor:
        return subject.value(torch.cat((state, action), -1))[..., 0]

    weights = subject.network.of(data.state, data.action)
    return weights, nu(data.state, data.action), nu(data.next_state, next_action), nu(starts, start_action)


def test_gendice_s_objective_is_the_published_one() -> None:
    subject = GenDICEConfig(normalization=0.5, **SMALL).build(D, A, [0], None, "cpu")
    subject.multiplier.values.fill_(0.7)
    tau, nu, later, first = terms_by_hand(subject)
    by_hand = 0.01 * first.mean() + 0.99 * (tau * later).mean() - (tau * (nu + nu**2 / 4)).mean()
    by_hand = by_hand + 0.5 * (0.7 * (tau.mean() - 1) - 0.7**2 / 2)
    found = subject.objective(subject.terms(subject.draws(TABLE, POLICY, SeedStreams([0], "x"))))
    torch.testing.assert_close(found[0], by_hand)


def test_dualdice_s_objective_is_the_published_one() -> None:
    subject = DualDICEConfig(**SMALL).build(D, A, [0], None, "cpu")
    tau, nu, later, first = terms_by_hand(subject)
    by_hand = ((nu - 0.99 * later) * tau).mean() - (tau**3).mean() / 3 - 0.01 * first.mean()
    found = subject.objective(subject.terms(subject.draws(TABLE, POLICY, SeedStreams([0], "x"))))
    torch.testing.assert_close(found[0], by_hand)


def moved(subject: SaddlePoint, player: int) -> Tensor:
    """What one player does to the objective on a fixed batch, the others standing still."""
    before = [parameters.values.clone() for parameters in subject._players]
    draws = subject.draws(TABLE, POLICY, SeedStreams([0], "weights"))
    first = subject.objective(subject.terms(draws)).detach()
    subject.start(TABLE, POLICY, SmallCritic([0]), SeedStreams([0], "weights"))()
    for index, parameters in enumerate(subject._players):
        if index != player:
            parameters.values.copy_(before[index])
    second = subject.objective(subject.terms(draws)).detach()
    return second - first


def test_each_player_moves_the_objective_its_own_way() -> None:
    for player, (gendice, dualdice) in enumerate(((-1.0, 1.0), (1.0, -1.0))):
        assert moved(GenDICEConfig(**SMALL).build(D, A, [0], None, "cpu"), player) * gendice > 0.0
        assert moved(DualDICEConfig(**SMALL).build(D, A, [0], None, "cpu"), player) * dualdice > 0.0


def test_gradients_are_clipped_element_by_element() -> None:
    subject = GenDICEConfig(**SMALL).build(D, A, [0], None, "cpu")
    slopes = subject._descent([torch.tensor([[-3.0, 0.4, 2.0]])], minimizes=True)
    torch.testing.assert_close(slopes[0], torch.tensor([[-1.0, 0.4, 1.0]]))
    torch.testing.assert_close(subject._descent(slopes, minimizes=False)[0], -slopes[0])


def multi_moment(**settings: Any) -> MultiMoment:
    return MultiMomentConfig(**(SMALL | settings)).build(D, A, [0], None, "cpu")


def test_the_test_functions_are_many_of_unit_spread_with_the_critic_and_the_constant_last() -> None:
    subject, critic = multi_moment(test_functions=20), SmallCritic([0])
    pairs = torch.cat((TABLE.state, TABLE.action), -1)
    values = subject.test_functions(TABLE, critic)(pairs)[0]  # [N, M]
    assert values.shape == (300, 22)
    assert (values[:, -1] == 1.0).all()
    correlation = torch.corrcoef(torch.stack((values[:, -2], critic.first_head()(pairs)[0, :, 0])))[0, 1]
    assert correlation > 0.999
    squares = values[:, :20].square().mean(0)
    assert 0.6 < squares.mean() < 1.4


def test_test_functions_stay_smooth_in_an_action_that_was_never_used() -> None:
    table = small_table()
    table.action[:, 1] = 0.0
    functions = multi_moment(test_functions=20).test_functions(table, SmallCritic([0]))
    pair = torch.cat((table.state, table.action), dim=-1)[None]
    moved = pair.clone()
    moved[..., -1] += 1e-3
    assert (functions(moved) - functions(pair)).abs().max() < 0.1


def test_residuals_of_all_moments_shrink() -> None:
    subject = multi_moment(steps=400, learning_rate=3e-3, batch_size=256, start_batch_size=256)
    functions = subject.test_functions(TABLE, SmallCritic([0]))

    def size() -> float:
        streams = SeedStreams([0], "x")
        batches = [subject.draws(TABLE, POLICY, streams) for _ in range(30)]
        drawn = [subject.residuals(draws, functions)[0].detach().mean(1) for draws in batches]
        return float(torch.stack(drawn).mean(0).square().mean())

    before = size()
    subject.estimate(TABLE, POLICY, SmallCritic([0]), SeedStreams([0], "weights"))
    assert size() < 0.3 * before
