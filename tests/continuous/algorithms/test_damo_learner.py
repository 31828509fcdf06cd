"""What deep DAMO's update computes: each part against the formula that it stands for, written out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from continuous.algorithms.damo.learner import (
    Conjugate,
    DAMODraws,
    DAMOLearner,
    DAMOLearnerConfig,
    Twins,
    conjugate_slope,
    conjugate_value,
)
from continuous.networks.stacks import Gradient
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch
from tests.continuous.algorithms.small_ampl import line_table
from tests.continuous.algorithms.small_model_based import damo_config

SEEDS = (0, 1)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def learner_of(variant: str = "main", **changes: object) -> DAMOLearner:
    """A learner whose classifier and critics have an opinion."""
    table = line_table()
    config: DAMOLearnerConfig = replace(damo_config(variant).learner, **changes)  # type: ignore[arg-type]
    learner = DAMOLearner(table.observation_size, table.action_size, config, SEEDS)
    with torch.no_grad():
        learner.classifier.network.values.mul_(4.0)
        learner.critic_online.values.mul_(2.0)
    return learner


def draws_of(learner: DAMOLearner, rows: int = 9, starts: int = 5) -> DAMODraws:
    """Two sets of rows of different sizes."""
    table, streams = line_table(), SeedStreams(SEEDS, "rows")
    return DAMODraws(
        batch=table.sample(rows, streams),
        real=table.sample(4, streams),
        imagined=table.sample(6, streams),
        start_state=table.sample_starts(starts, streams),
        noise=learner.policy.noise(streams, rows),
        next_noise=learner.policy.noise(streams, rows),
        start_noise=learner.policy.noise(streams, starts),
    )


def with_reward(batch: Batch, reward: Tensor) -> Batch:
    return Batch(
        state=batch.state,
        action=batch.action,
        reward=reward,
        next_state=batch.next_state,
        terminal=batch.terminal,
    )


def soft_value(learner: DAMOLearner, state: Tensor, noise: Tensor) -> Tensor:
    """The twins' mean less the entropy term, [K, B]."""
    action, log_probability = learner.policy.sample_with_log_probability(state, noise)
    return learner.action_value(state, action).mean(1) - learner.temperature * log_probability


@pytest.mark.parametrize("variant", ["main", "unstabilized", "fixed-alpha", "no-er"])
def test_one_pass_over_two_sets_of_rows_equals_two_passes(variant: str) -> None:
    """Eq. 2 by separate passes at the batch and the start states."""
    learner = learner_of(variant)
    draws, alpha, discount = draws_of(learner), learner.damo.alpha, learner.discount
    aligned = learner.aligned(draws.batch)
    value = learner.action_value(draws.batch.state, draws.batch.action)
    residual = learner.bellman_target(aligned, draws.next_noise)[:, None] - value
    start_action = learner.policy.sample(draws.start_state, draws.start_noise)[0]
    start_value = learner.action_value(draws.start_state, start_action)
    cost = conjugate_value(learner.damo.conjugate, residual / alpha).mean(-1)
    expected = (1.0 - discount) * start_value.mean(-1) + alpha * cost
    torch.testing.assert_close(learner.dual_objective(aligned, draws), expected)
    logits = learner.classifier.logit(draws.real), learner.classifier.logit(draws.imagined)
    loss = softplus(-logits[0]).mean(-1) + softplus(logits[1]).mean(-1)
    for found, separate in zip(learner.classifier.update(draws.real, draws.imagined), (loss, *logits), strict=True):
        torch.testing.assert_close(found, separate.detach())


