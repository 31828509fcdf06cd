"""A finite table of transitions with a policy and critics, for tests of weight estimators."""

from __future__ import annotations

import torch
from torch import Tensor

from continuous.networks.stacks import StackedMLP, frozen, leaky_relu
from continuous.networks.streams import SeedStreams, cpu_generator
from continuous.replay.buffers import TransitionTable

D, A = 3, 2


def small_table(rows: int = 300, terminal_share: float = 0.1) -> TransitionTable:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return TransitionTable(
        state=normal(rows, D),
        action=normal(rows, A).tanh(),
        reward=torch.rand(rows, generator=generator),
        next_state=normal(rows, D),
        terminal=torch.rand(rows, generator=generator) < terminal_share,
        start_state=normal(60, D),
    )


class LinearPolicy:
    """a = tanh of a fixed linear map of the state; draws nothing."""

    def act(self, state: Tensor, generator: SeedStreams) -> Tensor:
        return (state[..., :A] * 0.5 + 0.1).tanh()


class SmallCritic:
    """Two different random networks for Q_1 and its target, raised by an offset."""

    def __init__(self, seeds: list[int], offset: float = 0.0) -> None:
        self._heads = [
            StackedMLP((len(seeds),), (D + A, 8, 1), leaky_relu, [cpu_generator(seed, name) for seed in seeds])
            for name in ("online", "target")
        ]
        for head in self._heads:
            head.views["bias1"].detach().add_(offset)

    def first_head(self) -> StackedMLP:
        return frozen(self._heads[0])

    def first_head_target(self) -> StackedMLP:
        return frozen(self._heads[1])
