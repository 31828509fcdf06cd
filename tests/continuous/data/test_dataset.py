"""The dataset of a task: what is loaded, from where, and what of it goes to a device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ampl.errors import InvalidArgumentError, InvalidFileError
from continuous.algorithms.build import describe
from continuous.data.cache import dataset_folders, dataset_path, find_dataset
from continuous.data.d4rl_file import write_d4rl
from continuous.data.dataset import load_dataset
from continuous.data.download_record import DownloadRecord, dataset_sha256, write_record
from continuous.data.durations import about
from continuous.data.episodes import episode_returns
from continuous.data.transitions import transition_table
from continuous.tasks.find import find_task
from tests.continuous.data.d4rl_samples import HOPPER, UMAZE, hopper_data, made_by, maze_data


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of a test."""
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def test_a_file_in_the_cache_folder_is_loaded() -> None:
    data = hopper_data()
    write_d4rl(dataset_path(HOPPER), data, made_by(HOPPER))
    found = load_dataset(HOPPER)
    for name in ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts"):
        np.testing.assert_array_equal(getattr(found, name), getattr(data, name))
    assert found.sha256 == dataset_sha256(dataset_path(HOPPER))
    assert found.provenance == made_by(HOPPER)


def test_the_returns_of_complete_episodes_are_described_but_not_those_of_maze_segments() -> None:
    data = hopper_data()
    write_d4rl(dataset_path(HOPPER), data, made_by(HOPPER))
    write_d4rl(dataset_path(UMAZE), maze_data(), made_by(UMAZE))
    returns, described = episode_returns(data), describe(load_dataset(HOPPER), HOPPER, 60)
    assert len(returns) > 1
    assert described["transitions"] == 60
    assert described["episode_return_mean"] == returns.mean()
    assert described["episode_return_max"] == returns.max()
    assert not {"episode_return_mean", "episode_return_max"} & set(describe(load_dataset(UMAZE), UMAZE, 60))


def test_a_device_that_is_not_there_is_an_error() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InvalidArgumentError, match="device 'cuda' cannot be used"):
        transition_table(hopper_data(), HOPPER, device="cuda")


def test_a_missing_dataset_says_where_it_belongs_and_how_to_get_it(folder: Path) -> None:
    with pytest.raises(InvalidFileError) as caught:
        load_dataset(UMAZE)
    message = str(caught.value)
    assert str(folder / "maze2d-umaze-sparse-v1.hdf5") in message
    assert "`ampl data download maze2d-umaze-v1` fetches the original. The file belongs at" in message
    assert "`ampl data make maze2d-umaze-v1` re-creates it" in message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("maze2d-umaze-v1", "`ampl data make maze2d-umaze-v1` re-creates it, in about 7 seconds."),
        ("pen-expert-v1", "`ampl data make pen-expert-v1 --policy FILE` re-creates it, in about a minute."),
        ("hiv-treatment", "`ampl data make hiv-treatment` re-creates it, in about 30 minutes."),
        (
            "hopper-expert-v2",
            "after `ampl data train-behavior hopper --until expert` (up to about 2 hours), in about a minute.",
        ),
        (
            "hopper-medium-replay-v2",
            "after `ampl data train-behavior hopper --until medium` (about 10 minutes), in about 7 seconds.",
        ),
        (
            "ant-angle-30",
            "re-creates it after `ampl data train-behavior ant-angle` (about 2 hours), in about 17 seconds.",
        ),
    ],
)
def test_a_missing_dataset_names_the_exact_commands_and_about_how_long_they_take(name: str, words: str) -> None:
    with pytest.raises(InvalidFileError) as caught:
        load_dataset(find_task(name))
    assert str(caught.value).endswith(words)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "about a second"),
        (6.7, "about 7 seconds"),
        (28.0, "about 30 seconds"),
        (58.0, "about a minute"),
        (1540.0, "about 30 minutes"),
        (3500.0, "about an hour"),
        (7300.0, "about 2 hours"),
        (86_400.0, "about 20 hours"),
    ],
)
def test_durations_are_said_as_roughly_as_they_are_known(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_a_missing_dataset_without_a_recipe_says_so() -> None:
    with pytest.raises(InvalidFileError, match="there is no recipe"):
        load_dataset(find_task("pen-cloned-v1"))


def test_a_download_that_changed_is_refused() -> None:
    path = dataset_path(HOPPER)
    write_d4rl(path, hopper_data(), made_by(HOPPER))
    write_record(path, DownloadRecord(url=HOPPER.url, size=path.stat().st_size, sha256="0" * 64))
    with pytest.raises(InvalidFileError, match="has changed since it was downloaded"):
        load_dataset(HOPPER)


def test_data_of_another_maze_or_robot_are_refused_even_where_shapes_agree() -> None:
    write_d4rl(dataset_path(UMAZE), maze_data(task=find_task("maze2d-large-v1")), made_by(UMAZE))
    with pytest.raises(InvalidFileError, match="another maze's file"):
        load_dataset(UMAZE)


def test_d4rls_folder_comes_first_then_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("D4RL_DATASET_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert dataset_folders() == (tmp_path / "home/.d4rl/datasets", Path("datasets"))
    assert dataset_path(UMAZE) == tmp_path / "home/.d4rl/datasets/maze2d-umaze-sparse-v1.hdf5"
    assert find_dataset(UMAZE) is None
    write_d4rl(Path("datasets") / UMAZE.file_name, maze_data(), made_by(UMAZE))
    assert find_dataset(UMAZE) == Path("datasets") / UMAZE.file_name
    write_d4rl(dataset_path(UMAZE), maze_data(), made_by(UMAZE))
    assert find_dataset(UMAZE) == dataset_path(UMAZE)


def test_without_a_usable_home_files_go_below_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("D4RL_DATASET_DIR")
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert dataset_path(UMAZE) == Path("datasets") / UMAZE.file_name
    assert find_dataset(UMAZE) is None
