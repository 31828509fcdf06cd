"""Rollouts: how many transitions they add, where paths start and start again, and the defect of the released code."""

import pytest
import torch
from torch import Tensor

from ampl.errors import InvalidArgumentError
from continuous.model.rollout import paths_at_once, published_paths, published_transitions, roll_out
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import ReplayBuffer, TransitionTable


def numbered_table(n_transitions: int = 500) -> TransitionTable:
    """States (row, 0), far below the states that the counting model makes."""
    state = torch.zeros(n_transitions, 2)
    state[:, 0] = torch.arange(n_transitions)
    return TransitionTable(
        state=state,
        action=torch.zeros(n_transitions, 1),
        reward=torch.zeros(n_transitions),
        next_state=state,
        terminal=torch.zeros(n_transitions, dtype=torch.bool),
        start_state=state[:1],
    )


class CountingModel:
    """Leaves the row in s_1, counts steps in s_2, and ends episodes at a share of the steps."""

    def __init__(self, end_share: float = 0.0) -> None:
        self.end_share = end_share
        self.largest = 0

    def step(self, state: Tensor, action: Tensor, generator: SeedStreams) -> tuple[Tensor, Tensor, Tensor]:
        self.largest = max(self.largest, state.shape[1])
        terminal = generator.uniform(state.shape[1]) < self.end_share
        return state + torch.tensor([0.0, 1.0]), state[..., 1] + 0.5, terminal


class RandomPolicy:
    def act(self, state: Tensor, generator: SeedStreams) -> Tensor:
        return generator.normal(state.shape[1], 1)


def rolled_out(
    *, length: int, transitions: int, seeds: tuple[int, ...] = (0,), end_share: float = 0.0, **options: object
) -> tuple[ReplayBuffer, dict[str, Tensor]]:
    table = numbered_table()
    buffer = ReplayBuffer(len(seeds), 640_000, table.layout)
    metrics = roll_out(
        CountingModel(end_share),
        RandomPolicy(),
        table,
        buffer,
        length=length,
        paths=published_paths(length, transitions),
        streams=SeedStreams(seeds, "rollout"),
        **options,  # type: ignore[arg-type]
    )
    return buffer, metrics


def contents(buffer: ReplayBuffer, index: int = 0) -> tuple[Tensor, ...]:
    """State, action, reward, next state and terminal of everything in the buffer."""
    rows = buffer.layout.unpack(torch.from_numpy(buffer.state(index)["rows"]))
    return rows.state, rows.action, rows.reward, rows.next_state, rows.terminal


@pytest.mark.parametrize(("length", "count"), [(1, 32_000), (3, 34_560), (5, 37_120)])
@pytest.mark.parametrize("end_share", [0.0, 0.5])
def test_the_published_number_of_transitions_is_collected_whatever_ends(
    length: int, count: int, end_share: float
) -> None:
    assert published_transitions(length, 32_000) == count
    buffer, metrics = rolled_out(length=length, transitions=32_000, end_share=end_share)
    assert buffer.n_transitions == count
    assert float(metrics["rollout/terminal_share"]) == pytest.approx(end_share, abs=0.02)


def test_a_small_request_is_rounded_up_to_whole_paths() -> None:
    assert published_transitions(3, 1) == 3
    assert published_transitions(3, 2048) == 6144
    assert published_transitions(5, 10_241) == 10_245


def test_paths_start_in_the_data_and_continue_from_the_state_they_reached() -> None:
    buffer, metrics = rolled_out(length=4, transitions=100)
    state, _, reward, next_state, _ = contents(buffer)
    steps, lanes = state[:, 1].view(4, -1), state[:, 0].view(4, -1)
    assert torch.equal(steps, torch.arange(4.0)[:, None].expand_as(steps))
    assert (lanes == lanes[0]).all()
    assert ((lanes[0] >= 0) & (lanes[0] < 500)).all()
    assert len(lanes[0].unique()) > 50
    assert torch.equal(next_state[:, 1], state[:, 1] + 1.0)
    assert float(metrics["rollout/reward_mean"]) == pytest.approx(float(reward.mean()))


def test_a_path_that_ended_starts_again_from_a_fresh_state_of_the_data() -> None:
    buffer, _ = rolled_out(length=5, transitions=2000, end_share=0.3)
    state, _, _, next_state, terminal = (column.unflatten(0, (5, -1)) for column in contents(buffer))
    for step in range(4):
        ended = terminal[step]
        assert 0 < int(ended.sum()) < len(ended)
        assert torch.equal(state[step + 1][~ended], next_state[step][~ended])
        assert (state[step + 1][ended][:, 1] == 0.0).all()
        assert (state[step + 1][ended][:, 0] != state[step][ended][:, 0]).float().mean() > 0.9


def test_by_default_every_path_has_its_own_action() -> None:
    _, action, *_ = contents(rolled_out(length=2, transitions=3000)[0])
    assert len(action.unique()) > 0.99 * len(action)


def test_the_defect_shares_one_action_among_the_paths_of_a_start_batch() -> None:
    _, action, *_ = contents(rolled_out(length=2, transitions=5000, shared_action=True, chunk=100)[0])
    first, second = action[:4096].view(2, 2048), action[4096:].view(2, 904)
    for group in (*first, *second):
        assert len(group.unique()) == 1
    assert len(action.unique()) == 4


def test_chunks_bound_the_rows_of_a_model_step() -> None:
    table, model = numbered_table(), CountingModel()
    buffer = ReplayBuffer(1, 10_000, table.layout)
    roll_out(model, RandomPolicy(), table, buffer, length=2, paths=700, streams=SeedStreams([0], "rollout"), chunk=300)
    assert model.largest == 300
    assert buffer.n_transitions == 1400


def test_the_paths_at_a_time_are_those_of_a_cache_or_bound_the_rows_of_all_seeds_and_members() -> None:
    assert paths_at_once(torch.device("cpu"), 45 * 7) == 2048
    for copies in (1, 7, 45 * 7, 1000 * 7):
        paths = paths_at_once(torch.device("cuda"), copies)
        assert paths * copies <= 2**22 < (paths + 1) * copies
    assert paths_at_once(torch.device("cuda"), 2**25) == 1


def test_a_seed_rolls_out_the_same_alone_and_among_others() -> None:
    among, _ = rolled_out(length=3, transitions=500, seeds=(0, 1, 2), end_share=0.3)
    alone, _ = rolled_out(length=3, transitions=500, seeds=(1,), end_share=0.3)
    assert (among.state(1)["rows"] == alone.state(0)["rows"]).all()
    assert not (among.state(0)["rows"] == alone.state(0)["rows"]).all()


@pytest.mark.parametrize("wrong", [{"length": 0}, {"transitions": 0}, {"chunk": 0}])
def test_numbers_below_one_are_named(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        rolled_out(**{"length": 1, "transitions": 10, **wrong})  # type: ignore[arg-type]
