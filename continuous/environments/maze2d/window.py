"""A window that shows pictures as they come; needs pygame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError, MissingPackageError


class Window:
    """Opens with the first picture.

    Args:
        title: of the window.
        frames_per_second: pictures come no faster than that.

    Raises:
        MissingPackageError: pygame is not installed.
    """

    def __init__(self, title: str, frames_per_second: int) -> None:
        try:
            import pygame
        except ImportError as error:
            raise MissingPackageError("render_mode 'human' needs pygame: pip install pygame-ce") from error
        self._pygame: Any = pygame
        self._title, self._rate = title, frames_per_second
        self._surface: Any = None

    def show(self, image: NDArray[np.uint8]) -> None:
        """Shows a picture [height, width, 3], after waiting for its turn.

        Raises:
            InvalidArgumentError: there is no display to open a window on.
        """
        pygame = self._pygame
        if self._surface is None:
            self._open(image.shape[1], image.shape[0])
        pygame.event.pump()
        pygame.surfarray.blit_array(self._surface, image.transpose(1, 0, 2))
        pygame.display.flip()
        self._clock.tick(self._rate)

    def close(self) -> None:
        """Closes the window, if it is open."""
        if self._surface is not None:
            self._pygame.display.quit()
            self._surface = None

    def _open(self, width: int, height: int) -> None:
        pygame = self._pygame
        try:
            pygame.display.init()
            self._surface = pygame.display.set_mode((width, height))
        except pygame.error as error:
            raise InvalidArgumentError(
                f"render_mode 'human' finds no display ({error}); use 'rgb_array' for pictures without one."
            ) from error
        pygame.display.set_caption(self._title)
        self._clock = pygame.time.Clock()