@pytest.mark.parametrize("conjugate", Conjugate)
@pytest.mark.parametrize(
    ("variant", "weighting"),
    [("main", None), ("unstabilized", 0.5), ("fixed-alpha", 1.0), ("no-er", None)],  # the alpha of the residual
)
def test_the_consistent_actors_maximize_eq_2(variant: str, weighting: float | None, conjugate: Conjugate) -> None:
    """(1-gamma) Q(s0, a0) + gamma w Q(s', a'), w = 1 or f*'((r - alpha R + gamma Q' - Q) / alpha)."""
    learner = learner_of(variant, conjugate=conjugate)
    draws, discount = draws_of(learner), learner.discount
    batch = draws.batch
    weight = torch.ones_like(batch.reward)
    if weighting is not None:
        rewarded = with_reward(batch, batch.reward - weighting * learner.classifier.log_ratio(batch))
        value = learner.action_value(batch.state, batch.action).mean(1)
        weight = conjugate_slope(
            conjugate, (learner.bellman_target(rewarded, draws.next_noise) - value) / weighting
        ).detach()
        assert float(weight.std()) > 0.05
    starting = soft_value(learner, draws.start_state, draws.start_noise)
    following = soft_value(learner, batch.next_state, draws.next_noise) * ~batch.terminal
    expected = -((1.0 - discount) * starting.mean(-1) + discount * (weight * following).mean(-1))
    _, loss, _ = learner._update_actor(draws)
    torch.testing.assert_close(loss, expected.detach())


@pytest.mark.parametrize("variant", ["inconsistent", "no-ir"])
def test_the_inconsistent_actor_is_soft_actor_critics(variant: str) -> None:
    learner = learner_of(variant)
    draws = draws_of(learner)
    action, log_probability = learner.policy.sample_with_log_probability(draws.batch.state, draws.noise)
    smaller = learner.action_value(draws.batch.state, action).amin(1)
    expected = (learner.temperature * log_probability - smaller).mean(-1)
    _, loss, entropy = learner._update_actor(draws)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(entropy, -log_probability.detach().mean(-1))


def test_the_actor_may_take_the_smaller_twin() -> None:
    learner = learner_of(actor_twins=Twins.SMALLER)
    draws = draws_of(learner)
    value, _, _ = learner._update_actor(draws)
    again = learner_of()
    action = again.policy.sample(draws.batch.next_state, draws.next_noise)[0]
    torch.testing.assert_close(value, again.action_value(draws.batch.next_state, action).amin(1).detach())


def test_the_unstabilized_actor_follows_the_gradient_of_eq_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """With f* one-sided and nothing detached, against autograd of the critic's own objective at equal twins."""
    learner = learner_of("unstabilized", conjugate=Conjugate.ONE_SIDED, detaches_target=False)
    with torch.no_grad():
        for view in learner.critic_online.views.values():
            view[:, 1] = view[:, 0]
        learner.trained_temperature.values.fill_(-30.0)
    draws = draws_of(learner, rows=400, starts=300)
    followed: list[Gradient] = []
    monkeypatch.setattr(learner.policy_optimizer, "step", followed.append)
    learner._update_actor(draws)
    batch, alpha, discount = learner.aligned(draws.batch), learner.damo.alpha, learner.discount
    start_action = learner.policy.sample(draws.start_state, draws.start_noise)[0]
    next_action = learner.policy.sample(batch.next_state, draws.next_noise)[0]
    following = discount * ~batch.terminal * learner.action_value(batch.next_state, next_action)[:, 0]
    residual = (batch.reward + following - learner.action_value(batch.state, batch.action)[:, 0]) / alpha
    assert 0.05 < float((residual < 0.0).float().mean()) < 0.95
    objective = (1.0 - discount) * learner.action_value(draws.start_state, start_action)[:, 0].mean(-1)
    objective = objective + alpha * conjugate_value(Conjugate.ONE_SIDED, residual).mean(-1)
    expected = learner.policy.network.gradient(-objective.sum())
    for found, slope in zip(followed[0], expected, strict=True):
        torch.testing.assert_close(found, slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", Conjugate)
def test_conjugates_have_the_slopes_they_claim_and_ratios_are_never_negative(kind: Conjugate) -> None:
    zero = {Conjugate.TWO_SIDED: 0.0, Conjugate.ONE_SIDED: 0.0, Conjugate.CHI_SQUARED: -2.0}[kind]
    above = torch.linspace(zero + 0.1, 3.0, 20, requires_grad=True)
    (found,) = torch.autograd.grad(conjugate_value(kind, above).sum(), above)
    torch.testing.assert_close(found, conjugate_slope(kind, above.detach()))
    assert not conjugate_slope(kind, torch.linspace(zero - 3.0, zero - 0.1, 20)).any()
