"""TensorBoard events, written with the package `tensorboard` alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path


class EventFile:
    """The TensorBoard events of one session of a run; a resumed run adds a file, and marks where it took over.

    Args:
        folder: the run directory.
        first_epoch: TensorBoard drops events from here on that an earlier, interrupted session left.
    """

    def __init__(self, folder: Path, first_epoch: int) -> None:
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder))
        if first_epoch > 1:
            start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._writer.add_event(event_pb2.Event(wall_time=time.time(), step=first_epoch, session_log=start))

    def append(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Adds one scalar a metric at step `epoch`."""
        from tensorboard.compat.proto import event_pb2, summary_pb2

        values = [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        summary = summary_pb2.Summary(value=values)
        self._writer.add_event(event_pb2.Event(wall_time=time.time(), step=epoch, summary=summary))

    def flush(self) -> None:
        """Waits until the events so far are in the file."""
        self._writer.flush()

    def close(self) -> None:
        """Flushes, and ends the writer's thread."""
        self._writer.close()
