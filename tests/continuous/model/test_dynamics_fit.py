"""Fitting the ensemble: the loss, the hold-out split, stopping and going back of every member, and stacked seeds."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.model.fit import fit_network, holdout_size
from continuous.model.loss import LikelihoodLoss
from continuous.model.network import DynamicsConfig, DynamicsNetwork, HoldoutCriterion
from continuous.networks.streams import SeedStreams
from tests.continuous.model.small_dynamics import ROWS, SMALL, build, linear_table, make_network, small
from tests.continuous.networks.seed_vector import of_seed


class ScriptedLoss:
    """Trains by likelihood, and reports hold-out losses from a script: call, seed and member to a number.

    Attributes:
        looks: how often each seed's hold-out loss was asked for.
        seen: the members' weights each time.
    """

    def __init__(self, script: Callable[[int, int, int], float], seeds: Sequence[int]) -> None:
        self.script, self.seeds = script, list(seeds)
        self.looks = dict.fromkeys(seeds, 0)
        self.seen: dict[int, list[Tensor]] = {seed: [] for seed in seeds}

    def rows(self, network: DynamicsNetwork, inputs: Tensor, target: Tensor, streams: SeedStreams) -> Tensor:
        losses = LikelihoodLoss().rows(network, inputs, target, streams)
        if torch.is_grad_enabled():
            return losses
        for index, seed in enumerate(self.seeds):
            self.looks[seed] += 1
            self.seen[seed].append(network.members.views["weight1"][index].detach().clone())
            for member in range(losses.shape[1]):
                losses[index, member] = self.script(self.looks[seed], seed, member)
        return losses

    def select(self, seeds: Sequence[int]) -> "ScriptedLoss":
        part = ScriptedLoss(self.script, [])
        part.seeds = [self.seeds[seed] for seed in seeds]
        part.looks, part.seen = self.looks, self.seen
        return part


def test_the_loss_equals_one_written_by_hand() -> None:
    network = make_network([0])
    inputs, target = ROWS[:5, :5], ROWS[:5, 5:]
    loss = LikelihoodLoss().rows(network, inputs[None, None], target[None, None], SeedStreams([0], "unused"))
    views = {name: view.detach()[0].double().numpy() for name, view in network.members.views.items()}
    for member in range(SMALL.members):
        for row in range(5):
            hidden = inputs[row].double().numpy()
            for layer in range(2):
                hidden = hidden @ views[f"weight{layer}"][member] + views[f"bias{layer}"][member, 0]
                hidden = hidden / (1.0 + np.exp(-hidden))
            out = hidden @ views["weight2"][member] + views["bias2"][member, 0]
            mean, log_std = out[:4], out[4:]
            log_std = 0.25 - np.log1p(np.exp(0.25 - log_std))
            log_std = -5.0 + np.log1p(np.exp(log_std + 5.0))
            error = (mean - target[row].double().numpy()) ** 2
            expected = np.mean(error * np.exp(-2.0 * log_std) + 2.0 * log_std)
            assert float(loss.detach()[0, member, row]) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_the_bounds_penalty_is_twice_the_width_of_all_dimensions() -> None:
    assert make_network([0, 1]).bounds_penalty().tolist() == pytest.approx([0.01 * 2.0 * 4 * 5.25] * 2)


def test_a_fifth_is_held_out_but_no_more_than_the_limit() -> None:
    config = DynamicsConfig()
    assert holdout_size(1000, config) == 200
    assert holdout_size(40_460, config) == 8092
    assert holdout_size(1_000_000, config) == 8092
    with pytest.raises(InvalidArgumentError, match="transitions left for training"):
        holdout_size(1, config)


def official_steps(rows: int, batch_size: int) -> int:
    """Steps of a pass: MOPO's code and OfflineRL-Kit round up, so that the last batch has what is left."""
    return math.ceil((rows - min(int(0.2 * rows), 1000)) / batch_size)


