"""From the rows of a D4RL file to transitions (s, a, r, s').

Two modes. EXACT gives what D4RL's `qlearning_dataset` gives, row for row, for comparison with published numbers: the
next state is always the next row of the file, so after a terminal it belongs to another episode (harmless where
the target is masked, wrong for a dynamics model). MODEL gives only transitions that the environment made: true next
states where the file has them, and no pair of rows across the end of an episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidFileError
from continuous.data.d4rl_data import D4RLData, Flags, Floats
from continuous.tasks.registry import Family, Task


class TransitionMode(Enum):
    """Which transitions to take from a file."""

    EXACT = "exact"  # as D4RL's qlearning_dataset
    MODEL = "model"  # for fitting a dynamics model


@dataclass(frozen=True, kw_only=True)
class TransitionArrays:
    """n transitions, each from one row of the file."""

    state: Floats  # s, [n, D]
    action: Floats  # a, [n, A]
    reward: Floats  # r, [n]
    next_state: Floats  # s', [n, D]
    terminal: Flags  # whether the task ended in this step; a time-out is no end, [n]


def make_transitions(data: D4RLData, task: Task, mode: TransitionMode) -> TransitionArrays:
    """The transitions of a dataset.

    Raises:
        InvalidFileError: the file holds none.
    """
    transitions = exact_transitions(data, task) if mode is TransitionMode.EXACT else model_transitions(data)
    if not len(transitions.state):
        raise InvalidFileError(f"the dataset of {task.name} has {data.n_rows} rows and no transition in them.")
    return transitions


def exact_transitions(data: D4RLData, task: Task, terminate_on_end: bool = False) -> TransitionArrays:
    """What D4RL's `qlearning_dataset` returns, bit for bit.

    The last row is never used, `next_observations` neither. Rows that end by time-out are dropped even when they are
    terminal too.

    Args:
        data: the file.
        task: its time limit counts where the file has no time-outs. In the maze they are found in the rows instead, so
            that such a file gives what D4RL's published one gives.
        terminate_on_end: D4RL's argument of that name, for comparisons only: it keeps time-out rows, whose next
            state then belongs to another episode, and leaves their `terminal` at 0 (D4RL issue 182).
    """
    known = data.timeouts_stored or task.family is Family.MAZE2D
    ended = data.timeouts if known else _counted_ends(data.terminals, task, terminate_on_end)
    keep = np.ones(data.n_rows - 1, dtype=np.bool_) if terminate_on_end else ~ended[:-1]
    return _select(data, keep, data.observations[1:])


def model_transitions(data: D4RLData) -> TransitionArrays:
    """Every transition of the file that is one step of the environment.

    With `next_observations` these are all rows. Without, a row at the end of an episode has no next state and is
    dropped, and so is a row that repeats the observation before such an end: D4RL's maze2d script writes one after
    each target, and from it to the next row the simulator makes two steps (D4RL issue 204).
    """
    if data.next_observations is not None:
        return _select(data, np.ones(data.n_rows, dtype=np.bool_), data.next_observations)
    ended = (data.terminals | data.timeouts)[:-1]
    keep = ~ended
    after = np.flatnonzero(ended) + 1
    repeats = after[(data.observations[after] == data.observations[after - 1]).all(axis=1)]
    keep[repeats[repeats < len(keep)]] = False
    return _select(data, keep, data.observations[1:])


def _select(data: D4RLData, keep: Flags, following: Floats) -> TransitionArrays:
    """The transitions of the rows that `keep` marks, [n] <= [N], with the states that follow each."""
    rows: slice | NDArray[np.int64] = slice(0, len(keep)) if keep.all() else np.flatnonzero(keep)
    return TransitionArrays(
        state=data.observations[rows],
        action=data.actions[rows],
        reward=data.rewards[rows],
        next_state=following[rows],
        terminal=data.terminals[rows],
    )


def _counted_ends(terminals: Flags, task: Task, terminate_on_end: bool) -> Flags:
    """Time-outs as D4RL's own step counter sees them in a file that stores none, [N].

    The counter is set to 0 at an end and incremented in the same pass, so the row after a kept end counts 1 and the
    next time-out comes one step early; after a dropped row it counts 0. Source: D4RL's qlearning_dataset.
    """
    limit = task.episode_limit
    period = limit - 1 if terminate_on_end else limit  # rows between two time-outs without a terminal
    ended = np.zeros(len(terminals), dtype=np.bool_)
    start, count = 0, 0  # first row after a terminal, and what the counter says there
    for stop in [*(np.flatnonzero(terminals) + 1).tolist(), len(terminals)]:
        ended[start + limit - 1 - count : stop : period] = True
        start, count = stop, 0 if ended[stop - 1] and not terminate_on_end else 1
    return ended
