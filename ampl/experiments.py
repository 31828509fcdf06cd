"""Experiments that figures are drawn from: computed once, recorded in `runs/records/`, found again by name."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Protocol

from ampl.entry_points import EXPERIMENTS, load
from ampl.errors import InvalidArgumentError, InvalidFileError
from ampl.files import check_output

logger = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Experiment(Protocol):
    """A computation that ends in one record; announced in the entry-point group `ampl.experiments`."""

    def __call__(self, path: Path, /) -> None:
        """Computes the experiment and writes its record to `path` (.npz), atomically: see `ampl.files.write_npz`."""


def find_or_make_record(name: str, runs: Path) -> Path:
    """The record of an experiment, computed now if it is not there yet.

    Args:
        name: of the experiment.
        runs: folder of the runs; records are in its sub-folder `records`.

    Returns:
        Path of the .npz file.

    Raises:
        InvalidArgumentError: a name that cannot be a file name.
        UnknownNameError: neither a record nor an experiment has this name.
        InvalidFileError: the experiment ended without its record.
    """
    path = _record_path(name, runs)
    if path.exists():
        return path
    logger.info("no record of '%s' in %s yet: computing it", name, runs)
    return make_record(name, runs)


def make_record(name: str, runs: Path) -> Path:
    """Computes an experiment and writes its record, in the place of an earlier one; arguments as above.

    Raises:
        InvalidArgumentError: a name that cannot be a file name.
        UnknownNameError: no experiment has this name.
        ForeignFileError: something that is no record of ours is in its place.
        InvalidFileError: it cannot be written to its place, or the experiment ended without its record.
    """
    path = _record_path(name, runs)
    experiment: Experiment = load(EXPERIMENTS, name)
    check_output(path)
    experiment(path)
    if not path.exists():
        raise InvalidFileError(f"the experiment '{name}' ended without writing {path}. This is a mistake in it.")
    return path


def _record_path(name: str, runs: Path) -> Path:
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError(
            f"experiment name '{name}' has other characters than letters, digits, '.', '_', '-'."
        )
    return runs / "records" / f"{name}.npz"
