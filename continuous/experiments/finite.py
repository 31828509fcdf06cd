"""A finite problem as the deep wing sees it: one-hot states and actions, and networks that are exact tables.

States [.., S] and actions [.., A] are one-hot vectors of zeros and ones. That keeps actions inside [-1, 1]; corners at
-1 would say the same, but then a pair's lookup would need other constants.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ampl.finite_problem import FiniteProblem
from ampl.interfaces import Array
from continuous.algorithms.ampl.discriminator import raw_action
from continuous.networks.stacks import StackedMLP, frozen
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable


def transition_table(problem: FiniteProblem, device: torch.device | str = "cpu") -> TransitionTable:
    """The data of a finite problem with one-hot states and actions: D = S, A = A."""
    return TransitionTable(
        state=encoded(problem.state, problem.n_states, device),
        action=encoded(problem.action, problem.n_actions, device),
        reward=torch.tensor(problem.reward, dtype=torch.float32, device=device),
        next_state=encoded(problem.next_state, problem.n_states, device),
        terminal=torch.tensor(problem.terminal, device=device),
        start_state=encoded(problem.start_state, problem.n_states, device),
    )


def encoded(index: Array, size: int, device: torch.device | str = "cpu") -> Tensor:
    """Integers [n] below `size` as one-hot rows, float32 [n, size]."""
    return one_hot(torch.tensor(np.asarray(index), device=device), size).float()


def all_pairs(n_states: int, n_actions: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Every pair once, in the order s * A + a: one-hot states [S*A, S] and actions [S*A, A]."""
    pair = np.arange(n_states * n_actions)
    return encoded(pair // n_actions, n_states, device), encoded(pair % n_actions, n_actions, device)


def lookup_network(table: Array, n_seeds: int, device: torch.device | str = "cpu") -> StackedMLP:
    """K networks of (s, a) that return table[s, a] exactly, on one-hot inputs.

    A hidden unit for each pair is max(0, s + a - 1): one at its own pair and zero at every other.

    Args:
        table: [S, A].
        n_seeds: K.
        device: where the parameters live.
    """
    n_states, n_actions = table.shape
    states, actions = all_pairs(n_states, n_actions, device)
    pairs = len(states)
    network = StackedMLP((n_seeds,), (n_states + n_actions, pairs, 1), torch.relu, None, device)
    values = {
        "weight0": torch.cat((states, actions), dim=1).T,  # [S + A, S*A]
        "bias0": torch.full((1, pairs), -1.0),
        "weight1": torch.tensor(np.asarray(table), dtype=torch.float32).reshape(pairs, 1),
        "bias1": torch.zeros(1, 1),
    }
    for name, view in network.views.items():
        view.detach().copy_(values[name])
    return frozen(network)


class TablePolicy:
    """pi(a | s) from a table, for stacked seeds; a `StackedPolicy` of `algorithms/ampl/policy.py`, one-hot actions.

    Args:
        probability: [S, A], rows sum to one; every seed has the same.
        n_seeds: K.
        device: where it lives.
    """

    def __init__(self, probability: Array, n_seeds: int = 1, device: torch.device | str = "cpu") -> None:
        table = torch.tensor(np.asarray(probability), dtype=torch.float32, device=device)
        self._probability = table.repeat(n_seeds, 1, 1)  # [K, S, A]

    def noise(self, streams: SeedStreams, rows: int) -> Tensor:
        """Uniform in [0, 1), [K, rows, 1]."""
        return streams.uniform(rows, 1)

    def sample(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions by inversion of the cumulative table, and their raw form, both [K, B, A]."""
        cumulative = (state @ self._probability).cumsum(dim=-1)  # [K, B, A]
        index = (cumulative[..., :-1] <= noise * cumulative[..., -1:]).sum(dim=-1)
        action = (index[..., None] == torch.arange(cumulative.shape[-1], device=index.device)).float()
        return action, raw_action(action)

    def act(self, state: Tensor, generator: SeedStreams) -> Tensor:
        """[K, B, S] to [K, B, A]."""
        return self.sample(state, self.noise(generator, state.shape[-2]))[0]


class TableCritic:
    """Action values from a table, where a weight estimator expects a critic.

    Args:
        value: Q(s, a), [S, A], reward units; both the critic and its target.
        n_seeds: K.
        device: where it lives.
    """

    def __init__(self, value: Array, n_seeds: int = 1, device: torch.device | str = "cpu") -> None:
        self._network = lookup_network(value, n_seeds, device)

    def first_head(self) -> StackedMLP:
        """K frozen networks of (s, a), [K, B, S + A] to [K, B, 1]."""
        return frozen(self._network)

    def first_head_target(self) -> StackedMLP:
        """The same: a table is its own target."""
        return frozen(self._network)
