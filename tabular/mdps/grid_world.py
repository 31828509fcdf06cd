"""Grid worlds of any size as sparse finite MDPs.

States are the cells that are neither wall nor goal, row by row, and one last state: the end of the episode, which every
goal cell leads to. An action moves one cell in its direction with probability 1 - slip and in either perpendicular
direction with probability slip / 2; a move into a wall or off the grid stays. Arriving at a goal earns 1 and ends the
episode, so a state that needs k sure moves has V = discount^(k - 1). Rewards are expectations over the next state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order

from ampl.errors import InvalidArgumentError, check_fraction
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Integers, Mask, Policy

ACTIONS = ("left", "down", "right", "up")
"""In Gymnasium's FrozenLake order: the neighbors of an action in this cycle are perpendicular to it."""

_STEPS = ((0, -1), (1, 0), (0, 1), (-1, 0))  # (row, column) of each action
_FREE, _WALL, _START, _GOAL = ".#SG"


@dataclass(frozen=True, kw_only=True)
class GridLayout:
    """Where the walls, goals and starts are.

    Args:
        walls: cells that cannot be entered, [height, width].
        goals: cells that end the episode and earn 1, [height, width].
        starts: cells where episodes start, uniformly, [height, width]; none means every state but the end.

    Raises:
        InvalidArgumentError: shapes that disagree, a goal or start in a wall, a start in a goal, no goal, no free cell.
    """

    walls: Mask
    goals: Mask
    starts: Mask

    def __post_init__(self) -> None:
        shapes = {cells.shape for cells in (self.walls, self.goals, self.starts)}
        if len(shapes) != 1 or self.walls.ndim != 2:
            raise InvalidArgumentError(f"grid masks have shapes {sorted(shapes)}; expected one [height, width].")
        if not self.goals.any():
            raise InvalidArgumentError("the grid has no goal; mark at least one cell with 'G'.")
        overlap = (self.walls & self.goals) | (self.walls & self.starts) | (self.goals & self.starts)
        if overlap.any():
            row, column = np.argwhere(overlap)[0]
            raise InvalidArgumentError(f"cell ({row}, {column}) is two of wall, goal and start; expected at most one.")
        if (self.walls | self.goals).all():
            raise InvalidArgumentError("the grid has no free cell; expected at least one '.' or 'S'.")

    @classmethod
    def from_text(cls, text: str) -> GridLayout:
        """Reads rows of '.' (free), '#' (wall), 'S' (free, a start) and 'G' (goal).

        Raises:
            InvalidArgumentError: no rows, rows of different lengths, another character, or what the class refuses.
        """
        rows = [line.strip() for line in text.strip().splitlines()]
        if not rows:
            raise InvalidArgumentError("the grid layout is empty; expected rows such as 'S.#' and '..G'.")
        for number, row in enumerate(rows):
            if len(row) != len(rows[0]):
                raise InvalidArgumentError(
                    f"row {number} of the grid layout has {len(row)} cells and row 0 has {len(rows[0])}; "
                    "make all rows equally long."
                )
        cells = np.array([list(row) for row in rows])
        unknown = ~np.isin(cells, [_FREE, _WALL, _START, _GOAL])
        if unknown.any():
            row, column = np.argwhere(unknown)[0]
            raise InvalidArgumentError(
                f"cell ({row}, {column}) of the grid layout is {str(cells[row, column])!r}; "
                "expected '.' (free), '#' (wall), 'S' (start) or 'G' (goal)."
            )
        return cls(walls=cells == _WALL, goals=cells == _GOAL, starts=cells == _START)

    @classmethod
    def of_size(cls, size: tuple[int, int], walls: Mask | None = None) -> GridLayout:
        """A grid of (height, width) cells that starts anywhere; the goal is the last cell that is no wall.

        Raises:
            InvalidArgumentError: a height or width below 1, walls of another shape, or what the class refuses.
        """
        if min(size) < 1:
            raise InvalidArgumentError(f"the grid's size is {tuple(size)}; expected a height and width of at least 1.")
        walls = np.zeros(size, dtype=bool) if walls is None else np.asarray(walls, dtype=bool)
        if walls.shape != tuple(size):
            raise InvalidArgumentError(f"walls have shape {walls.shape}; expected the grid's size {tuple(size)}.")
        goals = np.zeros(size, dtype=bool)
        goals.flat[np.flatnonzero(~walls)[-1:]] = True
        return cls(walls=walls, goals=goals, starts=np.zeros(size, dtype=bool))

    @property
    def state_cells(self) -> Integers:
        """The (row, column) of every state but the end, [S - 1, 2]."""
        return np.argwhere(~(self.walls | self.goals))

    @property
    def cell_states(self) -> Integers:
        """The state of every cell, [height, width]: the end for goals and -1 for walls."""
        free = ~(self.walls | self.goals)
        states = np.full(free.shape, -1, dtype=np.int64)
        states[free] = np.arange(free.sum())
        states[self.goals] = free.sum()
        return states


