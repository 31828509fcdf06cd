"""Reading and writing D4RL files: casts, squeezes, fallbacks, provenance, and what is never written or replaced."""

import os
import resource
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ampl.errors import AmplError, ForeignFileError, InvalidArgumentError, InvalidFileError, InvalidShapeError
from ampl.files import SIGNATURE
from continuous.data.d4rl_file import Provenance, Source, read_d4rl, read_provenance, write_d4rl
from continuous.data.episodes import find_episodes
from tests.continuous.data.d4rl_samples import (
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


def test_without_timeouts_and_limit_what_follows_the_last_terminal_is_one_incomplete_episode(
    tmp_path: Path, arrays: dict[str, Any]
) -> None:
    del arrays["timeouts"]
    read = read_d4rl(write_plain(tmp_path / "f", arrays))
    assert not read.timeouts_stored
    assert not read.timeouts.any()
    episodes = find_episodes(read)
    assert (episodes.start[-1], episodes.stop[-1], episodes.complete[-1]) == (49, 60, False)


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
