"""Pipes, devices, absurd sizes and compressed nothing are refused before anything is opened, hashed or unpacked."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ampl.errors import ForeignFileError, InvalidFileError
from continuous.data import file_guard
from continuous.data.cards import dataset_card
from continuous.data.check import diagnose
from continuous.data.d4rl_file import read_d4rl, read_provenance
from continuous.data.dataset import load_dataset
from continuous.data.download import download
from continuous.data.download_record import dataset_sha256
from continuous.recreate.online_sac.policy_file import load_policy
from continuous.recreate.online_sac.replay_file import ReplayFile
from tests.continuous.data.d4rl_samples import HOPPER, arrays_of, hopper_data, write_plain

READERS: dict[str, Callable[[Path], Any]] = {
    "read": read_d4rl,
    "provenance": read_provenance,
    "sha256": dataset_sha256,
    "check": diagnose,
    "card": lambda path: dataset_card(path, HOPPER),
    "load": lambda path: load_dataset(HOPPER, path=path),
}


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> Callable[[Path], Any]:
    """Each way in which a dataset file is opened."""
    return READERS[request.param]


def special(path: Path, kind: str) -> Path:
    """Something at `path` that can be opened but is no file."""
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        os.mkfifo(path)
    return path


@pytest.mark.parametrize("kind", ["pipe", "device", "socket"])
def test_what_is_no_regular_file_is_not_opened(reader: Callable[[Path], Any], tmp_path: Path, kind: str) -> None:
    with pytest.raises(InvalidFileError, match="not a regular file"):
        reader(special(tmp_path / "f", kind))


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_policy_and_a_replay_buffer_are_looked_at_before_they_are_opened(tmp_path: Path, kind: str) -> None:
    place = special(tmp_path / "f", kind)
    with pytest.raises(InvalidFileError, match=r"not a regular file\. Expected safetensors"):
        load_policy(place)
    with pytest.raises(InvalidFileError, match=r"not a regular file\. Expected the replay\.bin"):
        ReplayFile(place)


def test_a_folder_is_no_dataset_file(tmp_path: Path) -> None:
    for name in READERS.keys() - {"check"}:  # which takes a folder for a Minari dataset
        with pytest.raises(InvalidFileError, match="not a regular file"):
            READERS[name](tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_download_does_not_open_what_has_its_place(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ForeignFileError, match="was not downloaded by ampl; it stays"):
        download(HOPPER, path=special(tmp_path / "f", kind))


def test_a_large_file_of_another_kind_is_refused_by_its_first_bytes(
    reader: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hashlib.file_digest", pytest.fail)
    with (tmp_path / "f").open("wb") as file:
        file.truncate(20_000_000_000)
    with pytest.raises(InvalidFileError, match="does not begin like one"):
        reader(tmp_path / "f")


def test_an_absurdly_large_file_is_refused_whatever_its_first_bytes(
    reader: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hashlib.file_digest", pytest.fail)
    with write_plain(tmp_path / "f", arrays_of(hopper_data())).open("r+b") as file:
        file.truncate(200_000_000_000)
    with pytest.raises(InvalidFileError, match="has 200 GB; expected at most 32"):
        reader(tmp_path / "f")


@pytest.mark.parametrize("block", [0, 512, 1024, 4096])
def test_the_signature_may_stand_behind_a_user_block(tmp_path: Path, block: int) -> None:
    with h5py.File(tmp_path / "f", "w", userblock_size=block) as file:
        for key, value in arrays_of(hopper_data()).items():
            file[key] = value
    assert read_d4rl(tmp_path / "f").n_rows == 60


def test_an_unreadable_file_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"x")

    def deny(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    with pytest.raises(InvalidFileError, match=r"cannot read .*f: Permission denied"):
        read_d4rl(tmp_path / "f")


@pytest.fixture
def regular(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that unpacks to about 400 times its size, where only that matters: 4 kB are no longer harmless."""
    monkeypatch.setattr(file_guard, "_HARMLESS", 4000)
    rows = 200_000
    arrays = {
        "observations": np.zeros((rows, 11), np.float32),
        "actions": np.zeros((rows, 3), np.float32),
        "rewards": np.zeros(rows, np.float32),
        "terminals": np.zeros(rows, np.bool_),
        "timeouts": np.zeros(rows, np.bool_),
    }
    return write_plain(tmp_path / "f", arrays)


def test_a_file_that_unpacks_out_of_all_proportion_is_refused(regular: Path) -> None:
    with pytest.raises(
        InvalidFileError, match=r"unpacks to 0\.0124 GB, more than 100 times as much.*AMPL_UNPACK_LIMIT_GB"
    ):
        read_d4rl(regular)


def test_the_limit_is_settable_both_ways(regular: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMPL_UNPACK_LIMIT_GB", "0.0125")
    assert read_d4rl(regular).n_rows == 200_000
    monkeypatch.setenv("AMPL_UNPACK_LIMIT_GB", "0.0123")
    with pytest.raises(InvalidFileError, match=r"unpacks to 0\.0124 GB; expected at most 0\.0123"):
        read_d4rl(regular)


def test_columns_are_limited_together_and_other_arrays_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = arrays_of(hopper_data())  # columns of 60 rows, 26 numbers and 2 flags each: 6360 bytes
    arrays["infos/image"] = np.zeros((60, 6000), np.uint8)
    arrays["unused"] = np.zeros((60, 7000), np.uint8)
    path = write_plain(tmp_path / "f", arrays)
    monkeypatch.setenv("AMPL_UNPACK_LIMIT_GB", "6.3e-6")
    with pytest.raises(InvalidFileError, match=r"unpacks to 6\.36e-06 GB"):
        read_d4rl(path)
    monkeypatch.setenv("AMPL_UNPACK_LIMIT_GB", "6.4e-6")
    data = read_d4rl(path)
    assert data.infos["qpos"].shape == (60, 6)
    with pytest.raises(InvalidFileError, match=r"unpacks to 0\.000384 GB"):
        data.infos["image"]


def test_a_chunk_that_is_larger_than_its_rows_counts_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_plain(tmp_path / "f", arrays_of(hopper_data()))
    with h5py.File(path, "a") as file:
        del file["rewards"]
        file.create_dataset("rewards", data=np.zeros(60), maxshape=(None,), chunks=(1 << 20,), compression="gzip")
    monkeypatch.setenv("AMPL_UNPACK_LIMIT_GB", "0.008")
    with pytest.raises(InvalidFileError, match=r"unpacks to 0\.00839 GB"):
        read_d4rl(path)
