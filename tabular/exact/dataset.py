"""Transitions sampled from a behavior policy: an offline dataset on a finite MDP, and the counts that summarize it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ampl.errors import InvalidArgumentError, InvalidRewardError, InvalidShapeError, check_at_least
from ampl.real_numbers import integer_array, real_array
from tabular.exact.occupancy import occupancy
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats, Integers, Policy


@dataclass(frozen=True, kw_only=True, eq=False)
class TransitionDataset:
    """N independent transitions with (s, a) ~ d_b, s' ~ P*, a' ~ pi_b, and start states from mu0.

    Attributes:
        state, action, next_state, next_action: [N], integers.
        reward: [N].
        start_state: [any number >= 1], drawn from mu0: N by `sample_dataset`, one an episode in logged trajectories.
        n_states, n_actions: of the MDP they came from.

    Raises:
        InvalidArgumentError: states or actions that are no integers, rewards that are no real numbers, or a state or
            action outside 0..S-1 or 0..A-1; the message has the first such row.
        InvalidShapeError: an array that is not [N] with N >= 1, or no start states.
        InvalidRewardError: a reward that is not finite, likewise.
    """

    state: Integers
    action: Integers
    reward: Floats
    next_state: Integers
    next_action: Integers
    start_state: Integers
    n_states: int
    n_actions: int

    def __post_init__(self) -> None:
        """Checks every row; lists and integers of another width become int64."""
        check_at_least("n_states", self.n_states, 1)
        check_at_least("n_actions", self.n_actions, 1)
        sizes = dict.fromkeys(("state", "next_state", "start_state"), self.n_states)
        sizes |= dict.fromkeys(("action", "next_action"), self.n_actions)
        for name in _COLUMNS:
            convert: Callable[[str, Any], Any] = integer_array if name in sizes else real_array
            column = convert(f"{name} of the dataset", getattr(self, name))
            length, expected = np.size(self.state), "[N], one entry a transition, N >= 1"
            if name == "start_state":
                length, expected = column.size, "a list of one state or more"
            if not column.size or column.shape != (length,):
                raise InvalidShapeError(
                    f"{name} of the dataset has shape {column.shape} and state {np.shape(self.state)}; "
                    f"expected {expected}."
                )
            if name in sizes:
                _check_range(name, column, sizes[name])
            elif not np.isfinite(column).all():
                row = int(np.argmax(~np.isfinite(column)))
                raise InvalidRewardError(
                    f"{name} in row {row} of the dataset is {column[row]}; expected a finite number."
                )
            object.__setattr__(self, name, column)

    @property
    def n_transitions(self) -> int:
        """N."""
        return len(self.state)

    @property
    def pair(self) -> Integers:
        """Index s*A + a of each transition's pair, [N]."""
        return self.state * self.n_actions + self.action

    def pair_counts(self) -> Integers:
        """N(s, a), [S, A]."""
        counts = np.bincount(self.pair, minlength=self.n_states * self.n_actions)
        return counts.reshape(self.n_states, self.n_actions)

    def transition_counts(self) -> Integers:
        """N(s, a, s'), dense [S, A, S']."""
        flat = np.bincount(self.pair * self.n_states + self.next_state, minlength=self.n_states**2 * self.n_actions)
        return flat.reshape(self.n_states, self.n_actions, self.n_states)

    def sparse_transition_counts(self) -> sparse.csr_array:
        """N(s, a, s'), sparse [S*A, S']."""
        shape = (self.n_states * self.n_actions, self.n_states)
        return sparse.csr_array((np.ones(self.n_transitions), (self.pair, self.next_state)), shape=shape)

    def sample(self, batch_size: int, generator: np.random.Generator) -> TransitionDataset:
        """A batch drawn with replacement, as a dataset of `batch_size` rows."""
        check_at_least("batch_size", batch_size, 1)
        rows = generator.integers(self.n_transitions, size=batch_size)
        starts = generator.integers(len(self.start_state), size=batch_size)
        return TransitionDataset(
            state=self.state[rows],
            action=self.action[rows],
            reward=self.reward[rows],
            next_state=self.next_state[rows],
            next_action=self.next_action[rows],
            start_state=self.start_state[starts],
            n_states=self.n_states,
            n_actions=self.n_actions,
        )


_COLUMNS = ("state", "action", "reward", "next_state", "next_action", "start_state")


def _check_range(name: str, column: Integers, size: int) -> None:
    if not column.size or (column.min() >= 0 and column.max() < size):
        return
    row = int(np.argmax((column < 0) | (column >= size)))
    raise InvalidArgumentError(f"{name} in row {row} of the dataset is {column[row]}; expected 0..{size - 1}.")


def sample_dataset(
    mdp: FiniteMDP, behavior: Policy, n_transitions: int, generator: np.random.Generator
) -> TransitionDataset:
    """Draws an offline dataset from the discounted occupancy of the behavior policy; dense or sparse MDPs."""
    check_at_least("n_transitions", n_transitions, 1)
    behavior = mdp.check_policy(behavior)
    pairs = _draw(occupancy(mdp, behavior).ravel(), n_transitions, generator)
    next_state = _draw_next_states(mdp, pairs, generator)
    return TransitionDataset(
        state=pairs // mdp.n_actions,
        action=pairs % mdp.n_actions,
        reward=mdp.reward.ravel()[pairs],
        next_state=next_state,
        next_action=draw_rows(behavior, next_state, generator),
        start_state=_draw(mdp.initial, n_transitions, generator),
        n_states=mdp.n_states,
        n_actions=mdp.n_actions,
    )


def _draw(probability: Floats, count: int, generator: np.random.Generator) -> Integers:
    """Indices drawn from one distribution, [count]; never one of probability zero."""
    return generator.choice(len(probability), size=count, p=probability / probability.sum())


def draw_rows(rows: Floats, which: Integers, generator: np.random.Generator) -> Integers:
    """One index from each chosen row of [R, C], [len(which)]."""
    cumulative = rows.cumsum(axis=1)
    points = generator.random(len(which)) * cumulative[which, -1]
    return (cumulative[which] <= points[:, None]).sum(axis=1)


def _draw_next_states(mdp: FiniteMDP, pairs: Integers, generator: np.random.Generator) -> Integers:
    """s' ~ P*(. | pair) for each of N pairs, [N]: one sorted search in the running sum of all rows' entries."""
    rows = mdp.to_sparse().pair_dynamics
    cumulative = rows.data.cumsum()
    before = np.concatenate([[0.0], cumulative])[rows.indptr]  # running sum at the start of each row
    points = before[pairs] + generator.random(len(pairs)) * (before[pairs + 1] - before[pairs])
    entry = np.searchsorted(cumulative, points, side="right")
    return rows.indices[np.clip(entry, rows.indptr[pairs], rows.indptr[pairs + 1] - 1)].astype(np.int64)
