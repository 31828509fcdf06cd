"""The run directory of one seed: `<out>/<task>/<algorithm>/<variant>/seed<k>/`.

Where settings differ from the variant's own, its folder says so: `<variant>,penalty_weight=2.5/`.

    config.json      task, algorithm, variant, seed, every hyperparameter, resolved, and the scale that was asked for
    manifest.json    versions, git commit, device, dataset checksum, command, notes, time and memory;
                     commit, device, threads and precision of each session
    metrics.csv      a row an epoch
    events.out.*     the same for TensorBoard
    weights/         epoch_0100.npz: w at every transition [N], as estimated after 100 epochs; w* where it is known;
                     summary_0100.npz: how w is distributed
    checkpoint/      the two newest checkpoints
    samples.npz      where data, model and policy are at the end, of algorithms that show it
    result.json      how the run ended, and its last metrics
    evaluation.json  what `ampl evaluate` measured, if it was run

A directory belongs to one configuration for good: it is never reused for another one, and never resumed unasked. Only
the number of epochs may change, which then stands in config.json.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ampl.arithmetic import Arithmetic
from ampl.errors import ExistingRunError, ForeignFileError, InvalidFileError
from ampl.file_lock import FolderLock
from ampl.files import SIGNATURE, check_regular_file, is_signed, read_json, write_json, write_npz
from ampl.interfaces import Array, State
from ampl.runs.checkpoints import (
    Checkpoint,
    Place,
    checkpoint_places,
    is_whole,
    newest_whole_epoch,
    read_checkpoint,
    remove_checkpoints_after,
    write_checkpoint,
)
from ampl.runs.event_file import EventFile
from ampl.runs.kept_weights import cut_weights, keep_weights, read_weights
from ampl.runs.manifest import (
    NO_COUNTS,
    describe_session,
    peak_memory_mib,
    recorded_counts,
    recorded_sessions,
)
from ampl.runs.metrics_table import MetricsTable, check_rows
from ampl.runs.recorded_arithmetic import last_arithmetic
from ampl.runs.run_identity import difference_between_runs, recorded_settings, same_length
from ampl.settings import variant_folder
from ampl.temporary_files import remove_leftovers

_OWN_LEFTOVERS = (".lock", ".config.json.")  # of a start that was interrupted before its config.json


class Status(StrEnum):
    """How a run ended."""

    FINISHED = "finished"
    STOPPED = "stopped"  # a metric was not finite


@dataclass(frozen=True, kw_only=True)
class Result:
    """result.json.

    Attributes:
        status: how the run ended.
        epochs: epochs completed and recorded.
        metrics: of the last recorded epoch, as far as they were measured in it; empty if there is none.
        message: why it stopped; empty for a finished run.
    """

    status: Status
    epochs: int
    metrics: Mapping[str, float]
    message: str = ""


class RunDirectory:
    """One seed's run directory, opened for training; `start` comes before anything is recorded.

    Args:
        path: the folder; made if it does not exist.
        config: what identifies the run, JSON values; its length does not (`ampl.runs.run_identity`).
        device: for the manifest.
        arithmetic: for the manifest, which keeps it of every session, like commit and device; None: nothing to say.
        dataset_sha256: for the manifest; a run is not resumed on other data.
        notes: for the manifest.
        evaluation: for the manifest: how this session evaluates, JSON values.
        resume: whether a run that is already there may be continued.

    Raises:
        ForeignFileError: the folder holds something else than a run.
        ExistingRunError: it holds a run of another configuration, or one while `resume` is false, or is in use.
        InvalidFileError: it cannot be written to.
    """

    def __init__(
        self,
        path: Path,
        config: Mapping[str, Any],
        *,
        device: str,
        arithmetic: Arithmetic | None = None,
        dataset_sha256: str | None,
        notes: Sequence[str],
        evaluation: Mapping[str, Any],
        resume: bool,
    ) -> None:
        self.path = path
        self._config = json.loads(json.dumps({"written_by": SIGNATURE, **config}))
        self._session = describe_session(device, dataset_sha256) | {
            "evaluation": dict(evaluation),
            "notes": list(notes),
            "settings": recorded_settings(self._config),
        }
        self._arithmetic = arithmetic
        self._length_changes = True  # for a run that is not there yet
        self._earlier: Mapping[str, Any] = NO_COUNTS  # of the manifest of earlier sessions
        _holds_run(path)  # before a lock is put into a folder of something else
        self._lock = FolderLock(path)
        try:
            if _holds_run(path):
                self._check_same_run()
                if not resume:
                    raise ExistingRunError(
                        f"{path} already holds a run. Add --resume to continue it, or choose another --out."
                    )
        except BaseException:
            self._lock.release()
            raise
        self._start_time = time.monotonic()
        self._events: EventFile | None = None

    @property
    def earlier_arithmetic(self) -> Arithmetic | None:
        """What the session before this one was computed with; None if there was none, or no record of it."""
        return last_arithmetic(self._earlier, self.path / "manifest.json")

    def checkpoint_places(self) -> list[Place]:
        """Of the checkpoints, newest first, damaged ones included."""
        return checkpoint_places(self.path / "checkpoint")

    def is_whole(self, place: Place) -> bool:
        """Whether the checkpoint of a place can be read; a warning names a damaged one."""
        return is_whole(self.path / "checkpoint", *place)

    def newest_whole(self, last: float = math.inf) -> Place | None:
        """The newest whole checkpoint after at most `last` epochs that is not within a fit, if any."""
        epoch = newest_whole_epoch(self.path / "checkpoint", last)
        return None if epoch is None else Place(epoch)

    def read_checkpoint(self, place: Place) -> Checkpoint:
        """The checkpoint of a place; InvalidFileError if it is damaged."""
        return read_checkpoint(self.path / "checkpoint", *place)

    def result(self) -> Result | None:
        """How the run ended; None if it has not."""
        return read_result(self.path)

    def check_records(self, epoch: int) -> None:
        """Whether the run can go on after `epoch` epochs; changes nothing.  Raises InvalidFileError."""
        if epoch:
            check_rows(self.path / "metrics.csv", epoch)

    def start(self, place: Place | None) -> None:
        """Begins recording where a checkpoint is; what was recorded beyond it is cut. None: begins anew."""
        epoch = 0 if place is None else place.epoch
        if self._length_changes:
            write_json(self.path / "config.json", self._config)
        for folder in (self.path, self.path / "weights"):
            for targets in ("*.json", "*.csv", "*.npz"):
                remove_leftovers(folder, targets)
        remove_checkpoints_after(self.path / "checkpoint", *(place or (-1, 0)))
        in_fit = place is not None and place.pause > 0  # with the weights estimated after `epoch` epochs
        cut_weights(self.path / "weights", epoch + in_fit)
        (self.path / "result.json").unlink(missing_ok=True)
        self.metrics = MetricsTable(self.path / "metrics.csv", keep_epochs=epoch)
        self._events = EventFile(self.path, first_epoch=epoch + 1)
        self._first_epoch = epoch + 1
        self._write_manifest()

    def record(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Adds the row of one epoch to metrics.csv and to TensorBoard.

        Raises:
            InvalidFileError: the run directory is no longer there (as in all that follow), or cannot be written to.
        """
        self._lock.check_still_there()
        self.metrics.append(epoch, metrics)
        if self._events:
            self._events.append(epoch, metrics)

    def save_weights(self, epoch: int, weights: Array, exact: Array | None = None) -> None:
        """Keeps w, [N], as estimated after `epoch` epochs, its summary, and w*, [N], if it is known."""
        self._lock.check_still_there()
        keep_weights(self.path / "weights", epoch, weights, exact)

    def read_weights(self, epoch: int) -> Array:
        """w, [N], as estimated after `epoch` epochs.  Raises InvalidFileError."""
        return read_weights(self.path / "weights", epoch)

    def save_samples(self, samples: State) -> None:
        """Keeps what the algorithm shows of itself when training has ended."""
        self._lock.check_still_there()
        write_npz(self.path / "samples.npz", samples)

    def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Makes everything recorded so far durable, then the checkpoint that counts on it."""
        self._lock.check_still_there()
        self.metrics.sync()
        write_checkpoint(self.path / "checkpoint", checkpoint)
        self._write_manifest()

    def finish(self, epochs: int, status: Status, message: str = "") -> Result:
        """Writes result.json after `epochs` recorded epochs, with the metrics of the last of them."""
        self._lock.check_still_there()
        result = Result(status=status, epochs=epochs, metrics=self.metrics.last(), message=message)
        self._write_manifest()
        write_json(self.path / "result.json", asdict(result))
        return result

    def close(self) -> None:
        """Closes the files and lets others open the directory."""
        if self._events:
            self._events.close()
            self._events = None
        self._lock.release()

    def _check_same_run(self) -> None:
        stored = read_json(self.path / "config.json", "Expected the configuration of a run.")
        if different := difference_between_runs(stored, self._config):
            raise ExistingRunError(
                f"{self.path} holds a run of another configuration: {different}. "
                "Choose another --out, or the same settings."
            )
        self._length_changes = not same_length(stored, self._config)
        if (self.path / "manifest.json").exists():
            self._earlier = recorded_counts(self.path / "manifest.json")
            before, now = self._earlier.get("dataset_sha256"), self._session["dataset_sha256"]
            if before != now:
                raise ExistingRunError(
                    f"{self.path} was trained on another data set: its SHA-256 is {before} there and {now} here. "
                    "Choose another --out."
                )

    def _write_manifest(self) -> None:
        seconds = self._earlier["wall_time_seconds"] + time.monotonic() - self._start_time
        session = {"first_epoch": self._first_epoch} | {name: self._session[name] for name in ("git", "device")}
        session |= {} if self._arithmetic is None else asdict(self._arithmetic)
        counted = {
            "wall_time_seconds": round(seconds, 3),
            "peak_memory_mib": max(self._earlier["peak_memory_mib"], peak_memory_mib()),
            "sessions": [*recorded_sessions(self._earlier), session],
        }
        write_json(self.path / "manifest.json", self._session | counted)


def run_path(
    out: Path, task: str, algorithm: str, variant: str, seed: int, settings: Mapping[str, Any] | None = None
) -> Path:
    """Where the run of one seed is; `settings` are those that differ from the variant's own."""
    return out / task / algorithm / variant_folder(variant, settings or {}) / f"seed{seed}"


