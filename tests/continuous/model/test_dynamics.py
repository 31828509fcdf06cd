"""The dynamics ensemble: how it starts, standardizes, predicts with its elites, ends episodes and is stored."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError
from continuous.model.ensemble import DynamicsConfig, EnsembleDynamics, reward_bound, state_bound
from continuous.model.network import DynamicsNetwork, Standardization, soft_clamp
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from continuous.tasks.termination import hopper, never, of_next_state
from tests.continuous.model.small_dynamics import SMALL, build, linear_table
from tests.continuous.networks.seed_vector import of_seed


def speaking_model(seeds: Sequence[int]) -> EnsembleDynamics:
    """A model whose member m predicts the reward m and no change, without noise worth mentioning."""
    model = build(seeds)
    model.network.members.values.zero_()
    model.network.bounds.views["upper"].detach().fill_(-19.0)
    model.network.bounds.views["lower"].detach().fill_(-20.0)
    head = model.network.members.views["bias2"].detach()  # [K, E, 1, 2 (D + 1)]
    head[..., 0] = torch.arange(SMALL.members)[:, None]
    for index in range(len(seeds)):
        model.load_state(index, model.state(index))  # takes the elites' parameters anew
    return model


def test_soft_bounds_hold_every_value_with_a_slope_everywhere() -> None:
    lower, upper = torch.tensor(-5.0), torch.tensor(0.25)
    values = torch.tensor([-1e3, -8.0, -2.0, 0.0, 3.0, 1e3], requires_grad=True)
    clamped = soft_clamp(values, lower, upper)
    assert clamped.min() >= lower
    assert clamped.max() <= upper + math.log1p(math.exp(-5.25)) + 1e-6
    torch.testing.assert_close(soft_clamp(torch.tensor(-2.0), lower, upper), torch.tensor(-2.0), atol=0.2, rtol=0.0)
    clamped[1:-1].sum().backward()
    assert values.grad is not None
    assert (values.grad[1:-1] > 0.0).all()


def test_bounds_start_where_the_configuration_says() -> None:
    bounds = build([0, 1], DynamicsConfig(hidden=8)).network.bounds.views
    assert (bounds["upper"] == 0.25).all()
    assert (bounds["lower"] == -5.0).all()
    assert bounds["upper"].shape == (2, 4)


def test_initial_weights_are_wrapped_normals_and_biases_zero() -> None:
    parameters = build([0], DynamicsConfig()).network.members.views
    for layer, fan_in in enumerate((5, 200, 200, 200, 200)):
        weight = parameters[f"weight{layer}"].detach() * 2.0 * math.sqrt(fan_in)
        assert 1.9 < weight.abs().max() < 2.0
        assert (parameters[f"bias{layer}"] == 0.0).all()
    inside = parameters["weight1"].detach() * 2.0 * math.sqrt(200)
    assert inside.std() == pytest.approx(
        0.866, abs=0.006
    )  # of N(0, 1) with its tails wrapped; cut off, they leave 0.880


def test_a_seed_starts_the_same_alone_and_among_others_and_members_differ() -> None:
    alone, among = build([3]).network.members, build([1, 3]).network.members
    assert torch.equal(of_seed(alone, 0), of_seed(among, 1))
    weight = alone.views["weight0"][0]
    assert not torch.equal(weight[0], weight[1])


def test_standardized_data_has_mean_zero_and_deviation_one_and_a_constant_column_stays_finite() -> None:
    table = linear_table()
    state = table.state.clone()
    state[:, 1] = 0.1
    next_state = table.next_state.clone()
    next_state[:, 1] = 0.1
    table = TransitionTable(
        state=state,
        action=table.action,
        reward=table.reward * 50.0 + 7.0,
        next_state=next_state,
        terminal=table.terminal,
        start_state=state[:2],
    )
    standardization = Standardization(3, 2)
    rows = standardization.fit(table)  # s (3), a (2), r, s' - s (3)
    constant = [1, 7]
    moving = [column for column in range(9) if column not in constant]
    torch.testing.assert_close(rows[:, moving].mean(0), torch.zeros(7), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(rows[:, moving].std(0, correction=0), torch.ones(7))
    assert (rows[:, constant] == 0.0).all()
    torch.testing.assert_close(standardization.next_state(state, rows[:, 5:]), next_state)
    torch.testing.assert_close(standardization.reward(rows[:, 5:]), table.reward)
    torch.testing.assert_close(standardization.state(rows[:, :5]), state)


def plain_prediction(model: EnsembleDynamics, state: Tensor, action: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Next states [K, E, B, D] and rewards [K, E, B] of all members, the usual way."""
    standardization = model.standardization
    mean, log_std = model.network(standardization.inputs(state, action)[:, None])
    target = mean + log_std.exp() * noise[:, None]
    change = target[..., 1:] * standardization.target_std[1:] + standardization.target_mean[1:]
    return state[:, None] + change, target[..., 0] * standardization.target_std[0] + standardization.target_mean[0]


