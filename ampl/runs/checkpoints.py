"""Checkpoints that survive a power cut: two whole ones are kept, each in a folder of its own.

    checkpoint/epoch_0099/             state.safetensors   counters.json
    checkpoint/epoch_0100/             state.safetensors   counters.json
    checkpoint/epoch_0100_fit_0007/    in the seventh pause of the fit of the model after 100 epochs

A new one is written to a temporary folder, flushed to disk and renamed; only then is the oldest removed. counters.json
holds a checksum over both files, so a damaged checkpoint is noticed and the one before it used. States may be as large
as memory allows: they are written without being copied, and checked without being read as a whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import math
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidFileError, InvalidShapeError
from ampl.files import check_regular_file, read_json
from ampl.interfaces import Algorithm, State

logger = logging.getLogger(__name__)

_KEPT = 2  # the newest, and the one before it
_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
_TEMPORARY = ".unfinished-"
_FOLDER = re.compile(r"epoch_(\d{4,})(?:_fit_(\d{4,}))?")
_DTYPES = {"bool"} | {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
_DTYPES |= {"float16", "float32", "float64", "complex64"}


class Place(NamedTuple):
    """Where in a run a checkpoint is.

    Attributes:
        epoch: epochs completed, >= 0.
        pause: of the fit of the model that follows them, >= 1; 0 where no fit is going on. The first fit comes before
            any epoch, so what is in it is older than `Place(0)`, which has a fitted model.
    """

    epoch: int
    pause: int = 0

    @property
    def order(self) -> tuple[int, int]:
        """Smaller for an older place."""
        return (-1 if self.epoch == 0 and self.pause else self.epoch, self.pause)

    @property
    def folder(self) -> str:
        """Its name."""
        return f"epoch_{self.epoch:04d}" + (f"_fit_{self.pause:04d}" if self.pause else "")


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """One seed after `epoch` epochs.

    Attributes:
        epoch: epochs completed, >= 0.
        state: the arrays of `Algorithm.state`.
        fit_metrics: what the latest fit of the model returned.
        pause: of the fit that is going on; 0: none is (see `Place`).
    """

    epoch: int
    state: State
    fit_metrics: Mapping[str, float] = field(default_factory=dict)
    pause: int = 0

    def put_into(self, algorithm: Algorithm, index: int) -> None:
        """Puts seed `algorithm.seeds[index]` where it was.

        Raises:
            InvalidFileError: the arrays are not those that the algorithm keeps.
        """
        try:
            algorithm.load_state(index, self.state)
        except (KeyError, ValueError, RuntimeError, InvalidShapeError, InvalidArgumentError) as error:
            raise InvalidFileError(
                f"the checkpoint of seed {algorithm.seeds[index]} after epoch {self.epoch} does not fit this version "
                f"of the program ({error}). Use the version whose commit is in manifest.json, or train anew."
            ) from error


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Writes a folder in `folder` and then removes all but the two newest, and the newest that is not within a fit.

    Raises:
        InvalidArgumentError: an array of a type that cannot be stored without pickle.
        InvalidFileError: the folder cannot be written to.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {name: np.asarray(array, order="C") for name, array in sorted(checkpoint.state.items())}
    for name, array in arrays.items():
        if array.dtype.name not in _DTYPES:
            raise InvalidArgumentError(f"state '{name}' has dtype {array.dtype}; expected one of {sorted(_DTYPES)}.")
    counters: dict[str, Any] = {"epoch": checkpoint.epoch, "fit_metrics": dict(checkpoint.fit_metrics)}
    if checkpoint.pause:
        counters["fit_pause"] = checkpoint.pause
    target = folder / Place(checkpoint.epoch, checkpoint.pause).folder
    temporary = folder / f"{_TEMPORARY}{target.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        state = temporary / "state.safetensors"
        save_file(arrays, state)
        _sync(state)
        counters["sha256"] = _checksum(state, counters)
        (temporary / "counters.json").write_text(json.dumps(counters, indent=2) + "\n")
        _sync(temporary / "counters.json")
        _sync(temporary)
        if target.exists():  # a damaged one of the first fit, which was made again
            _remove(target)
        temporary.rename(target)
        _sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        reason = getattr(error, "strerror", None) or error
        kept = "The checkpoint before it is kept. " if checkpoint_places(folder) else ""
        full = "Free space, then" if any(words in str(error) for words in _FULL) else "When that is mended,"
        raise InvalidFileError(f"cannot write {target}: {reason}. {kept}{full} go on with --resume.") from error
    places = checkpoint_places(folder)
    for old in places[_KEPT:]:
        if old.pause or old.epoch != checkpoint_epochs(folder)[0]:
            _remove(folder / old.folder)


def checkpoint_places(folder: Path) -> list[Place]:
    """Of the checkpoints in `folder`, newest first, damaged ones included; empty if there are none."""
    names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else ()
    places = (Place(int(match[1]), int(match[2] or 0)) for match in map(_FOLDER.fullmatch, names) if match)
    return sorted(places, key=lambda place: place.order, reverse=True)


def checkpoint_epochs(folder: Path) -> list[int]:
    """Epochs of the checkpoints that are not within a fit, newest first, damaged ones included."""
    return [place.epoch for place in checkpoint_places(folder) if not place.pause]


def read_checkpoint(folder: Path, epoch: int, pause: int = 0) -> Checkpoint:
    """Reads the checkpoint of a place.

    Raises:
        InvalidFileError: it is missing, damaged, or its checksum does not fit.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    place = folder / Place(epoch, pause).folder
    counters = _checked_counters(folder, Place(epoch, pause))
    try:
        state: State = load_file(place / "state.safetensors")
        return Checkpoint(epoch=epoch, state=state, fit_metrics=counters["fit_metrics"], pause=pause)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise InvalidFileError(f"{place} is damaged ({type(error).__name__}).") from error


