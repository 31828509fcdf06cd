"""When the next checkpoint is due: not too often for those who wait, nor for the disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ampl.errors import InvalidArgumentError, check_at_least


class CheckpointClock:
    """Two checkpoints are at least `seconds` apart, and saving them takes at most a share of the time.

    An epoch that begins with an expensive refit has outlasted both limits by its end, so it gets a checkpoint.

    Args:
        seconds: least time between two checkpoints, >= 0.
        share: largest part of the run that may be spent on saving, in (0, 1].

    Raises:
        InvalidArgumentError: an argument outside its range.
    """

    def __init__(self, seconds: float, share: float) -> None:
        check_at_least("checkpoint_seconds", seconds, 0.0)
        if not 0.0 < share <= 1.0:
            raise InvalidArgumentError(f"checkpoint_share is {share!r}; expected a number in (0, 1].")
        self._seconds, self._share = seconds, share
        self._due = time.monotonic()

    def is_due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() >= self._due

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measures the body, which saves, and sets the time of the next one."""
        start = time.monotonic()
        yield
        end = time.monotonic()
        self._due = end + max(self._seconds, (end - start) * (1.0 / self._share - 1.0))
