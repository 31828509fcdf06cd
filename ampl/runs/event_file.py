"""TensorBoard events, written with the package `tensorboard` alone, in this thread."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


class EventFile:
    """The TensorBoard events of one session of a run; a resumed run adds a file, and marks where it took over.

    They repeat what metrics.csv holds, so a run goes on without them where they cannot be written: a warning says so.

    Args:
        folder: the run directory.
        first_epoch: TensorBoard drops events from here on that an earlier, interrupted session left.
    """

    def __init__(self, folder: Path, first_epoch: int) -> None:
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / f"{name}.{time.monotonic_ns()}"
        self._writer: Any = None  # None once it has failed, or is closed
        try:
            self._writer = RecordWriter(self._path.open("xb"))
        except OSError as error:
            self._give_up(error)
        self._write(file_version="brain.Event:2")
        if first_epoch > 1:
            self._write(step=first_epoch, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))

    def append(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Adds one scalar a metric at step `epoch`."""
        from tensorboard.compat.proto import summary_pb2

        values = [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        self._write(step=epoch, summary=summary_pb2.Summary(value=values))

    def close(self) -> None:
        """Closes the file; the second call does nothing."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(OSError):  # of what could not be written before
                writer.close()

    def _write(self, **content: Any) -> None:
        """Adds an event that happens now, for everyone to read at once."""
        from tensorboard.compat.proto import event_pb2

        if self._writer is None:
            return
        try:
            self._writer.write(event_pb2.Event(wall_time=time.time(), **content).SerializeToString())
            self._writer.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        logger.warning(
            "cannot write %s: %s. The run goes on without events for TensorBoard.", self._path, error.strerror
        )
        self.close()
