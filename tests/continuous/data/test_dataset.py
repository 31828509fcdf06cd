"""The dataset on a device: what is loaded, from where, and how batches are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ampl.errors import InvalidArgumentError, InvalidFileError, InvalidShapeError
from continuous.algorithms.build import describe
from continuous.data.cache import dataset_folders, dataset_path, find_dataset
from continuous.data.d4rl_file import write_d4rl
from continuous.data.dataset import DeviceDataset, load_dataset, to_device
from continuous.data.download_record import DownloadRecord, file_sha256, write_record
from continuous.data.durations import about
from continuous.data.episodes import episode_returns
from continuous.data.transitions import TransitionMode, exact_transitions, model_transitions
from continuous.replay.batch import Batch
from continuous.tasks.registry import find_task
from tests.continuous.data.d4rl_samples import HOPPER, UMAZE, hopper_data, made_by, maze_data


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of a test."""
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def small() -> DeviceDataset:
    data = hopper_data()
    return to_device(model_transitions(data), data.observations[:1], device="cpu")


def test_it_is_a_dataset_of_the_shared_interfaces() -> None:
    dataset = small()
    assert dataset.n_transitions == len(dataset.state) == 60
    assert dataset.sample(5, torch.Generator()).next_state.shape == (5, 11)
    assert dataset.start_state.shape == (1, 11)


@pytest.mark.parametrize("mode", list(TransitionMode))
def test_a_file_in_the_cache_folder_is_loaded(mode: TransitionMode) -> None:
    data = hopper_data()
    write_d4rl(dataset_path(HOPPER), data, made_by(HOPPER))
    dataset = load_dataset(HOPPER, mode=mode)
    exact = mode is TransitionMode.EXACT
    expected = exact_transitions(data, HOPPER) if exact else model_transitions(data)
    for name, array in vars(expected).items():
        np.testing.assert_array_equal(getattr(dataset, name).numpy(), array)
        assert getattr(dataset, name).is_contiguous()
    assert dataset.state.dtype == torch.float32
    assert dataset.terminal.dtype == torch.bool
    assert dataset.start_state.shape == (9, 11)
    assert dataset.sha256 == file_sha256(dataset_path(HOPPER))
    assert dataset.provenance == made_by(HOPPER)


def test_the_returns_of_complete_episodes_are_described_but_not_those_of_maze_segments() -> None:
    data = hopper_data()
    write_d4rl(dataset_path(HOPPER), data, made_by(HOPPER))
    write_d4rl(dataset_path(UMAZE), maze_data(), made_by(UMAZE))
    returns, described = episode_returns(data), describe(load_dataset(HOPPER))
    assert len(returns) > 1
    assert described["episode_return_mean"] == returns.mean()
    assert described["episode_return_max"] == returns.max()
    assert not {"episode_return_mean", "episode_return_max"} & set(describe(load_dataset(UMAZE)))
    assert "episode_return_mean" not in describe(small())


def test_a_batch_is_drawn_from_the_rows_and_only_from_the_given_generator() -> None:
    dataset = small()
    torch.manual_seed(1)
    first = dataset.sample(200, torch.Generator().manual_seed(7))
    torch.manual_seed(2)
    again = dataset.sample(200, torch.Generator().manual_seed(7))
    rows = {tuple(row.tolist()): index for index, row in enumerate(dataset.state)}
    drawn = [rows[tuple(row.tolist())] for row in first.state]
    assert len(set(drawn)) > 40  # with replacement, over all 60 rows
    for name in ("state", "action", "reward", "next_state", "terminal"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert torch.equal(getattr(first, name), getattr(dataset, name)[drawn])


def test_an_empty_batch_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="batch_size"):
        small().sample(0, torch.Generator())


def test_columns_of_different_lengths_are_an_error() -> None:
    whole = vars(small())
    with pytest.raises(InvalidShapeError, match="expected equal lengths"):
        DeviceDataset(**whole | {"reward": whole["reward"][:-1]})


def test_a_device_that_is_not_there_is_an_error() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    data = hopper_data()
    with pytest.raises(InvalidArgumentError, match="device 'cuda' cannot be used"):
        to_device(model_transitions(data), data.observations, device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_of_a_gpu_stay_there_whichever_generator_draws() -> None:
    data = hopper_data()
    dataset = to_device(model_transitions(data), data.observations, device="cuda")
    for device in ("cpu", "cuda"):
        batch: Batch = dataset.sample(8, torch.Generator(device=device).manual_seed(0))
        assert batch.state.is_cuda


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