@pytest.mark.parametrize(("rows", "batch_size"), [(300, 16), (300, 17), (300, 240), (300, 256)])
def test_a_look_comes_after_every_pass_over_the_training_data(rows: int, batch_size: int) -> None:
    config = small(batch_size=batch_size, steps_per_look=None, fixed_bootstrap=True)
    network, loss = make_network([0], config), ScriptedLoss(lambda look, seed, member: 1.0 / min(look, 3), [0])
    (result,) = fit_network(network, ROWS[:rows], None, SeedStreams([0], "fit"), loss)
    assert result.looks == 3 + config.patience
    assert network.optimizer.count[0] == result.looks * official_steps(rows, batch_size)


@pytest.mark.parametrize("fixed_bootstrap", [True, False])
def test_steps_stop_at_their_limit_even_within_a_pass(fixed_bootstrap: bool) -> None:
    network = make_network([0], small(steps_per_look=None, fixed_bootstrap=fixed_bootstrap, max_steps=20))
    (result,) = fit_network(network, ROWS, None, SeedStreams([0], "fit"), LikelihoodLoss())
    assert result.looks == 2  # a pass is 15 steps
    assert network.optimizer.count[0] == 20


def test_the_squared_error_is_that_of_the_means_whatever_the_deviations() -> None:
    """Members' outputs are constants: the mean over rows and dimensions of their squared distance from the targets."""
    rows = torch.zeros(10, 9)
    rows[:, 5:] = torch.tensor([1.0, 2.0, 3.0, 4.0])  # (r, s' - s)
    config = small(holdout_criterion=HoldoutCriterion.SQUARED_ERROR, max_steps=1, learning_rate=0.0)
    network = make_network([0], config)
    network.members.values.zero_()
    bias = network.members.views["bias2"].detach()[0, :, 0]  # [E, 2 (D + 1)]
    bias[:, 0] = torch.tensor([0.0, 1.0, 2.0, 5.0])
    bias[1, 4:] = -3.0  # the deviation does not count
    (result,) = fit_network(network, rows, None, SeedStreams([0], "fit"), LikelihoodLoss())
    rest = 4.0 + 9.0 + 16.0
    assert result.holdout_loss.tolist() == pytest.approx([(first + rest) / 4.0 for first in (1.0, 0.0, 1.0, 16.0)])
    weights = torch.tensor([[1.0, 3.0] * 5])
    rows[::2, 5:] = 0.0  # where the weight is one
    (result,) = fit_network(network, rows, weights, SeedStreams([0], "fit"), LikelihoodLoss())
    held_out = int((SeedStreams([0], "fit").uniform(10).argsort(-1)[0, :2] % 2).sum())  # of weight three
    means = [(2 - held_out) * 0.5 * zero + held_out * 1.5 * (first + rest) / 4.0
             for zero, first in ((0.0, 1.0), (0.25, 0.0), (1.0, 1.0), (6.25, 16.0))]  # fmt: skip
    assert result.holdout_loss.tolist() == pytest.approx([mean / 2.0 for mean in means])


def test_members_are_kept_and_chosen_by_the_squared_error() -> None:
    table, config = linear_table(), small(holdout_criterion=HoldoutCriterion.SQUARED_ERROR, max_steps=60)
    model, streams = build([0], config), SeedStreams([0], "fit")
    (metrics,) = model.fit(table, None, streams)
    held_out = SeedStreams([0], "fit").uniform(300).argsort(-1)[0, :60]
    mean, _ = model.network(ROWS[None, None, held_out, :5])
    errors = (mean.detach() - ROWS[held_out, 5:]).square().mean((-1, -2))[0]
    assert model.elites[0].tolist() == errors.argsort()[:3].tolist()
    assert metrics["model/holdout_loss"] == pytest.approx(float(errors.sort().values[:3].mean()), rel=1e-5)


class RecordingLoss:
    """Trains by likelihood, notes the first input of every transition, and gives it as the hold-out loss."""

    def __init__(self) -> None:
        self.trained: set[float] = set()
        self.held_out: list[list[float]] = []

    def rows(self, network: DynamicsNetwork, inputs: Tensor, target: Tensor, streams: SeedStreams) -> Tensor:
        losses = LikelihoodLoss().rows(network, inputs, target, streams)
        if torch.is_grad_enabled():
            self.trained |= set(inputs[..., 0].flatten().tolist())
            return losses
        self.held_out.append(inputs[0, 0, :, 0].tolist())
        return inputs[..., 0].expand_as(losses)

    def select(self, seeds: Sequence[int]) -> "RecordingLoss":
        return self


