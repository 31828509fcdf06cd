"""Shortest paths between cells, with D4RL's way of choosing among equal ones.

D4RL's controller plans by value iteration on the grid of all cells and follows the greedy action. Where several
actions are equally good the first of MOVES wins, which decides the routes that the published data take. A ball beside
a wall can round into the wall's cell, so walls have plans too: one can leave them but not enter them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from continuous.environments.maze2d.layouts import Cell, Layout

MOVES = ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))  # row and column; in order of preference
SWEEPS = 50  # of value iteration
DISCOUNT = 0.99
LONGEST_PATH = 100  # cells


class GridPlanner:
    """Plans for one map; each path is computed once.

    Args:
        layout: the map.
    """

    def __init__(self, layout: Layout) -> None:
        n_rows, n_columns = layout.shape
        self._cells = [(i, j) for i in range(n_rows) for j in range(n_columns)]
        self._index = {cell: index for index, cell in enumerate(self._cells)}
        self._next = np.array([[self._after(cell, move, layout) for move in MOVES] for cell in self._cells])  # [S, 5]
        self._greedy: dict[Cell, NDArray[np.int64]] = {}  # best move of every cell, by target
        self._paths: dict[tuple[Cell, Cell], tuple[Cell, ...]] = {}

    def path(self, start: Cell, target: Cell) -> tuple[Cell, ...]:
        """The cells after `start` on the way to `target`, the target last (alone if the two are equal).

        A path that does not arrive ends after LONGEST_PATH cells.
        """
        key = start, target
        if key not in self._paths:
            self._paths[key] = tuple(self._walk(start, target))
        return self._paths[key]

    def _after(self, cell: Cell, move: Cell, layout: Layout) -> int:
        """Index of the cell that a move leads to; a blocked one stays."""
        there = cell[0] + move[0], cell[1] + move[1]
        return self._index[cell if there in layout.wall_cells or there not in self._index else there]

    def _walk(self, start: Cell, target: Cell) -> list[Cell]:
        moves = self._moves_to(target)
        path, at, end = [], self._index[start], self._index[target]
        for _ in range(LONGEST_PATH):
            at = int(self._next[at, moves[at]])
            path.append(self._cells[at])
            if at == end:
                break
        return path

    def _moves_to(self, target: Cell) -> NDArray[np.int64]:
        """The greedy move of every cell, [S]: the reward is 1 in the target's cell, 0 elsewhere."""
        if target not in self._greedy:
            reward = np.zeros((len(self._cells), 1))
            reward[self._index[target]] = 1.0
            action_value = np.zeros(self._next.shape)  # [S, 5]
            for _ in range(SWEEPS):
                action_value = reward + DISCOUNT * action_value.max(axis=1)[self._next]
            self._greedy[target] = action_value.argmax(axis=1)
        return self._greedy[target]
