"""Fetches D4RL's original files into the cache folder: streamed, continued after a break, checked, renamed into place.

A file gets its name only after its sha256 was compared with the one that was asked for, if one was, and it was read as
a dataset of its task. Beside it stays a record of address, size and sha256, which is compared at every use. Source of
the addresses: D4RL 1.1.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from ampl.errors import AmplError, ForeignFileError, InvalidArgumentError, InvalidFileError, check_at_least
from ampl.files import is_signed
from continuous.data.cache import FOLDER_VARIABLE, dataset_path, find_dataset
from continuous.data.download_record import (
    DownloadRecord,
    check_unchanged,
    dataset_sha256,
    read_record,
    record_path,
    write_record,
)
from continuous.data.http_request import TransferError, UnreachableError, check_address
from continuous.data.http_transfer import transfer
from continuous.data.partial_file import PartialFile, hold_partial
from continuous.data.recipes import find_recipe, other_ways
from continuous.tasks.registry import Task

_GIGABYTE = 1_000_000_000
_LONGEST_PAUSE = 30.0  # seconds between two attempts
_MOST = 1e6  # seconds of patience, and gigabytes


@dataclass(frozen=True, kw_only=True)
class DownloadConfig:
    """How patient a download is, and what it takes."""

    timeout: float = 30.0  # seconds without an answer, or without a thousand bytes of it, that end an attempt
    attempts: int = 8  # in all; what has arrived is kept where the server can go on from there
    pause: float = 1.0  # seconds before the second attempt, doubled for each one after it
    max_size: float = 8.0  # gigabytes that are taken at most; D4RL's largest file has about two
    sha256: str | None = None  # what the file must be, in hexadecimal; None: any dataset of the task

    def __post_init__(self) -> None:
        """Checks the numbers."""
        check_at_least("--timeout", self.timeout, 0.001)
        check_at_least("--attempts", self.attempts, 1)
        check_at_least("pause", self.pause, 0.0)
        check_at_least("--max-size", self.max_size, 0.0)
        for name, value in (("--timeout", self.timeout), ("--max-size", self.max_size)):
            if value > _MOST:
                raise InvalidArgumentError(f"{name} is {value}; expected at most {_MOST:.0f}.")
        if self.sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", self.sha256):
            raise InvalidArgumentError(f"--sha256 is '{self.sha256}'; expected 64 hexadecimal digits.")


def download(
    task: Task, url: str | None = None, path: Path | None = None, config: DownloadConfig | None = None
) -> tuple[Path, DownloadRecord]:
    """The original file of a task, fetched unless it is there already.

    Args:
        task: which one.
        url: a mirror of the file; D4RL's own address if not given.
        path: where the file goes; its place in the cache folder if not given.
        config: how patient to be, and what to take.

    Returns:
        The file and its record.

    Raises:
        ForeignFileError: a file that was not downloaded has the place.
        InvalidArgumentError: not an HTTP address, or a task without a published file.
        InvalidFileError: the file cannot be fetched, is not what it should be, or cannot be written; the message says
            where it belongs and which command re-creates it.
    """
    url, path, config = url or task.url, path or find_dataset(task) or dataset_path(task), config or DownloadConfig()
    if not url:
        how = find_recipe(task.name).how_to(task.name)
        raise InvalidArgumentError(f"no file of {task.name} was ever published. Make one: {how}.")
    check_address(url)
    if not path.exists():
        _make_folder(path.parent)
        with hold_partial(path.with_name(f"{path.name}.part"), url) as partial:
            if not path.exists():  # another process may have held the partial file until just now
                _fetch(partial, task, path, config)
                return path, _publish(partial, task, path, config)
    return path, _existing(path, config)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidFileError(
            f"cannot make {folder}: {error.strerror}. Set {FOLDER_VARIABLE} to a folder you can write to."
        ) from error


def _existing(path: Path, config: DownloadConfig) -> DownloadRecord:
    """The record of a file that was downloaded before, is unchanged, and is the one that is asked for."""
    record = read_record(path)
    if record is None:
        what = "is a re-creation" if path.is_file() and is_signed(path) else "was not downloaded by ampl"
        raise ForeignFileError(f"{path} exists and {what}; it stays. Move it away to fetch the original.")
    check_unchanged(path)
    if config.sha256 is not None and config.sha256.lower() != record.sha256:
        raise InvalidFileError(
            f"{path} has the sha256 {record.sha256}, not the one that --sha256 asks for; it stays. Move it and "
            f"{record_path(path).name} away to fetch another."
        )
    return record


def _fetch(partial: PartialFile, task: Task, path: Path, config: DownloadConfig) -> None:
    """Attempts until all bytes are here."""
    failure, begun, pause = "", partial.size, config.pause
    try:
        for attempt in range(config.attempts):
            if partial.complete:
                return
            if attempt:
                time.sleep(min(pause, _LONGEST_PAUSE))
                pause = min(2.0 * pause, _LONGEST_PAUSE)
            try:
                transfer(partial, config.timeout, int(config.max_size * _GIGABYTE))
                return
            except TransferError as error:
                failure = str(error)
            except UnreachableError as error:
                failure = str(error)
                if partial.size == begun:
                    break
    except InvalidFileError as error:
        raise InvalidFileError(f"{error}{_kept(partial)} {other_ways(task, path)}") from error
    raise InvalidFileError(f"cannot download {task.name}: {failure}.{_kept(partial)} {other_ways(task, path)}")


def _kept(partial: PartialFile) -> str:
    """What stays of a download that failed."""
    if partial.begun is not None:
        return f" {partial.size} bytes are kept; the same command asks for the rest."
    if partial.version is not None:
        return f" {partial.size} bytes from {partial.version.url} are kept; that address can be asked for the rest."
    return ""


def _publish(partial: PartialFile, task: Task, path: Path, config: DownloadConfig) -> DownloadRecord:
    """Gives a complete file its name, if it is what was asked for and a dataset of the task."""
    from continuous.data.d4rl_file import read_d4rl, read_provenance
    from continuous.data.plausibility import check_plausible

    try:
        sha256 = dataset_sha256(partial.path)
        if config.sha256 is not None and config.sha256.lower() != sha256:
            raise InvalidFileError(f"its sha256 is {sha256}, not the one that --sha256 asks for.")
        data = read_d4rl(partial.path, task)
        check_plausible(data, task, read_provenance(partial.path), partial.path)
    except AmplError as error:
        partial.restart(None)
        raise InvalidFileError(f"what {partial.url} sent is not usable and was removed: {error}") from error
    record = DownloadRecord(url=partial.url, size=partial.size, sha256=sha256)
    write_record(path, record)
    try:
        partial.publish(path)
    except FileExistsError as error:
        record_path(path).unlink(missing_ok=True)  # it is not of the file that is there now
        raise ForeignFileError(
            f"{path} was made by another process in the meantime; it stays.{_kept(partial)}"
        ) from error
    return record
