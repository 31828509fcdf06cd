"""Standardization of a dynamics model's inputs and targets: what is divided, and which columns never change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from continuous.model.standardization import Standardization
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from tests.continuous.model.small_dynamics import build, linear_table


def changed(**columns: Tensor) -> TransitionTable:
    """The linear table with other columns."""
    return linear_table().changed(**columns)


def column(values: Tensor, index: int, entries: Any) -> Tensor:
    """A copy with one column replaced."""
    copy = values.clone()
    copy[:, index] = entries
    return copy


def fitted(table: TransitionTable, targets: bool = True) -> tuple[Standardization, Tensor]:
    standardization = Standardization(3, 2)
    return standardization, standardization.fit(table, targets=targets)


def rounding(rows: int, size: float) -> Tensor:
    """A number with its last bits changed at random."""
    generator = torch.Generator().manual_seed(1)
    return size * (1.0 + 1e-7 * torch.randn(rows, generator=generator))


def test_columns_that_change_are_divided_by_their_standard_deviation_bit_for_bit() -> None:
    table = linear_table()
    columns = (table.state, table.action, table.reward[:, None], table.next_state - table.state)
    values = torch.cat(columns, dim=1).numpy()
    mean, std = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
    standardization, rows = fitted(table)
    std32, mean32 = std.astype(np.float32), mean.astype(np.float32)
    np.testing.assert_array_equal(standardization.input_std.numpy(), std32[:5])
    np.testing.assert_array_equal(standardization.target_std.numpy(), std32[5:])
    np.testing.assert_array_equal(rows.numpy(), (values - mean32) / std32)


@pytest.mark.parametrize("targets", [True, False])
@pytest.mark.parametrize("entries", [0.0, 0.7, rounding(300, 0.7), rounding(300, 1.0) - 1.0])
def test_an_action_that_was_never_used_enters_the_model_in_its_own_units(entries: Any, targets: bool) -> None:
    table = changed(action=column(linear_table().action, 1, entries))
    standardization, _ = fitted(table, targets)
    mean = table.action[:, 1].mean()
    inputs = standardization.inputs(table.state[:2], torch.tensor([[0.1, 0.5], [0.1, -1.0]]))
    torch.testing.assert_close(inputs[:, 4], torch.tensor([0.5, -1.0]) - mean)


@pytest.mark.parametrize("size", [0.0, 1.2, 1e4])
@pytest.mark.parametrize("targets", [True, False])
def test_a_state_that_never_changes_is_not_divided(size: float, targets: bool) -> None:
    table = linear_table()
    state, following = (column(values, 1, rounding(300, size)) for values in (table.state, table.next_state))
    standardization, rows = fitted(changed(state=state, next_state=following), targets)
    assert standardization.input_std[1] == 1.0
    assert rows.isfinite().all()
    assert rows[:, 1].abs().max() <= 1e-6 * size
    if targets:  # the model leaves it where it is, whatever it draws
        assert standardization.target_std[2] == 0.0
        drawn = standardization.next_state(state, torch.full((300, 4), 1e3))
        torch.testing.assert_close(drawn[:, 1], state[:, 1], atol=1e-6 * size, rtol=0.0)


def test_a_small_column_that_does_change_is_divided() -> None:
    table = linear_table()
    state, following = (column(values, 1, 1e-6 * values[:, 1]) for values in (table.state, table.next_state))
    standardization, rows = fitted(changed(state=state, next_state=following))
    expected = fitted(table)[1]
    torch.testing.assert_close(standardization.input_std[1], state[:, 1].std(correction=0))
    torch.testing.assert_close(rows[:, [1, 7]], expected[:, [1, 7]])


@pytest.mark.parametrize("entries", [torch.full((300,), 2.5), rounding(300, 2.5)])
def test_a_reward_that_never_changes_is_predicted_as_it_is(entries: Tensor) -> None:
    standardization, rows = fitted(changed(reward=entries))
    assert rows[:, 5].abs().max() < 1e-5
    torch.testing.assert_close(standardization.reward(torch.full((4, 4), 1e3)), torch.full((4,), 2.5))


@pytest.mark.parametrize("size", [0.0, 1.2])
def test_a_model_never_changes_a_state_that_never_changed_so_its_paths_do_not_end_there(size: float) -> None:
    table = linear_table()
    same = torch.full((300,), size)
    table = changed(state=column(table.state, 1, same), next_state=column(table.next_state, 1, same))
    model = build([0], table=table)
    streams = SeedStreams([0], "test")
    model.fit(table, None, streams)
    start = table.state[None, :50]
    following, _, terminal = model.step(start, 0.5 * table.action[None, :50], streams)
    assert (following[..., 1] == size).all()
    assert not terminal.all()
