"""Pictures of a maze from above, in plain numpy: they need no display and no graphics library."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from continuous.environments.maze2d.layouts import CELL_EDGE, Layout
from continuous.environments.maze2d.rewards import GOAL_RADIUS

Image = NDArray[np.uint8]

FLOOR = (246, 244, 238)
WALL = (88, 96, 110)
GOAL_ZONE = (196, 226, 190)
GOAL_POINT = (60, 140, 60)
BALL = (205, 70, 50)
BALL_RADIUS = 0.1  # meters


class MazeView:
    """Draws one map. Rows (x) go down, columns (y) to the right, as in the map's text.

    Args:
        layout: the map.
        longest_side: of the picture, in pixels; rounded down to whole cells.
    """

    def __init__(self, layout: Layout, longest_side: int = 480) -> None:
        n_rows, n_columns = layout.shape
        self._scale = longest_side // max(n_rows, n_columns)  # pixels a meter
        walls = np.array([[cell == "#" for cell in row] for row in layout.rows])
        filled = np.kron(walls, np.ones((self._scale, self._scale), dtype=bool))  # [height, width]
        # where the middle of each pixel lies, as a position
        self._x = ((np.arange(filled.shape[0]) + 0.5) / self._scale - CELL_EDGE)[:, None]
        self._y = ((np.arange(filled.shape[1]) + 0.5) / self._scale - CELL_EDGE)[None, :]
        self._background: Image = np.empty((*filled.shape, 3), dtype=np.uint8)
        self._background[:] = FLOOR
        self._draw_disc(self._background, layout.goal, GOAL_RADIUS, GOAL_ZONE)
        self._draw_disc(self._background, layout.goal, BALL_RADIUS / 2, GOAL_POINT)
        self._background[filled] = WALL

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width, _ = self._background.shape
        return height, width

    def draw(self, x: float, y: float) -> Image:
        """The maze with the ball at a position, [height, width, 3]."""
        image = self._background.copy()
        self._draw_disc(image, (x, y), BALL_RADIUS, BALL)
        return image

    def _draw_disc(self, image: Image, center: tuple[float, float], radius: float, color: tuple[int, int, int]) -> None:
        """Paints a disc with a soft edge one pixel wide; touches only the square around it."""
        rows = _within(self._x[:, 0], center[0], radius + 1 / self._scale)
        columns = _within(self._y[0], center[1], radius + 1 / self._scale)
        distance = np.hypot(self._x[rows] - center[0], self._y[:, columns] - center[1])
        cover = np.clip((radius - distance) * self._scale + 0.5, 0.0, 1.0)[..., None]
        patch = image[rows, columns]
        patch[:] = np.rint(cover * np.array(color) + (1.0 - cover) * patch).astype(np.uint8)


def _within(positions: NDArray[np.float64], center: float, reach: float) -> slice:
    first, last = np.searchsorted(positions, (center - reach, center + reach))
    return slice(int(first), int(last))