def is_whole(folder: Path, epoch: int, pause: int = 0) -> bool:
    """Whether the checkpoint of a place can be read; if it is damaged, a warning says so."""
    try:
        _checked_counters(folder, Place(epoch, pause))
    except InvalidFileError as error:
        logger.warning("%s Falling back to the checkpoint before it.", error)
        return False
    return True


def newest_whole_epoch(folder: Path, last: float = math.inf) -> int | None:
    """Epoch, at most `last`, of the newest checkpoint that can be read and is not within a fit; None: there is none."""
    epochs = (epoch for epoch in checkpoint_epochs(folder) if epoch <= last)
    return next((epoch for epoch in epochs if is_whole(folder, epoch)), None)


def remove_checkpoints_after(folder: Path, epoch: int, pause: int = 0) -> None:
    """Removes checkpoints newer than a place and unfinished ones: the run continues from there. Epoch -1: all."""
    for newer in checkpoint_places(folder):
        if newer.order > Place(epoch, pause).order:
            _remove(folder / newer.folder)
    for unfinished in folder.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def _remove(checkpoint: Path) -> None:
    """Removes a checkpoint; interrupted half-way, the rest no longer looks like one."""
    doomed = checkpoint.with_name(f"{_TEMPORARY}old-{checkpoint.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    checkpoint.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _checked_counters(folder: Path, at: Place) -> dict[str, Any]:
    """counters.json without its checksum, which fits; InvalidFileError otherwise."""
    place = folder / at.folder
    try:
        counters: dict[str, Any] = read_json(place / "counters.json")
        check_regular_file(place / "state.safetensors")
        stored = counters.pop("sha256")
        fits = (
            stored == _checksum(place / "state.safetensors", counters)
            and (counters["epoch"], counters.get("fit_pause", 0)) == at
        )
        metrics = counters["fit_metrics"].values()
    except InvalidFileError as error:
        raise InvalidFileError(f"{place} is damaged: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidFileError(f"{place} is damaged ({type(error).__name__}).") from error
    if not all(isinstance(value, int | float) for value in metrics):
        raise InvalidFileError(f"{place} is damaged: the metrics in its counters.json are not numbers.")
    if not fits:
        raise InvalidFileError(f"{place} is damaged: its checksum does not fit its content.")
    return counters


def _checksum(state: Path, counters: Mapping[str, Any]) -> str:
    with state.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps(counters, sort_keys=True).encode())
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Makes a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
