"""AMPL's estimator: its loss written out, its options, and what it does and does not find."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from continuous.model.ensemble import DynamicsConfig, EnsembleDynamics
from continuous.networks.streams import SeedStreams
from continuous.tasks.termination import never, of_next_state
from continuous.weights.q_moment import (
    CriticTest,
    MomentLoss,
    QMoment,
    QMomentConfig,
    RewardTest,
    RewardTestConfig,
)
from tests.continuous.model.small_table import A, D, LinearPolicy, SmallCritic, small_table

TABLE, POLICY = small_table(), LinearPolicy()


def build(**settings: Any) -> QMoment:
    config = QMomentConfig(**({"steps": 5, "batch_size": 64, "start_batch_size": 32, "hidden": (16, 8)} | settings))
    return config.build(D, A, [0], None, "cpu")


def sides(subject: QMoment) -> tuple[Tensor, Tensor]:
    (weights, value), right = subject.sides(
        subject.draws(TABLE, POLICY, SeedStreams([0], "x")), CriticTest(SmallCritic([0]))
    )
    return (weights * value).mean(-1), right


def by_hand(subject: QMoment, masks: bool) -> tuple[Tensor, Tensor]:
    """Eq. 10 on the batch that the stream draws."""
    streams, critic = SeedStreams([0], "x"), SmallCritic([0])
    batch, starts = TABLE.sample(64, streams), TABLE.sample_starts(32, streams)
    online, target = critic.first_head(), critic.first_head_target()

    def value(network: Any, state: Tensor, action: Tensor) -> Tensor:
        return network(torch.cat((state, action), -1))[..., 0]  # type: ignore[no-any-return]

    weights = subject.network.of(batch.state, batch.action)
    later = value(target, batch.next_state, POLICY.act(batch.next_state, streams)) * weights
    later = later * ~batch.terminal if masks else later
    first = value(target, starts, POLICY.act(starts, streams))
    left = (weights * value(online, batch.state, batch.action)).mean(-1)
    return left, 0.01 * first.mean(-1) + 0.99 * later.mean(-1)


def test_both_sides_are_those_of_equation_10() -> None:
    for masks in (True, False):
        subject = build(masks_terminals=masks)
        for found, expected in zip(sides(subject), by_hand(subject, masks), strict=True):
            torch.testing.assert_close(found, expected)
    assert not torch.allclose(sides(build())[1], sides(build(masks_terminals=False))[1])


def test_the_loss_is_the_huber_loss_of_two_numbers_or_their_squared_difference() -> None:
    left, right = torch.tensor([0.5, 4.0]), torch.tensor([0.0, 1.0])
    torch.testing.assert_close(build().loss(left, right), torch.tensor([0.125, 2.5]))
    torch.testing.assert_close(build(loss=MomentLoss.SQUARED).loss(left, right), torch.tensor([0.25, 9.0]))


def test_training_closes_the_equation() -> None:
    """The residual of Eq. 10 on the whole table, with the test function that training ends with."""
    subject, critic = build(steps=400, learning_rate=1e-3, target_rate=0.1), SmallCritic([0], offset=3.0)
    before = residual(subject, critic)
    subject.estimate(TABLE, POLICY, critic, SeedStreams([0], "weights"))
    assert abs(residual(subject, critic)) < 0.2 * abs(before)


def residual(subject: QMoment, critic: SmallCritic) -> float:
    """Left minus right side of Eq. 10, with the same w and Q_1 on both."""
    head = critic.first_head()

    def value(state: Tensor) -> Tensor:
        return head(torch.cat((state, POLICY.act(state, SeedStreams([0], "x"))), -1))[0, :, 0]

    weights = subject.network.of_table(TABLE)[0]
    here = head(torch.cat((TABLE.state, TABLE.action), -1))[0, :, 0]
    later = 0.99 * value(TABLE.next_state) * ~TABLE.terminal
    return float((weights * (here - later)).mean() - 0.01 * value(TABLE.start_state).mean())


def test_the_published_step_size_leaves_the_weights_flat() -> None:
    """Figure 2 (d): at 1e-6 a step, a few hundred steps move log w by a fraction of a percent."""
    subject = build(steps=200)
    weights = subject.estimate(TABLE, POLICY, SmallCritic([0]), SeedStreams([0], "weights"))
    assert weights.log().abs().max() < 0.02


def test_the_mean_stays_below_its_bound() -> None:
    """A bound below the start is reached and kept, whatever the loss asks for."""
    subject = build(steps=600, learning_rate=3e-3, mean_bound=0.5)
    assert subject.network.of_table(TABLE).mean() > 0.8
    subject.estimate(TABLE, POLICY, SmallCritic([0]), SeedStreams([0], "weights"))
    assert subject.network.of_table(TABLE).mean() < 0.6


def test_the_reward_of_the_model_can_be_the_test_function() -> None:
    class Model:
        """Pays the first coordinate of the state."""

        calls = 0
        config = DynamicsConfig()

        def predict(self, state: Tensor, action: Tensor, noise: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
            self.calls += 1
            return state, state[..., 0]

    model = Model()
    config = QMomentConfig(
        steps=3, batch_size=64, start_batch_size=32, hidden=(16, 8), test_function=RewardTestConfig()
    )
    estimator = config.build(D, A, [0], model, "cpu")
    function = config.test_function.build(SmallCritic([0]), model, SeedStreams([0], "x"))
    (_, left), _ = estimator.sides(estimator.draws(TABLE, POLICY, SeedStreams([0], "x")), function)
    batch = TABLE.sample(64, SeedStreams([0], "x"))
    torch.testing.assert_close(left, batch.state[..., 0])
    estimator.estimate(TABLE, POLICY, SmallCritic([0]), SeedStreams([0], "weights"))
    assert model.calls == 2 + 3 * 2


def test_a_reward_as_the_test_function_is_what_the_model_draws_even_beyond_its_bounds() -> None:
    """There a step of the model costs the largest reward; what is not a number is 0."""
    model = EnsembleDynamics(
        D,
        A,
        DynamicsConfig(hidden=8),
        [0, 1],
        termination=of_next_state(never),
        state_bound=torch.full((D,), 1e-6),
        reward_bound=torch.tensor(7.0),
    )
    state, action = TABLE.state[:20].repeat(2, 1, 1), TABLE.action[:20].repeat(2, 1, 1)
    state[0, 3] = torch.nan
    streams = SeedStreams([0, 1], "x")
    shift, noise = streams.integers(5, 1), streams.normal(20, D + 1)
    drawn = model.predict(state, action, noise, shift)[1]
    assert (model.step(state, action, SeedStreams([0, 1], "x"))[1][1] == -7.0).all()
    assert drawn[0, 3].isnan()
    drawn[0, 3] = 0.0
    found = RewardTest(model, SeedStreams([0, 1], "x")).left(state, action)
    torch.testing.assert_close(found, drawn, rtol=0.0, atol=0.0)
    assert found.abs().max() < 7.0
