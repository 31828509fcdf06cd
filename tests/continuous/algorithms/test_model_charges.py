"""How COMBO, RAMBO, MOBILE and MOReL distrust the model, against loops over rows and members."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError
from continuous.algorithms.cql.learner import ActionDraws
from continuous.algorithms.mobile.learner import MOBILELearner, MOBILELearnerConfig
from continuous.algorithms.morel.pessimistic_model import PessimisticModel
from continuous.algorithms.rambo.adversary import adversarial_objective
from continuous.model.ensemble import EnsembleDynamics
from continuous.networks.streams import SeedStreams
from tests.continuous.algorithms.small_model_based import (
    SAC,
    small_combo,
    small_damo,
    small_mobile,
    small_morel,
    small_rambo,
)
from tests.continuous.algorithms.test_soft_actor_critic import A, D, random_batch


def some_rows(algorithm: object, rows: int = 6) -> tuple[Tensor, Tensor]:
    table = algorithm.table  # type: ignore[attr-defined]
    return table.state[None, :rows], table.action[None, :rows]


def member_predictions(model: EnsembleDynamics, state: Tensor, action: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Mean and standard deviation of (r, s' - s) of each elite, [B, D + 1], one network at a time."""
    found = []
    for member in model.elites[0].tolist():
        mean, log_std = model.network(model.standardization.inputs(state, action)[:, None])
        scale = model.standardization
        std = log_std[0, member].exp() * scale.target_std
        found.append(((mean[0, member] * scale.target_std + scale.target_mean).detach(), std.detach()))
    return found