@pytest.mark.parametrize("rows", [1, 3, 10, 11])
def test_a_row_is_predicted_by_the_elite_it_is_dealt_to(rows: int) -> None:
    table = linear_table()
    model = build([0, 1], table=table)
    model.fit(table, None, SeedStreams([0, 1], "fit"))
    streams = SeedStreams([5, 6], "rows")
    state, action = streams.normal(rows, 3), streams.uniform(rows, 2)
    noise, shift = streams.normal(rows, 4), torch.tensor([[1], [2]])
    next_state, reward = model.predict(state, action, noise, shift)
    every_next_state, every_reward = plain_prediction(model, state, action, noise)
    for seed in range(2):
        for row in range(rows):
            member = model.elites[seed, (row + shift[seed, 0]) % 3]
            torch.testing.assert_close(next_state[seed, row], every_next_state[seed, member, row])
            torch.testing.assert_close(reward[seed, row], every_reward[seed, member, row])


def test_over_the_shifts_each_row_meets_each_elite_once_and_rows_of_a_step_share_them_evenly() -> None:
    model = speaking_model([0])
    state, action = torch.zeros(1, 8, 3), torch.zeros(1, 8, 2)
    noise = torch.zeros(1, 8, 4)
    speakers = torch.stack([model.predict(state, action, noise, torch.tensor([[s]]))[1][0] for s in range(3)]).round()
    for row in range(8):
        assert sorted(speakers[:, row].tolist()) == [0.0, 1.0, 2.0]
    for shift in range(3):
        counts = [int((speakers[shift] == elite).sum()) for elite in range(3)]
        assert max(counts) - min(counts) <= 1


def test_steps_draw_every_shift() -> None:
    model, streams = speaking_model([0]), SeedStreams([0], "steps")
    state, action = torch.zeros(1, 1, 3), torch.zeros(1, 1, 2)
    speakers = [float(model.step(state, action, streams)[1].round()) for _ in range(300)]
    for elite in range(3):
        assert 70 <= speakers.count(elite) <= 130


def test_episodes_end_beyond_the_bounds_and_cost_the_reward_bound() -> None:
    model = EnsembleDynamics(
        2,
        1,
        SMALL,
        [0],
        termination=of_next_state(never),
        state_bound=torch.tensor([1.0, 4.0]),
        reward_bound=torch.tensor(3.0),
    )
    next_state = torch.tensor([[[1.0, -4.0], [1.1, 0.0], [0.0, -4.1], [2.0, 0.0], [0.0, 0.0], [0.0, 0.0]]])
    reward = torch.tensor([[3.0, 0.5, 0.5, -9.0, 3.1, -3.1]])
    same_state, reward, terminal = model.finish(torch.zeros(1, 6, 2), torch.zeros(1, 6, 1), next_state, reward)
    assert torch.equal(same_state, next_state)
    assert terminal.tolist() == [[False, True, True, True, True, True]]
    assert reward.tolist() == [[3.0, -3.0, -3.0, -3.0, -3.0, -3.0]]


