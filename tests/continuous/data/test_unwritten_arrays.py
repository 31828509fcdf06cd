"""Arrays of a file that were created and never, or not wholly, written: HDF5 reads a fill value, which may be meant."""

import logging
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ampl.errors import InvalidFileError
from continuous.data.d4rl_file import D4RLData, read_d4rl
from tests.continuous.data.d4rl_samples import HOPPER, arrays_of, hopper_data, write_plain

LAYOUTS: list[dict[str, Any]] = [{}, {"chunks": (7,)}, {"chunks": (7,), "compression": "gzip"}, {"maxshape": (None,)}]


def with_dataset(path: Path, key: str, written: slice | None = None, **options: Any) -> Path:
    """A hopper file one of whose columns is created anew, and written in part or not at all."""
    arrays = arrays_of(hopper_data())
    column = arrays.pop(key)
    write_plain(path, arrays)
    with h5py.File(path, "a") as file:
        dataset = file.create_dataset(key, shape=column.shape, **{"dtype": column.dtype} | options)
        if written is not None:
            dataset[written] = column[written]
    return path


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("key", ["timeouts", "terminals", "rewards", "infos/qvel"])
def test_a_column_that_was_never_written_reads_as_zero_and_that_is_said(
    tmp_path: Path, key: str, layout: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    if key == "infos/qvel" and "chunks" in layout:
        layout = layout | {"chunks": (7, 6)}
    if key == "infos/qvel" and "maxshape" in layout:
        layout = {"maxshape": (None, 6)}
    data = read_d4rl(with_dataset(tmp_path / "f", key, **layout), HOPPER)
    with caplog.at_level(logging.WARNING):
        column = data.infos["qvel"] if "/" in key else getattr(data, key)
    assert not column.any()
    assert column.shape == arrays_of(hopper_data())[key].shape
    assert f"'{key}' was never written, which reads as" in caplog.text


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_the_fill_value_of_the_file_counts(tmp_path: Path, kind: Any) -> None:
    data = read_d4rl(with_dataset(tmp_path / "f", "terminals", dtype=kind, fillvalue=1, chunks=(7,)), HOPPER)
    assert data.terminals.all()


def test_a_fill_value_that_is_no_number_is_refused_like_any_other(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="'rewards' is not finite in 60 of 60 rows"):
        read_d4rl(with_dataset(tmp_path / "f", "rewards", fillvalue=np.nan), HOPPER)
    with pytest.raises(InvalidFileError, match="'timeouts' is 7 in row 0"):
        read_d4rl(with_dataset(tmp_path / "f", "timeouts", dtype=np.uint8, fillvalue=7), HOPPER)


@pytest.mark.parametrize("layout", LAYOUTS[:2], ids=str)
def test_without_a_fill_value_an_unwritten_column_is_refused(tmp_path: Path, layout: dict[str, Any]) -> None:
    """HDF5 would leave whatever was in memory."""
    with pytest.raises(InvalidFileError, match="names no value that stands for them"):
        read_d4rl(with_dataset(tmp_path / "f", "timeouts", fill_time="never", **layout), HOPPER)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_flag_that_nobody_set_is_not_set(
    tmp_path: Path, compression: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = with_dataset(tmp_path / "f", "timeouts", slice(0, 14), chunks=(7,), compression=compression)
    data: D4RLData = read_d4rl(path, HOPPER)
    np.testing.assert_array_equal(data.timeouts[:14], hopper_data().timeouts[:14])
    assert not data.timeouts[14:].any()
    assert "7 of 9 chunks of 'timeouts' were never written" in caplog.text


@pytest.mark.parametrize("key", ["observations", "actions", "rewards", "next_observations", "infos/qpos"])
def test_a_measurement_that_was_not_written_to_the_end_is_refused(tmp_path: Path, key: str) -> None:
    chunks = (7, *arrays_of(hopper_data())[key].shape[1:])
    path = with_dataset(tmp_path / "f", key, slice(0, 14), chunks=chunks, compression="gzip")
    with pytest.raises(InvalidFileError, match=f"7 of 9 chunks of '{key}' are missing"):
        read_d4rl(path, HOPPER).infos["qpos"]


def test_no_rows_at_all_is_still_an_error(tmp_path: Path) -> None:
    path = write_plain(
        tmp_path / "f", {key: value for key, value in arrays_of(hopper_data()).items() if "/" not in key}
    )
    with h5py.File(path, "a") as file:
        for key in list(file):
            kind, shape = file[key].dtype, file[key].shape
            del file[key]
            file.create_dataset(key, shape=(0, *shape[1:]), dtype=kind, maxshape=(None, *shape[1:]))
    with pytest.raises(InvalidFileError, match="no rows"):
        read_d4rl(path, HOPPER)
