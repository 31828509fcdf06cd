"""Packed transitions: what is sampled was once inserted, oldest leave first, and nothing unwritten is ever served."""

import pytest
import torch

from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch, Layout, ReplayBuffer, TransitionTable


def numbered(first: int, count: int, n_seeds: int = 2) -> Batch:
    """Transitions whose columns all tell their number, plus 1000 times the seed."""
    number = torch.arange(first, first + count, dtype=torch.float32) + 1000.0 * torch.arange(n_seeds)[:, None]
    return Batch(
        state=number[..., None].repeat(1, 1, 2),
        action=number[..., None] + 0.25,
        reward=number + 0.5,
        next_state=number[..., None].repeat(1, 1, 2) + 0.75,
        terminal=number.long() % 2 == 1,
    )


def test_columns_of_a_sampled_row_belong_together_and_to_the_seed() -> None:
    buffer = ReplayBuffer(2, 10, Layout(2, 1))
    buffer.append(numbered(1, 6))
    batch = buffer.sample(500, SeedStreams([0, 1], "x"))
    number = batch.state[..., 0]
    assert torch.equal(batch.reward, number + 0.5)
    assert torch.equal(batch.action[..., 0], number + 0.25)
    assert torch.equal(batch.next_state[..., 1], number + 0.75)
    assert torch.equal(batch.terminal, number.long() % 2 == 1)
    assert set(number[0].tolist()) == set(range(1, 7))
    assert set(number[1].tolist()) == set(range(1001, 1007))


def test_the_oldest_leave_first_across_the_end_of_the_memory() -> None:
    buffer = ReplayBuffer(2, 10, Layout(2, 1))
    for first, count in ((1, 7), (8, 6), (14, 4)):
        buffer.append(numbered(first, count))
    number = buffer.sample(2000, SeedStreams([0, 1], "x")).state[0, :, 0]
    assert set(number.tolist()) == set(range(8, 18))
    buffer.append(numbered(100, 25))
    assert set(buffer.sample(2000, SeedStreams([0, 1], "x")).state[0, :, 0].tolist()) == set(range(115, 125))


def test_a_buffer_filled_at_once_serves_what_one_filled_bit_by_bit_does() -> None:
    """Training that goes on from its file of steps draws the same batches."""
    whole, parts = ReplayBuffer(2, 10, Layout(2, 1)), ReplayBuffer(2, 10, Layout(2, 1))
    whole.append(numbered(1, 27))
    for first in range(1, 28, 9):
        parts.append(numbered(first, 9))
    drawn = [buffer.sample(200, SeedStreams([0, 1], "x")).state for buffer in (whole, parts)]
    assert torch.equal(*drawn)


def test_an_empty_buffer_serves_nothing() -> None:
    with pytest.raises(InvalidArgumentError, match="model buffer"):
        ReplayBuffer(1, 10, Layout(2, 1)).sample(3, SeedStreams([0], "x"))


def test_a_stored_seed_is_put_back() -> None:
    buffer = ReplayBuffer(2, 10, Layout(2, 1))
    buffer.append(numbered(1, 13))
    other = ReplayBuffer(2, 10, Layout(2, 1))
    for index in range(2):
        other.load_state(index, buffer.state(index))
    for each in (buffer, other):
        each.append(numbered(50, 4))
    drawn = [each.sample(300, SeedStreams([0, 1], "x")) for each in (buffer, other)]
    assert torch.equal(drawn[0].reward, drawn[1].reward)
    with pytest.raises(InvalidShapeError, match="at most 5 rows"):
        ReplayBuffer(2, 5, Layout(2, 1)).load_state(0, buffer.state(0))


def test_a_table_gathers_its_rows() -> None:
    rows = numbered(0, 20, n_seeds=1)
    table = TransitionTable(
        **{name: column[0] for name, column in rows._asdict().items()}, start_state=torch.zeros(3, 2)
    )
    assert table.n_transitions == 20
    batch = table.gather(torch.tensor([[4, 7], [0, 19]]))
    assert batch.reward.tolist() == [[4.5, 7.5], [0.5, 19.5]]
    assert batch.terminal.tolist() == [[False, True], [False, True]]
    assert table.sample(6, SeedStreams([0, 1], "x")).state.shape == (2, 6, 2)
    columns = {name: column[0] for name, column in rows._asdict().items()}
    with pytest.raises(InvalidShapeError, match="lengths"):
        TransitionTable(**(columns | {"reward": torch.zeros(3)}), start_state=torch.zeros(3, 2))