def grid_world(
    layout: GridLayout | str | tuple[int, int],
    *,
    slip: float = 0.1,
    discount: float = 0.99,
    name: str = "grid world",
) -> FiniteMDP:
    """A sparse grid world; r_max = 1.

    Args:
        layout: walls, goals and starts; a string is read by `GridLayout.from_text`, a size by `GridLayout.of_size`.
        slip: probability of moving perpendicular to the action instead, in [0, 1].
        discount: in [0, 1).
        name: for tables and messages.

    Raises:
        InvalidArgumentError: slip outside [0, 1] or a layout that is no grid.
        InvalidDiscountError: a discount outside [0, 1).
    """
    check_fraction("slip", slip)
    layout = _as_layout(layout)
    targets = _move_targets(layout)  # [S, A]
    n_states, n_actions = targets.shape
    end = n_states - 1
    turns = {0: 1.0 - slip, 1: slip / 2, -1: slip / 2}  # steps in the cycle of actions: probability
    turns = {turn: probability for turn, probability in turns.items() if probability > 0.0}
    following = np.stack([np.roll(targets, -turn, axis=1) for turn in turns], axis=2)  # [S, A, outcomes]
    probability = np.array(list(turns.values()))  # [outcomes]
    reward = (following == end) @ probability  # [S, A]
    reward[end] = 0.0
    n_pairs = n_states * n_actions
    first_entry = np.arange(n_pairs + 1, dtype=targets.dtype) * len(probability)
    dynamics = sparse.csr_array(
        (np.tile(probability, n_pairs), following.ravel(), first_entry), shape=(n_pairs, n_states)
    )
    return FiniteMDP(dynamics, reward, _initial(layout), discount, reward_bound=1.0, name=name)


def shortest_path_policy(layout: GridLayout | str | tuple[int, int]) -> Policy:
    """One sure action a state along a shortest path to a goal, [S, A]; the first action where no path leads there."""
    targets = _move_targets(_as_layout(layout))
    n_states, n_actions = targets.shape
    sources = np.repeat(np.arange(n_states, dtype=targets.dtype), n_actions)
    backward = sparse.csr_array((np.ones(sources.size), (targets.ravel(), sources)), shape=(n_states, n_states))
    _, toward_end = breadth_first_order(backward, n_states - 1)  # [S], negative for the end and where no path leads
    actions = (targets == toward_end[:, None]).argmax(axis=1)
    return np.eye(n_actions)[actions]


def _as_layout(layout: GridLayout | str | tuple[int, int]) -> GridLayout:
    if isinstance(layout, GridLayout):
        return layout
    return GridLayout.from_text(layout) if isinstance(layout, str) else GridLayout.of_size(layout)


def _move_targets(layout: GridLayout) -> Integers:
    """Where each action leads without a slip, [S, A]."""
    cell_states = layout.cell_states
    height, width = cell_states.shape
    padded = np.pad(cell_states, 1, constant_values=-1)
    free = ~(layout.walls | layout.goals)
    end = int(free.sum())
    largest = 3 * len(ACTIONS) * (end + 1)  # index in the CSR arrays made of these
    index_type = np.int32 if largest <= np.iinfo(np.int32).max else np.int64
    targets = np.full((end + 1, len(ACTIONS)), end, dtype=index_type)
    own_state = np.arange(end)
    for action, (down, right) in enumerate(_STEPS):
        neighbor = padded[1 + down : 1 + down + height, 1 + right : 1 + right + width][free]
        targets[:-1, action] = np.where(neighbor < 0, own_state, neighbor)
    return targets


def _initial(layout: GridLayout) -> np.ndarray:
    free = ~(layout.walls | layout.goals)
    starts = layout.starts[free] if layout.starts.any() else np.ones(int(free.sum()), dtype=bool)
    return np.append(starts / starts.sum(), 0.0)
