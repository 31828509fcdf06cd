"""Every kind of bad file is one error that names it: wrong arrays, damage, foreign formats, links out of the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ampl.errors import InvalidFileError
from continuous.data.d4rl_file import read_d4rl
from continuous.tasks.find import find_task
from tests.continuous.data.d4rl_samples import HOPPER, arrays_of, hopper_data, write_plain


@pytest.fixture
def arrays() -> dict[str, Any]:
    """A valid hopper file, key by key."""
    return arrays_of(hopper_data())


def renamed(old: str, new: str) -> Callable[[dict[str, Any]], Any]:
    return lambda arrays: arrays.update({new: arrays.pop(old)})


def changed(key: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda arrays: arrays.update({key: change(arrays[key])})


def poked(key: str, value: float, row: int = 5) -> Callable[[dict[str, Any]], Any]:
    def change(arrays: dict[str, Any]) -> None:
        arrays[key] = arrays[key].astype(np.float64)
        arrays[key][row] = value

    return change


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda arrays: arrays.pop("rewards"), "lacks the key 'rewards'"),
        (renamed("actions", "action"), "lacks the key 'actions'.*Rename 'action'"),
        (lambda arrays: arrays.pop("actions"), "'actions'; it has [^.]*\\. [^R]"),  # not: rename 'observations'
        (renamed("timeouts", "timeout"), "lacks the key 'timeouts' and has an unknown 'timeout'"),
        (renamed("next_observations", "next_observation"), "rename it"),
        (changed("observations", lambda array: array[:, 0]), "shape \\[rows, size\\]"),
        (changed("observations", lambda array: array.astype(np.int32)), "expected floats"),
        (changed("observations", lambda array: array[:, :10]), "columns"),
        (changed("observations", lambda array: array[:0]), "no rows"),
        (changed("observations", lambda array: array[:, :0]), "expected floats with the shape"),
        (changed("actions", lambda array: array[:-1]), "'actions' has 59 rows and 'observations' 60"),
        (changed("actions", lambda array: array[:, :2]), "hopper-medium-v2 has 3"),
        (changed("rewards", lambda array: array[:-3]), "57 rows"),
        (changed("rewards", lambda array: np.tile(array[:, None], 2)), "expected the shape \\[rows\\]"),
        (changed("rewards", lambda array: np.array([b"1"] * 60)), "expected numbers"),
        (changed("next_observations", lambda array: array[:, :3]), "'next_observations' has 3 columns"),
        (changed("infos/qpos", lambda array: array[:7]), "'infos/qpos' has 7 rows"),
        (changed("infos/qpos", lambda array: np.float32(1)), "'infos/qpos' has 0 rows"),
        (changed("terminals", lambda array: np.array([b"0"] * 60)), "expected flags"),
        (poked("observations", np.nan), "not finite in 1 of 60 rows, first in row 5"),
        (poked("actions", np.inf), "'actions' is not finite"),
        (poked("rewards", -np.inf), "'rewards' is not finite"),
        (poked("next_observations", 1e300), "'next_observations' is not finite"),
        (poked("terminals", 0.5), "'terminals' is 0.5 in row 5; expected 0 or 1"),
        (poked("timeouts", 2), "'timeouts' is 2.0 in row 5"),
        (poked("timeouts", np.nan), "'timeouts' is nan in row 5"),
    ],
)
def test_a_bad_array_is_named(
    tmp_path: Path, arrays: dict[str, Any], damage: Callable[[dict[str, Any]], Any], words: str
) -> None:
    damage(arrays)
    with pytest.raises(InvalidFileError, match=words) as caught:
        read_d4rl(write_plain(tmp_path / "bad.hdf5", arrays), HOPPER)
    assert "bad.hdf5" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04" + bytes(100)])
def test_a_foreign_or_empty_file_is_one_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(InvalidFileError, match="Expected a D4RL file"):
        read_d4rl(tmp_path / "f")


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="does not exist"):
        read_d4rl(tmp_path / "none")
    with pytest.raises(InvalidFileError, match="not a regular file"):
        read_d4rl(tmp_path)


def test_a_file_of_another_task_is_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    with pytest.raises(InvalidFileError, match="11 columns; walker2d-medium-v2 has 17"):
        read_d4rl(write_plain(tmp_path / "f", arrays), find_task("walker2d-medium-v2"))


def test_nothing_is_followed_out_of_the_file(tmp_path: Path, arrays: dict[str, Any]) -> None:
    other = write_plain(tmp_path / "other", arrays)
    rewards = arrays.pop("rewards")
    for name, link in (("soft", h5py.SoftLink("/actions")), ("external", h5py.ExternalLink(str(other), "/rewards"))):
        path = write_plain(tmp_path / name, arrays)
        with h5py.File(path, "a") as file:
            file["rewards"] = link
        with pytest.raises(InvalidFileError, match="link to somewhere else"):
            read_d4rl(path)
    path = write_plain(tmp_path / "virtual", arrays)
    with h5py.File(path, "a") as file:
        layout = h5py.VirtualLayout(shape=rewards.shape, dtype=rewards.dtype)
        layout[:] = h5py.VirtualSource(str(other), "rewards", shape=rewards.shape)
        file.create_virtual_dataset("rewards", layout)
    with pytest.raises(InvalidFileError, match="in another file"):
        read_d4rl(path)


def test_a_text_in_another_file_is_not_read(tmp_path: Path, arrays: dict[str, Any]) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    path = write_plain(tmp_path / "f", arrays)
    with h5py.File(path, "a") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)  # h5py's own function makes no scalars of this kind
        properties.set_external(str(tmp_path / "secret").encode(), 0, 6)
        kind, shape = h5py.h5t.py_create(np.dtype("S6")), h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5d.create(file["metadata"].id, b"note", kind, shape, dcpl=properties)
    with pytest.raises(InvalidFileError, match="in another file"):
        read_d4rl(path).metadata["note"]


def test_values_of_variable_length_are_refused_before_they_are_read(tmp_path: Path, arrays: dict[str, Any]) -> None:
    """They lie in a heap without checksums, where damage has sent the HDF5 library round in circles."""
    path = write_plain(tmp_path / "f", arrays)
    with h5py.File(path, "a") as file:
        file.create_dataset("infos/names", data=["a"] * 60, dtype=h5py.string_dtype())
    with pytest.raises(InvalidFileError, match="variable length"):
        read_d4rl(path).infos["names"]


def test_groups_in_a_circle_are_an_error(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = write_plain(tmp_path / "f", arrays)
    with h5py.File(path, "a") as file:
        file["infos"]["again"] = file["infos"]
    with pytest.raises(InvalidFileError, match="nested deeper"):
        read_d4rl(path)


def test_groups_that_can_be_reached_in_millions_of_ways_are_an_error(
    tmp_path: Path, arrays: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("continuous.data.hdf5_arrays._KEYS", 100)
    path = write_plain(tmp_path / "f", arrays)
    with h5py.File(path, "a") as file:
        group = file["infos"]
        for level in range(7):
            below = file.create_group(f"level{level}")
            for number in range(20):
                group[str(number)] = below
            group = below
    with pytest.raises(InvalidFileError, match="more than 100 keys"):
        read_d4rl(path)


def test_an_array_larger_than_its_stored_bytes_is_refused_before_memory_is_taken(
    tmp_path: Path, arrays: dict[str, Any]
) -> None:
    path = write_plain(tmp_path / "f", arrays)
    with h5py.File(path, "a") as file:
        del file["observations"]
        file.create_dataset("observations", shape=(1 << 40, 11), dtype="f4", chunks=(1 << 20, 11), compression="gzip")
    with pytest.raises(InvalidFileError, match=r"unpacks to 4\.84e\+04 GB"):
        read_d4rl(path)