def _holds_run(path: Path) -> bool:
    """Whether a run is there; ForeignFileError if something else is."""
    if not path.exists():
        return False
    foreign = ForeignFileError(f"{path} exists and is not a run directory of ampl; it stays. Choose another --out.")
    if not path.is_dir():
        raise foreign
    config = path / "config.json"
    if config.exists():
        check_regular_file(config, "Expected the configuration of a run.")
        if not is_signed(config):
            raise foreign
        return True
    if any(not entry.name.startswith(_OWN_LEFTOVERS) for entry in path.iterdir()):
        raise foreign
    return False


def read_result(run: Path) -> Result | None:
    """How the run in a run directory ended; None if it has not.  Raises InvalidFileError."""
    path = run / "result.json"
    if not path.exists():
        return None
    hint = "Remove it and add --resume."
    found = read_json(path, hint)
    kinds: dict[str, Any] = {"status": str, "epochs": int, "metrics": dict, "message": str}
    try:
        for name, value in found.items():
            if not isinstance(value, kinds[name]):
                raise TypeError(f"'{name}' is {value!r}")
        if not all(isinstance(value, int | float) for value in found["metrics"].values()):
            raise TypeError("a metric is not a number")
        return Result(**found | {"status": Status(found["status"])})
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise InvalidFileError(f"{path} is not the result of a run ({error}). {hint}") from error