def test_the_rule_of_the_task_ends_episodes_with_the_reward_as_predicted() -> None:
    model = EnsembleDynamics(
        11,
        3,
        SMALL,
        [0],
        termination=of_next_state(hopper),
        state_bound=torch.full((11,), 10.0),
        reward_bound=torch.tensor(3.0),
    )
    next_state = torch.zeros(1, 2, 11)
    next_state[0, :, 0] = torch.tensor([1.2, 0.5])  # upright, fallen
    reward = torch.tensor([[0.5, 0.25]])
    _, reward, terminal = model.finish(torch.ones(1, 2, 11), torch.ones(1, 2, 3), next_state, reward)
    assert terminal.tolist() == [[False, True]]
    assert reward.tolist() == [[0.5, 0.25]]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["state", "reward"])
@pytest.mark.parametrize("bounded", [True, False])
def test_a_row_ends_where_its_prediction_is_not_finite(broken: float, where: str, bounded: bool) -> None:
    """AMPL, which has bounds, pays -reward_bound for an infinity; MOPO has none. What is kept is finite."""
    model = EnsembleDynamics(
        2,
        1,
        SMALL,
        [0],
        termination=of_next_state(never),
        state_bound=torch.full((2,), 4.0 if bounded else math.inf),
        reward_bound=torch.tensor(3.0 if bounded else math.inf),
    )
    state, next_state, reward = torch.full((1, 3, 2), 0.25), torch.full((1, 3, 2), 0.5), torch.ones(1, 3)
    if where == "state":
        next_state[0, 1, 1] = broken
    else:
        reward[0, 1] = broken
    next_state, reward, terminal = model.finish(state, torch.zeros(1, 3, 1), next_state, reward)
    assert terminal.tolist() == [[False, True, False]]
    assert next_state.tolist() == [[[0.5, 0.5], [0.25, 0.25], [0.5, 0.5]]]
    assert reward.tolist() == [[1.0, -3.0 if bounded and math.isinf(broken) else 0.0, 1.0]]


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_model_that_is_broken_ends_its_rows_and_gives_finite_ones(broken: float) -> None:
    model = speaking_model([0, 1])
    model.network.members.views["bias2"].detach()[1, :, :, 2] = broken  # a dimension of the change
    model.load_state(1, model.state(1))
    state, action = torch.ones(2, 5, 3), torch.ones(2, 5, 2)
    next_state, reward, terminal = model.step(state, action, SeedStreams([0, 1], "steps"))
    assert terminal.tolist() == [[False] * 5, [True] * 5]
    assert next_state.isfinite().all()
    assert torch.equal(next_state[1], state[1])
    expected = 0.0 if math.isnan(broken) else -float(reward_bound(linear_table()))
    assert reward[1].tolist() == pytest.approx([expected] * 5)


def test_bounds_come_from_the_data() -> None:
    columns = {
        "state": torch.tensor([[1.0, -5.0], [0.0, 2.0]]),
        "next_state": torch.tensor([[-3.0, 0.0], [0.0, 4.0]]),
        "action": torch.zeros(2, 1),
        "terminal": torch.zeros(2, dtype=torch.bool),
        "start_state": torch.zeros(1, 2),
    }
    table = TransitionTable(reward=torch.tensor([0.2, 1.0]), **columns)
    assert state_bound(table).tolist() == [6.0, 10.0]
    assert float(reward_bound(table)) == pytest.approx(1.0 + 10.0 * 0.4)  # population standard deviation 0.4
    table = TransitionTable(reward=torch.tensor([-6.0, 1.0]), **columns)
    assert float(reward_bound(table)) == pytest.approx(6.0 + 10.0 * 3.5)


