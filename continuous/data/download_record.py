"""What was downloaded, recorded beside the file: its address, size and sha256, checked again at every use."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from ampl.errors import InvalidFileError
from ampl.files import SIGNATURE, file_sha256, read_json, write_json
from continuous.data.file_guard import check_hdf5_file

_HINT = "Remove it together with the dataset beside it, and download again."


@dataclass(frozen=True, kw_only=True)
class DownloadRecord:
    """One finished download."""

    url: str
    size: int  # bytes
    sha256: str


def record_path(path: Path) -> Path:
    """Where the record of a dataset file is: beside it."""
    return path.with_name(f"{path.name}.download.json")


def write_record(path: Path, record: DownloadRecord) -> None:
    """Writes the record of the dataset file `path`."""
    write_json(record_path(path), {"written_by": SIGNATURE} | asdict(record))


def read_record(path: Path) -> DownloadRecord | None:
    """The record of the dataset file `path`; None if it was not downloaded by us.

    Raises:
        InvalidFileError: the record is damaged.
    """
    place = record_path(path)
    if not place.exists():
        return None
    found = read_json(place, _HINT)
    kinds = {"url": str, "size": int, "sha256": str}
    if not isinstance(found, dict) or any(not isinstance(found.get(key), kind) for key, kind in kinds.items()):
        raise InvalidFileError(f"{place} is not the record of a download: expected url, size and sha256. {_HINT}")
    return DownloadRecord(url=found["url"], size=found["size"], sha256=found["sha256"])


def check_record(path: Path, sha256: str) -> None:
    """Raises InvalidFileError if the file is not what was downloaded.

    Args:
        path: a dataset file.
        sha256: its checksum now.
    """
    record = read_record(path)
    if record is not None and record.sha256 != sha256:
        raise InvalidFileError(
            f"{path} has changed since it was downloaded from {record.url}: its sha256 is {sha256[:12]}..., recorded "
            f"is {record.sha256[:12]}.... Remove it and {record_path(path).name}, and download again."
        )


def check_unchanged(path: Path) -> str | None:
    """Checks a dataset file against the record beside it, before anything in it is believed.

    Returns:
        Its sha256; None if it was not downloaded, so that there is nothing to compare.

    Raises:
        InvalidFileError: it is not what was downloaded, or the record is damaged.
    """
    if read_record(path) is None:
        return None
    sha256 = dataset_sha256(path)
    check_record(path, sha256)
    return sha256


def dataset_sha256(path: Path) -> str:
    """The sha256 of a dataset file, in hexadecimal.

    Raises:
        InvalidFileError: it cannot be read, or is no HDF5 file.
    """
    check_hdf5_file(path, "Expected a dataset file.")
    return file_sha256(path)