def test_transitions_held_out_are_never_trained_on_and_are_judged_with_their_weights() -> None:
    rows = ROWS.clone()
    rows[:, 0] = torch.arange(300) / 300.0
    weights = torch.rand(1, 300, generator=torch.Generator().manual_seed(0)) + 0.5
    weights /= weights.mean()
    loss, streams, network = RecordingLoss(), SeedStreams([0], "fit"), make_network([0], small(max_steps=100))
    (result,) = fit_network(network, rows, weights, streams, loss)
    held_out = loss.held_out[0]
    assert len(set(held_out)) == 60
    assert all(again == held_out for again in loss.held_out)
    assert not loss.trained & set(held_out)
    assert len(loss.trained) == 240
    numbers = [round(value * 300) for value in held_out]
    expected = float((weights[0, numbers] * torch.tensor(held_out)).mean())
    assert result.holdout_loss.tolist() == pytest.approx([expected] * 4, rel=1e-5)
    fit_network(network, rows, weights, streams, loss)
    assert set(loss.held_out[-1]) != set(held_out)


def test_members_are_kept_when_they_improve_enough_and_go_back_to_that_when_the_patience_ends() -> None:
    scripts = [
        [1.0, 0.995, 0.9, 0.9, 0.8],  # kept at looks 1, 3 and 5
        [1.0, 2.0, 2.0, 2.0, 2.0],  # 1
        [-1.0, -1.005, -0.5, -1.02, -1.0],  # 1 and 4
        [5.0, 4.0, 3.0, 2.975, 2.96],  # 1, 2, 3 and 5
    ]
    kept = [5, 1, 4, 5]

    def script(look: int, seed: int, member: int) -> float:
        return scripts[member][look - 1] if look <= 5 else 10.0 + member

    loss, network = ScriptedLoss(script, [0]), make_network([0])
    (result,) = fit_network(network, ROWS, None, SeedStreams([0], "fit"), loss)
    assert result.looks == 5 + SMALL.patience
    assert len(loss.seen[0]) == result.looks + 1  # and once more, for the elites
    weight = network.members.views["weight1"].detach()[0]
    for member in range(4):
        assert torch.equal(weight[member], loss.seen[0][kept[member] - 1][member])
        assert not torch.equal(weight[member], loss.seen[0][-2][member])
        assert torch.equal(weight[member], loss.seen[0][-1][member])
    assert result.holdout_loss.tolist() == pytest.approx([10.0, 11.0, 12.0, 13.0])


def test_the_elites_have_the_lowest_holdout_losses() -> None:
    losses = [0.7, 0.1, 0.6, 0.2, 0.5, 0.3, 0.4]
    model = build([0], small(members=7, elites=5))
    metrics = model.fit(
        linear_table(), None, SeedStreams([0], "fit"), ScriptedLoss(lambda look, seed, member: losses[member], [0])
    )
    assert model.elites.tolist() == [[1, 3, 5, 6, 4]]
    assert metrics[0]["model/holdout_loss"] == pytest.approx(0.3)


def test_a_refit_goes_on_with_the_same_optimizer_and_judges_members_afresh() -> None:
    config = small(max_steps=30)
    network, streams = make_network([0], config), SeedStreams([0], "fit")
    first = fit_network(network, ROWS, None, streams, LikelihoodLoss())
    before = of_seed(network.members, 0)
    assert network.optimizer.count[0] == 30
    assert first[0].looks == 3
    loss = ScriptedLoss(lambda look, seed, member: float(look), [0])  # only the first look is an improvement
    fit_network(network, ROWS, None, streams, loss)
    assert network.optimizer.count[0] == 60
    assert not torch.equal(of_seed(network.members, 0), before)
    weight = network.members.views["weight1"].detach()[0]
    assert torch.equal(weight, loss.seen[0][0])


def test_steps_stop_at_their_limit_even_within_a_model_epoch() -> None:
    network = make_network([0], small(max_steps=25))
    (result,) = fit_network(network, ROWS, None, SeedStreams([0], "fit"), LikelihoodLoss())
    assert result.looks == 3
    assert network.optimizer.count[0] == 25