def test_after_a_fit_predictions_are_close_to_the_truth() -> None:
    table = linear_table(2000)
    config = DynamicsConfig(
        members=3, elites=2, hidden=32, layers=2, weight_decay=(0.0, 0.0), steps_per_look=200, max_steps=600
    )
    model = build([0], config, table)
    metrics = model.fit(table, None, SeedStreams([0], "fit"))
    state, action = torch.zeros(1, 200, 3), torch.zeros(1, 200, 2)
    action[0, :, 0] = 0.5
    next_state, reward, terminal = model.step(state, action, SeedStreams([0], "steps"))
    torch.testing.assert_close(next_state.mean(1), torch.full((1, 3), 0.05), atol=0.01, rtol=0.0)
    torch.testing.assert_close(reward.mean(1), torch.tensor([0.5]), atol=0.05, rtol=0.0)
    assert next_state.std(1).max() < 0.03
    assert not terminal.any()
    assert metrics[0]["model/holdout_loss"] < -3.0
    assert metrics[0]["model/epochs"] == 3.0


def test_a_model_put_back_to_a_state_continues_bit_for_bit() -> None:
    table = linear_table()
    seeds, config = [2, 7], DynamicsConfig(**{**vars(SMALL), "max_steps": 30})
    model, streams = build(seeds, config, table), SeedStreams(seeds, "fit")
    model.fit(table, None, streams)
    stored = [model.state(index) for index in range(2)]
    other, other_streams = build([0, 1], config, table), SeedStreams([0, 1], "other")
    for index in range(2):
        other.load_state(index, stored[index])
        other_streams.load_state(index, streams.state(index))
    weights = torch.rand(2, 300, generator=torch.Generator().manual_seed(1))
    state, action = torch.ones(2, 7, 3), torch.ones(2, 7, 2)
    for first, second in zip(model.step(state, action, streams), other.step(state, action, other_streams), strict=True):
        assert torch.equal(first, second)
    model.fit(table, weights, streams)
    other.fit(table, weights, other_streams)
    for index in range(2):
        left, right = model.state(index), other.state(index)
        assert left.keys() == right.keys()
        assert all((left[name] == right[name]).all() for name in left)
        assert not (left["network/members/weight0"] == stored[index]["network/members/weight0"]).all()


def test_weight_decay_differs_by_layer_and_spares_the_bounds() -> None:
    config = DynamicsConfig(hidden=8, bounds_weight=0.0)
    generators = [torch.Generator().manual_seed(member) for member in range(7)]
    network = DynamicsNetwork(3, 2, config, generators)
    before = {name: view.detach().clone() for name, view in network.members.views.items()}
    for view in before.values():
        assert view.shape[:2] == (1, 7)
    mean, log_std = network(torch.ones(1, 1, 4, 5))
    network.update(0.0 * (mean.sum() + log_std.sum()))
    for layer, decay in enumerate((2.5e-5, 5e-5, 7.5e-5, 7.5e-5, 1e-4)):
        for kind in ("weight", "bias"):
            name = f"{kind}{layer}"
            moment = network.optimizer.first_moment.views[name].detach()
            torch.testing.assert_close(moment, 0.1 * decay * before[name])
    assert (network.bounds_optimizer.first_moment.values == 0.0).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"elites": 8},
        {"members": 0},
        {"holdout_share": 1.5},
        {"weight_decay": (1e-4,)},
        {"upper_log_std": -6.0},
        {"patience": 0},
        {"learning_rate": math.nan},
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"members|holdout|weight_decay|upper_log_std|patience|learning"):
        DynamicsConfig(**wrong)  # type: ignore[arg-type]


def test_a_coordinate_that_is_always_zero_does_not_end_every_episode() -> None:
    table = linear_table()
    table.state[:, 1] = table.next_state[:, 1] = 0.0
    model = build((0,), table=table)
    model.standardization.fit(table)
    _, _, ended = model.step(table.state[None, :100], table.action[None, :100], SeedStreams((0,), "step"))
    assert not ended.any()
