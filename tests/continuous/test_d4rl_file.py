"""Reading and writing D4RL files: casts, squeezes, fallbacks, provenance, and every kind of bad file."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ampl.errors import AmplError, ForeignFileError, InvalidArgumentError, InvalidFileError, InvalidShapeError
from ampl.files import SIGNATURE
from continuous.d4rl_file import Provenance, Source, read_d4rl, read_provenance, write_d4rl
from continuous.tasks import find_task
from tests.continuous.d4rl_samples import (
    HOPPER,
    UMAZE,
    arrays_of,
    assert_same,
    d4rl_function,
    environment_with,
    hopper_data,
    made_by,
    maze_data,
    without,
    write_plain,
)


@pytest.fixture
def arrays() -> dict[str, Any]:
    """A valid hopper file, key by key."""
    return arrays_of(hopper_data())


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    for task, data in ((HOPPER, hopper_data()), (UMAZE, maze_data())):
        path = tmp_path / task.file_name
        write_d4rl(path, data, made_by(task))
        assert_same(read_d4rl(path, task), data)
        assert read_provenance(path) == made_by(task)


def test_equal_data_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_d4rl(tmp_path / name, hopper_data(), made_by(HOPPER))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def plain_walk(path: Path) -> dict[str, Any]:
    """What D4RL's loader does: it visits every dataset by its full path, and reads scalars with the empty index."""
    found: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        file.visititems(lambda key, item: found.update({key: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def test_d4rl_facts_1_a_plain_walk_of_the_file_finds_d4rls_keys_and_nothing_else(tmp_path: Path) -> None:
    write_d4rl(tmp_path / "f", hopper_data(), made_by(HOPPER))
    found = plain_walk(tmp_path / "f")
    assert sorted(found) == sorted(arrays_of(hopper_data()))
    assert found["terminals"].dtype == np.bool_
    assert found["observations"].dtype == np.float32
    assert found["metadata/algorithm"] == b"SAC"


def test_the_installed_d4rl_package_makes_transitions_of_what_we_write(tmp_path: Path) -> None:
    write_d4rl(tmp_path / "f", hopper_data(), made_by(HOPPER))
    found = plain_walk(tmp_path / "f")
    theirs = d4rl_function("qlearning_dataset")(environment_with(HOPPER), found)
    assert len(theirs["observations"]) == 59 - hopper_data().timeouts[:-1].sum()


def test_a_file_of_ours_says_so_in_its_first_bytes(tmp_path: Path) -> None:
    write_d4rl(tmp_path / "f", hopper_data(), made_by(HOPPER))
    assert (tmp_path / "f").read_bytes().startswith(f"{SIGNATURE}: re-created".encode())


def test_a_file_of_d4rl_has_no_provenance(tmp_path: Path, arrays: dict[str, Any]) -> None:
    assert read_provenance(write_plain(tmp_path / "f", arrays)) is None


def test_provenance_without_the_optional_facts(tmp_path: Path) -> None:
    note = Provenance(source=Source.ORIGINAL, recipe="hopper-medium-v2")
    write_d4rl(tmp_path / "f", hopper_data(), note)
    assert read_provenance(tmp_path / "f") == note


@pytest.mark.parametrize("value", [np.bytes_(b"nonsense"), "of variable length", 3.0, np.arange(3)])
def test_damaged_provenance_is_an_error(tmp_path: Path, arrays: dict[str, Any], value: Any) -> None:
    path = write_plain(tmp_path / "f", arrays)
    with h5py.File(path, "a") as file:
        file.attrs["ampl_source"] = value
    with pytest.raises(InvalidFileError):
        read_provenance(path)


def test_d4rl_facts_1_double_precision_columns_and_float_flags_are_cast(tmp_path: Path, arrays: dict[str, Any]) -> None:
    """Replay files are float64; flags of old ones are 0.0 and 1.0; some have the shape [N, 1]."""
    double = {key: value.astype(np.float64) if value.dtype == np.float32 else value
              for key, value in arrays.items() if not key.startswith("metadata")}  # fmt: skip
    double["rewards"] = double["rewards"][:, None]
    double["terminals"] = arrays["terminals"].astype(np.float64)[:, None]
    double["timeouts"] = arrays["timeouts"].astype(np.float32)
    read = read_d4rl(write_plain(tmp_path / "f", double), HOPPER)
    assert_same(replace(read, infos={}), replace(hopper_data(), metadata={}, infos={}))


def test_metadata_are_kept_apart_and_decoded(tmp_path: Path, arrays: dict[str, Any]) -> None:
    read = read_d4rl(write_plain(tmp_path / "f", arrays))
    assert read.metadata["algorithm"] == b"SAC"
    assert read.metadata["iteration"] == 3
    assert read.metadata["policy/fc0/weight"].shape == (4, 4)
    assert sorted(read.infos) == ["qpos", "qvel"]


def test_infos_are_read_only_when_asked_for(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = write_plain(tmp_path / "f", arrays)
    read = read_d4rl(path)
    path.unlink()
    with pytest.raises(InvalidFileError, match="does not exist"):
        read.infos["qpos"]


def test_d4rl_facts_2_missing_timeouts_are_counted_from_the_time_limit(tmp_path: Path) -> None:
    data = without(hopper_data(20), "timeouts", "next_observations")
    read = read_d4rl(write_plain(tmp_path / "f", arrays_of(data)), replace(HOPPER, episode_limit=5))
    assert not read.timeouts_stored
    assert np.flatnonzero(read.terminals).tolist() == [6]
    assert np.flatnonzero(read.timeouts).tolist() == [4, 11, 16]


def test_missing_timeouts_need_a_task(tmp_path: Path, arrays: dict[str, Any]) -> None:
    del arrays["timeouts"]
    with pytest.raises(InvalidFileError, match="name the task"):
        read_d4rl(write_plain(tmp_path / "f", arrays))


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


def test_an_array_larger_than_its_stored_bytes_is_refused_before_memory_is_taken(
    tmp_path: Path, arrays: dict[str, Any]
) -> None:
    path = write_plain(tmp_path / "f", arrays)
    with h5py.File(path, "a") as file:
        del file["observations"]
        file.create_dataset("observations", shape=(1 << 40, 11), dtype="f4", chunks=(1 << 20, 11), compression="gzip")
    with pytest.raises(InvalidFileError, match="the file is damaged"):
        read_d4rl(path)


def test_a_foreign_file_is_never_replaced(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = write_plain(tmp_path / "f", arrays)
    before = path.read_bytes()
    with pytest.raises(ForeignFileError, match="it stays"):
        write_d4rl(path, hopper_data(), made_by(HOPPER))
    assert path.read_bytes() == before


def test_numbers_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    data = hopper_data()
    data.rewards[3] = np.nan
    with pytest.raises(InvalidArgumentError, match="rewards is not finite"):
        write_d4rl(tmp_path / "f", data, made_by(HOPPER))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
    try:
        with pytest.raises(AmplError, match="cannot write"):
            write_d4rl(tmp_path / "f", hopper_data(), made_by(HOPPER))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_d4rl(tmp_path / "f", hopper_data(), made_by(HOPPER))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"rewards": np.zeros(59, np.float32)},
        {"rewards": np.zeros(60)},
        {"terminals": np.zeros(60, np.uint8)},
        {"actions": np.zeros(60, np.float32)},
        {"next_observations": np.zeros((60, 3), np.float32)},
    ],
)
def test_data_in_memory_must_fit_together(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidShapeError, match=next(iter(change))):
        replace(hopper_data(), **change)
