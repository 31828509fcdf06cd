"""Standardized inputs and targets of a dynamics model, and which columns of a dataset never change.

A column whose spread is no more than float32 rounding counts as one that never changes, such as an actuator that was
never used while the data were collected. It is centered but not divided: any other value of it, as a policy may try or
a model may predict, would be blown up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from continuous.replay.buffers import TransitionTable

_CHUNK = 65_536  # rows at a time in double precision
_ROUNDING = 1e-6  # a smaller standard deviation, relative to the size of the numbers, is rounding
_SMALLEST = 1e-12  # and so is a smaller one of any numbers
_ACTION_WIDTH = 2.0  # actions lie in [-1, 1], and a policy may use it all, whatever the data do


class Standardization(nn.Module):
    """Mean and standard deviation over the dataset of x = (s, a) and y = (r, s' - s).

    Attributes:
        input_mean, input_std: of x, [D + A]; the standard deviation is 1 in columns that never change.
        target_mean, target_std: of y, [D + 1]; the standard deviation is 0 in columns that never change, so that the
            model never changes them either.
    """

    input_mean: Tensor
    input_std: Tensor
    target_mean: Tensor
    target_std: Tensor

    def __init__(self, observation_size: int, action_size: int, device: torch.device | str = "cpu") -> None:
        super().__init__()
        for name, size in (("input", observation_size + action_size), ("target", observation_size + 1)):
            self.register_buffer(f"{name}_mean", torch.zeros(size, device=device))
            self.register_buffer(f"{name}_std", torch.ones(size, device=device))

    def fit(self, table: TransitionTable, *, targets: bool = True) -> Tensor:
        """Measures a dataset, in place, with sums in double precision.

        Args:
            table: the dataset.
            targets: whether y is standardized, too, as in AMPL's code; otherwise it keeps its own units, as in MOPO's.

        Returns:
            All transitions standardized, x beside y, [N, D + A + D + 1].
        """
        rows = _inputs_and_targets(table)
        chunks = torch.split(rows, _CHUNK)
        mean = torch.stack([chunk.double().sum(0) for chunk in chunks]).sum(0) / len(rows)
        squares = torch.stack([(chunk.double() - mean).square_().sum(0) for chunk in chunks])
        std = (squares.sum(0) / len(rows)).sqrt()
        divisor = std.where(changes(std, _sizes(table)), 1.0)
        inputs = len(self.input_mean)
        self.input_mean.copy_(mean[:inputs])
        self.input_std.copy_(divisor[:inputs])
        if targets:
            self.target_mean.copy_(mean[inputs:])
            self.target_std.copy_(std.where(divisor == std, 0.0)[inputs:])
        return self._standardized(rows)

    def rows(self, table: TransitionTable) -> Tensor:
        """All transitions of a dataset standardized as measured before, as `fit` returns them."""
        return self._standardized(_inputs_and_targets(table))

    def _standardized(self, rows: Tensor) -> Tensor:
        """In place; a target that never changes is centered only."""
        inputs = len(self.input_mean)
        rows[:, :inputs].sub_(self.input_mean).div_(self.input_std)
        rows[:, inputs:].sub_(self.target_mean).div_(self.target_std.where(self.target_std > 0.0, 1.0))
        return rows

    def inputs(self, state: Tensor, action: Tensor) -> Tensor:
        """Standardized x, [..., D + A]."""
        return torch.cat((state, action), dim=-1).sub_(self.input_mean).div_(self.input_std)

    def state(self, inputs: Tensor) -> Tensor:
        """The states s of standardized x, [..., D]."""
        size = len(self.target_mean) - 1
        return inputs[..., :size] * self.input_std[:size] + self.input_mean[:size]

    def next_state(self, state: Tensor, target: Tensor) -> Tensor:
        """s' = s + change, from states [..., D] and standardized y [..., D + 1]."""
        return state + torch.addcmul(self.target_mean[1:], target[..., 1:], self.target_std[1:])

    def reward(self, target: Tensor) -> Tensor:
        """r of standardized y, [...]."""
        return target[..., 0] * self.target_std[0] + self.target_mean[0]


def changes(std: Tensor, size: Tensor) -> Tensor:
    """Which columns change by more than rounding, [D] of bool.

    Args:
        std: standard deviation of each column, [D].
        size: the largest absolute value of the numbers in it, or of those that it was computed from, [D].
    """
    return std >= (_ROUNDING * size).clamp(min=_SMALLEST)


def pair_sizes(state_size: Tensor, actions: int) -> Tensor:
    """The sizes that `changes` asks for of pairs (s, a), [D + A], from those of the states, [D]."""
    return torch.cat((state_size, torch.full((actions,), _ACTION_WIDTH).to(state_size)))


def _sizes(table: TransitionTable) -> Tensor:
    """The sizes that `changes` asks for of (s, a, r, s' - s), [D + A + D + 1]; a change has the states' rounding."""
    state = torch.maximum(table.state.abs().amax(0), table.next_state.abs().amax(0))
    return torch.cat((pair_sizes(state, table.action_size), table.reward.abs().amax()[None], state)).double()


def _inputs_and_targets(table: TransitionTable) -> Tensor:
    """x and y of all transitions, [N, D + A + D + 1]."""
    change = table.next_state - table.state
    return torch.cat((table.state, table.action, table.reward[:, None], change), dim=-1)
