"""The maps of D4RL's mazes: which cells are walls, where the goal is, how long an episode lasts.

Row i of the text is the x index of a cell, column j its y index; # is a wall, . is free, G is free and the goal.
Source: D4RL 1.1, maze2d.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import floor
from types import MappingProxyType
from typing import TypeAlias

from ampl.errors import UnknownNameError

Cell: TypeAlias = tuple[int, int]
"""Row and column, which are the integer parts of x and y."""

CELL_EDGE = 0.7  # meters from the first edge of a cell to its integer point: half a cell, and 0.2 beyond its middle


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One map."""

    name: str
    rows: tuple[str, ...]  # all of one length, closed by walls
    episode_limit: int  # steps of an evaluation episode, also the time limit of a target in data collection
    version: int = 1  # of D4RL's tasks

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.rows), len(self.rows[0])

    @cached_property
    def free_cells(self) -> tuple[Cell, ...]:
        """Cells where the ball can be, row by row, the goal among them."""
        return tuple(cell for cell in self._cells() if cell not in self.wall_cells)

    @cached_property
    def wall_cells(self) -> frozenset[Cell]:
        """Cells filled by walls."""
        return frozenset((i, j) for i, j in self._cells() if self.rows[i][j] == "#")

    @cached_property
    def goal(self) -> Cell:
        """The task's goal: a point with integer coordinates, 0.2 off the middle of its cell along both axes."""
        return next((i, j) for i, j in self._cells() if self.rows[i][j] == "G")

    def cell_at(self, x: float, y: float) -> Cell:
        """The cell that a position in meters lies in, which need not be the cell that it rounds to."""
        return floor(x + CELL_EDGE), floor(y + CELL_EDGE)

    def _cells(self) -> list[Cell]:
        n_rows, n_columns = self.shape
        return [(i, j) for i in range(n_rows) for j in range(n_columns)]


_UMAZE = """
#####
#G..#
###.#
#...#
#####
"""
_EVAL_UMAZE = """
#####
#..G#
#.###
#...#
#####
"""
_OPEN = """
#######
#.....#
#..G..#
#.....#
#######
"""
_MEDIUM = """
########
#..##..#
#..#...#
##...###
#..#...#
#.#..#.#
#...#.G#
########
"""
_EVAL_MEDIUM = """
########
#.....G#
#.#.##.#
#....#.#
###..###
#......#
#..##..#
########
"""
_LARGE = """
############
#....#.....#
#.##.#.#.#.#
#......#...#
#.####.###.#
#..#.#.....#
##.#.#.#.###
#..#...#.G.#
############
"""
_EVAL_LARGE = """
############
#..#...#.G.#
##.###.#.#.#
#..#.#.....#
##.#.#..##.#
#......#...#
#.##.#.#.###
#....#.....#
############
"""


def _layout(name: str, text: str, episode_limit: int, version: int = 1) -> Layout:
    return Layout(name=name, rows=tuple(text.split()), episode_limit=episode_limit, version=version)


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        layout.name: layout
        for layout in (
            _layout("umaze", _UMAZE, 300),
            _layout("medium", _MEDIUM, 600),
            _layout("large", _LARGE, 800),
            _layout("eval-umaze", _EVAL_UMAZE, 300),
            _layout("eval-medium", _EVAL_MEDIUM, 600),
            _layout("eval-large", _EVAL_LARGE, 800),
            _layout("open", _OPEN, 150, version=0),
        )
    }
)


def find_layout(name: str) -> Layout:
    """The map of this name.

    Raises:
        UnknownNameError: no such map.
    """
    if name not in LAYOUTS:
        raise UnknownNameError("maze layout", name, LAYOUTS)
    return LAYOUTS[name]