def test_transitions_of_weight_zero_do_not_count() -> None:
    weights = torch.ones(1, 300)
    weights[0, ::3] = 0.0
    spoiled = ROWS.clone()
    spoiled[::3, 5:] = 1e3
    parameters = []
    for rows, given in ((ROWS, weights), (spoiled, weights), (spoiled, torch.ones(1, 300))):
        network = make_network([0], small(max_steps=30))
        fit_network(network, rows, given, SeedStreams([0], "fit"), LikelihoodLoss())
        parameters.append(of_seed(network.members, 0))
    assert torch.equal(parameters[0], parameters[1])
    assert not torch.allclose(parameters[0], parameters[2])


def test_only_the_ratios_of_weights_count() -> None:
    weights = torch.rand(1, 300, generator=torch.Generator().manual_seed(0))
    parameters = []
    for given in (weights, 4.0 * weights, None):
        network = make_network([0], small(max_steps=30))
        fit_network(network, ROWS, given, SeedStreams([0], "fit"), LikelihoodLoss())
        parameters.append(of_seed(network.members, 0))
    torch.testing.assert_close(parameters[0], parameters[1])
    assert not torch.allclose(parameters[0], parameters[2])


def test_a_seed_is_fitted_alike_alone_and_among_others_that_end_at_other_times() -> None:
    config = small(steps_per_look=20, improvement=0.08, learning_rate=3e-3)
    table, weights = linear_table(), torch.rand(3, 300, generator=torch.Generator().manual_seed(0))
    among, streams = build([0, 1, 2], config), SeedStreams([0, 1, 2], "fit")
    metrics = among.fit(table, weights, streams)
    epochs = [one["model/epochs"] for one in metrics]
    assert len(set(epochs)) > 1
    for seed in range(3):
        alone, own = build([seed], config), SeedStreams([seed], "fit")
        (metric,) = alone.fit(table, weights[seed : seed + 1], own)
        torch.testing.assert_close(
            of_seed(alone.network.members, 0),
            of_seed(among.network.members, seed),
            rtol=1e-3,
            atol=1e-4,
        )
        assert alone.elites[0].tolist() == among.elites[seed].tolist()
        assert metric["model/epochs"] == epochs[seed]
        assert metric["model/holdout_loss"] == pytest.approx(metrics[seed]["model/holdout_loss"], rel=1e-3)
        assert (own.state(0) == streams.state(seed)).all()


def test_a_seed_that_has_ended_is_left_alone() -> None:
    def script(look: int, seed: int, member: int) -> float:
        return 1.0 if seed == 0 else 1.0 / min(look, 6)

    network, loss = make_network([0, 1]), ScriptedLoss(script, [0, 1])
    streams = SeedStreams([0, 1], "fit")
    first, second = fit_network(network, ROWS, None, streams, loss)
    assert (first.looks, second.looks) == (1 + SMALL.patience, 6 + SMALL.patience)
    assert network.optimizer.count[0] == first.looks * SMALL.steps_per_look
    assert network.optimizer.count[1] == second.looks * SMALL.steps_per_look
    assert len(loss.seen[0]) == first.looks + 1


def test_a_seed_whose_loss_is_not_finite_ends_at_once_and_the_others_go_on() -> None:
    weights = torch.ones(2, 300)
    weights[1] = math.nan
    model = build([0, 1], small(max_steps=50))
    good, bad = model.fit(linear_table(), weights, SeedStreams([0, 1], "fit"))
    assert bad["model/epochs"] == 1.0
    assert math.isnan(bad["model/training_loss"])
    assert good["model/epochs"] == 5.0
    assert math.isfinite(good["model/training_loss"])
    assert torch.isfinite(of_seed(model.network.members, 0)).all()


def test_weights_of_another_shape_are_named() -> None:
    with pytest.raises(InvalidShapeError, match=r"\[1, 299\]; expected \[1, 300\]"):
        fit_network(make_network([0]), ROWS, torch.ones(1, 299), SeedStreams([0], "fit"), LikelihoodLoss())