@pytest.mark.parametrize("variant", ["main", "model-states"])
def test_combo_pushes_values_down_where_it_says(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the states of all rows, or of the model's; up at the data's rows."""
    algorithm = small_combo((0,), variant)
    algorithm.fit_model(None)
    algorithm.roll_out()
    seen: dict[str, int] = {}

    def spy(*rows: object, draws: ActionDraws | None = None, data_rows: int, first: int) -> None:
        seen.update(data_rows=data_rows, first=first, states=rows[3].uniform.shape[1])  # type: ignore[attr-defined]

    monkeypatch.setattr(algorithm.learner, "update_conservatively", spy)
    algorithm.update()
    assert seen == {"data_rows": 16, "first": 16 if variant == "model-states" else 0,
                    "states": 16 if variant == "model-states" else 32}  # fmt: skip


def test_combo_needs_rows_of_both_kinds() -> None:
    config = small_combo().settings
    for fraction in (0.0, 1.0):
        with pytest.raises(InvalidArgumentError, match="expected some of the data and some of the model"):
            replace(config, schedule=replace(config.schedule, real_fraction=fraction))


def test_mobile_needs_rows_of_the_model_and_damo_two_rows() -> None:
    config = small_mobile().settings
    with pytest.raises(InvalidArgumentError, match="no row of 32 is of the model"):
        replace(config, schedule=replace(config.schedule, real_fraction=1.0))
    config = small_damo().settings
    with pytest.raises(InvalidArgumentError, match="batch_size is 1; expected at least 2"):
        replace(config, schedule=replace(config.schedule, batch_size=1))


def test_mobiles_charge_is_the_spread_of_next_values_over_members() -> None:
    algorithm = small_mobile()
    algorithm.fit_model(None)
    state, action = some_rows(algorithm)
    found = algorithm.inconsistency(state, action, SeedStreams((0,), "charge"))[0]
    streams, count = SeedStreams((0,), "charge"), algorithm.settings.sampled_states
    members, rows, size = algorithm.settings.dynamics.elites, state.shape[1], state.shape[2]
    noise = streams.normal(count, members, rows, size)[0]
    action_noise = streams.normal(count * members * rows, 1)[0].view(count, members, rows, 1)
    predictions = member_predictions(algorithm.model, state, action)
    for row in range(rows):
        values = []
        for member, (mean, std) in enumerate(predictions):
            of_samples = []
            for sample in range(count):
                there = state[0, row] + mean[row, 1:] + std[row, 1:] * noise[sample, member, row]
                move = algorithm.learner.policy.sample(there[None, None], action_noise[sample, member, row][None, None])
                rows_in = torch.cat((there, move[0][0, 0]))[None, None, None]
                of_samples.append(float(algorithm.learner.critic_target(rows_in).detach().amin()))
            values.append(sum(of_samples) / count)
        assert float(found[row]) == pytest.approx(statistics.stdev(values), rel=1e-3, abs=1e-6)


def test_mobile_charges_the_models_rows_alone_and_bounds_its_targets() -> None:
    algorithm = small_mobile()
    algorithm.fit_model(None)
    algorithm.roll_out()
    charged = algorithm.update
    seen: list[Tensor] = []
    learner = algorithm.learner
    plain = learner.update
    learner.update = lambda batch, *noise: (seen.append(batch.reward), plain(batch, *noise))  # type: ignore[method-assign, assignment, func-returns-value]
    algorithm.inconsistency = lambda state, action, streams: torch.full(state.shape[:2], 1e6)  # type: ignore[method-assign]
    charged()
    real = algorithm.real_rows
    assert real > 0
    assert (seen[0][:, :real] > -10.0).all()
    assert (seen[0][:, real:] < -1e5).all()
    bounded = MOBILELearner(D, A, MOBILELearnerConfig(**vars(SAC), lowest_target=0.5), (0,))
    free = MOBILELearner(D, A, MOBILELearnerConfig(**vars(SAC)), (0,))
    batch, noise = random_batch(1), torch.zeros(1, 16, A)
    targets = free.bellman_target(batch, noise)
    assert targets.amin() < 0.5
    torch.testing.assert_close(bounded.bellman_target(batch, noise), targets.clamp(min=0.5))
    value = free.critic_target(
        torch.cat((batch.next_state, free.policy.sample(batch.next_state, noise)[0]), -1)[:, None]
    )
    expected = batch.reward + 0.99 * ~batch.terminal * value[..., 0].amin(1)
    torch.testing.assert_close(targets, expected.detach())


def test_morels_detector_is_the_widest_pair_and_its_threshold_is_of_the_data() -> None:
    algorithm = small_morel()
    algorithm.fit_model(None)
    model = PessimisticModel(algorithm.model, torch.tensor(-7.0))
    table = algorithm.table
    state, action = table.state[None], table.action[None]
    predictions = member_predictions(algorithm.model, state, action)
    pairs = [(one - other)[:, 1:].norm(dim=1) for one, _ in predictions for other, _ in predictions]
    expected = torch.stack(pairs).amax(0)
    torch.testing.assert_close(model.disagreement(state, action)[0], expected)
    model.measure(table, 2.0)
    wanted = expected.mean() + 2.0 * expected.std(correction=0)
    assert float(model.threshold[0]) == pytest.approx(float(wanted), rel=1e-5)


def test_an_unknown_pair_halts_at_its_price_and_a_known_one_goes_on() -> None:
    algorithm = small_morel()
    algorithm.fit_model(None)
    state, action = some_rows(algorithm, 40)
    model = PessimisticModel(algorithm.model, torch.tensor(-7.0))
    disagreement = model.disagreement(state, action)
    model.threshold.fill_(float(disagreement.median()))
    unknown = disagreement > model.threshold
    assert unknown.any()
    assert not unknown.all()
    _, reward, terminal = model.step(state, action, SeedStreams((0,), "step"))
    own = algorithm.model.step(state, action, SeedStreams((0,), "step"))
    torch.testing.assert_close(terminal, unknown | own[2])
    assert reward[unknown].tolist() == pytest.approx([-7.0] * int(unknown.sum()), abs=1e-5)
    torch.testing.assert_close(reward[~unknown], own[1][~unknown], rtol=1e-4, atol=1e-5)


def test_rambos_objective_weighs_the_mixtures_density_by_standardized_advantages() -> None:
    """And moves the elites alone: the gradient is that of the stated loss, with what was drawn held fixed."""
    algorithm = small_rambo()
    algorithm.fit_model(None)
    state, action = some_rows(algorithm, 5)
    model, learner, elites = algorithm.model, algorithm.learner, algorithm.model.config.elites
    noise, shift = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([[1]])
    found, mean_advantage, next_state = adversarial_objective(model, learner, state, action, noise, shift)
    given = torch.autograd.grad(found.sum(), list(model.network.members.views.values()))

    mean, log_std = model.network(model.standardization.inputs(state, action)[:, None])
    log_densities, advantages = [], []
    for row in range(5):
        member = int(model.elites[0, (row + 1) % elites])
        drawn = (mean[0, member, row] + log_std[0, member, row].exp() * noise[0, row]).detach()
        there = state[0, row] + drawn[1:]  # targets keep their units
        torch.testing.assert_close(next_state[0, row], there)
        densities = [
            torch.distributions.Normal(mean[0, m, row], log_std[0, m, row].exp()).log_prob(drawn).sum().exp()
            for m in model.elites[0].tolist()
        ]
        log_densities.append((sum(densities) / elites).log())  # type: ignore[union-attr]
        move = learner.policy.best_action(there[None, None])
        value = drawn[0] + 0.99 * learner.action_value(there[None, None], move).amin()
        advantages.append(value - learner.action_value(state[:, row : row + 1], action[:, row : row + 1]).amin())
    advantage = torch.stack(advantages).detach()
    weights = (advantage - advantage.mean()) / advantage.std(correction=0)
    expected = (weights * torch.stack(log_densities)).mean()
    assert float(found[0].detach()) == pytest.approx(float(expected.detach()), rel=1e-3, abs=1e-5)
    assert float(mean_advantage[0]) == pytest.approx(float(advantage.mean()), rel=1e-4, abs=1e-6)
    wanted = torch.autograd.grad(expected, list(model.network.members.views.values()))
    for one, other in zip(given, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
    assert any((slope != 0.0).any() for slope in given)


def test_rambos_adversary_lowers_what_the_policy_gets_from_the_model() -> None:
    """With a large weight, against the same run with none; both keep training on the data."""
    values = []
    for weight in (1e-6, 1.0):
        algorithm = small_rambo()
        algorithm.settings = replace(algorithm.settings, adversary_weight=weight)
        algorithm.fit_model(None)
        for _ in range(20):
            algorithm._train_adversary()
        state, action = some_rows(algorithm, 400)
        next_state, reward, _ = algorithm.model.step(state, action, SeedStreams((0,), "step"))
        move = algorithm.learner.policy.best_action(next_state)
        value = reward + 0.99 * algorithm.learner.action_value(next_state, move).amin(1)
        values.append(float(value.mean().detach()))
    assert values[1] < values[0] - 0.01


def test_rambos_policy_begins_like_the_datas() -> None:
    algorithm = small_rambo()
    table = algorithm.table

    def likelihood() -> float:
        return float(algorithm.learner.policy.log_probability(table.state[None], table.action[None]).mean().detach())

    before = likelihood()
    for _ in range(200):
        algorithm._clone()
    assert likelihood() > before + 0.05
