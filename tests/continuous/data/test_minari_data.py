"""Local Minari datasets: the same arrays as D4RL data, true last observations, goals, and refusals."""

from __future__ import annotations

import builtins
import json
import os
import shutil
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete

from ampl.errors import InvalidFileError, MissingPackageError
from continuous.data.episodes import episode_returns
from continuous.data.hdf5_arrays import unpacked_size
from continuous.data.minari_data import read_minari

minari = pytest.importorskip("minari", reason="the optional package minari is not installed")
LENGTHS = (4, 1, 6)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari")  # about authors and descriptions


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for Minari's datasets."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


def box(size: int, dtype: Any = np.float64) -> Box:
    return Box(-10.0, 10.0, (size,), dtype)


def create(
    name: str,
    observations: gymnasium.Space[Any],
    observe: Any,
    actions: gymnasium.Space[Any] | None = None,
    lengths: tuple[int, ...] = LENGTHS,
) -> None:
    """A dataset whose first episode terminates, whose second is truncated, and whose last just stops."""
    rng = np.random.default_rng(0)
    actions = actions or Box(-1.0, 1.0, (2,), np.float32)
    buffers = []
    for index, length in enumerate(lengths):
        last = np.arange(length) == length - 1
        buffers.append(
            minari.data_collector.EpisodeBuffer(
                id=index,
                observations=observe(rng, length + 1),
                actions=np.array([actions.sample() for _ in range(length)]),
                rewards=np.ones(length) * (index + 1),
                terminations=last & (index == 0),
                truncations=last & (index == 1),
            )
        )
    minari.create_dataset_from_buffers(name, buffers, observation_space=observations, action_space=actions)


def vectors(rng: np.random.Generator, rows: int) -> np.ndarray[Any, Any]:
    return rng.uniform(-1, 1, (rows, 3))


def goals(rng: np.random.Generator, rows: int) -> dict[str, np.ndarray[Any, Any]]:
    return {
        "observation": rng.uniform(-1, 1, (rows, 4)),
        "achieved_goal": rng.uniform(-1, 1, (rows, 2)),
        "desired_goal": np.full((rows, 2), 7.0),
    }


GOALS = Dict({"observation": box(4), "achieved_goal": box(2), "desired_goal": box(2)})


def test_d4rl_facts_8_every_step_is_a_transition_with_its_true_next_observation() -> None:
    create("test/vectors-v0", box(3), vectors)
    data = read_minari("test/vectors-v0")
    assert data.n_rows == sum(LENGTHS)
    assert np.flatnonzero(data.terminals).tolist() == [3]
    assert np.flatnonzero(data.timeouts).tolist() == [4, 10]  # truncated, and the one that just stops
    assert episode_returns(data).tolist() == [4.0, 2.0, 18.0]
    rng = np.random.default_rng(0)
    for start, stop in ((0, 4), (4, 5), (5, 11)):
        states = vectors(rng, stop - start + 1).astype(np.float32)
        np.testing.assert_array_equal(data.observations[start:stop], states[:-1])
        assert data.next_observations is not None
        np.testing.assert_array_equal(data.next_observations[start:stop], states[1:])


def test_a_dataset_is_found_by_its_folder(root: Path) -> None:
    create("test/vectors-v0", box(3), vectors)
    assert read_minari(root / "test" / "vectors-v0").n_rows == sum(LENGTHS)


def test_the_parts_of_goal_observations_are_joined_by_name() -> None:
    create("test/goals-v0", GOALS, goals)
    found = read_minari("test/goals-v0").observations
    assert found.shape == (11, 8)  # achieved goal, desired goal, observation
    assert (found[:, 2:4] == 7.0).all()


def test_the_goal_observations_of_point_maze_itself() -> None:
    import gymnasium_robotics  # noqa: F401  (registers the mazes)

    with gymnasium.make("PointMaze_UMaze-v3") as environment:
        seen = [environment.reset(seed=0)[0]] + [environment.step(np.ones(2, np.float32))[0] for _ in range(5)]
        columns = {key: np.array([state[key] for state in seen]) for key in seen[0]}
        spaces = environment.observation_space, environment.action_space
    create("test/maze-v0", spaces[0], lambda rng, rows: columns, spaces[1], lengths=(5,))
    data = read_minari("test/maze-v0")
    joined = [gymnasium.spaces.flatten(spaces[0], state) for state in seen[:5]]
    np.testing.assert_array_equal(data.observations, np.array(joined, dtype=np.float32))


@pytest.mark.parametrize(
    ("observations", "observe", "actions", "words"),
    [
        (box(3), vectors, Discrete(3), "actions in Discrete"),
        (Box(0, 255, (3,), np.uint8), lambda rng, rows: np.zeros((rows, 3), np.uint8), None, "vectors of floats"),
        (Box(-1, 1, (3, 3)), lambda rng, rows: np.zeros((rows, 3, 3), np.float32), None, "vectors of floats"),
        (box(3), lambda rng, rows: np.full((rows, 3), np.nan), None, "not finite"),
    ],
)
def test_what_is_not_vectors_of_finite_floats_is_refused(
    observations: Any, observe: Any, actions: Any, words: str
) -> None:
    create("test/odd-v0", observations, observe, actions)
    with pytest.raises(InvalidFileError, match=words):
        read_minari("test/odd-v0")


def test_a_dataset_that_is_not_there_names_the_command() -> None:
    with pytest.raises(
        InvalidFileError, match=r"D4RL/pen/human-v2 is not on this machine.*has no dataset. `minari download ID`"
    ):
        read_minari("D4RL/pen/human-v2")


@pytest.mark.parametrize("name", ["no-version", "/", ""])
def test_a_malformed_id_is_an_error(name: str) -> None:
    with pytest.raises(InvalidFileError):
        read_minari(name)


def test_a_folder_without_a_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match="holds no Minari dataset"):
        read_minari(tmp_path)


@pytest.mark.parametrize("damage", ["truncate", "version", "json"])
def test_a_damaged_dataset_is_an_error(root: Path, damage: str) -> None:
    create("test/vectors-v0", box(3), vectors)
    folder = root / "test" / "vectors-v0" / "data"
    if damage == "truncate":
        content = (folder / "main_data.hdf5").read_bytes()
        (folder / "main_data.hdf5").write_bytes(content[: len(content) // 2])
    if damage == "version":
        metadata = json.loads((folder / "metadata.json").read_text())
        (folder / "metadata.json").write_text(json.dumps(metadata | {"minari_version": "0.1.0"}))
    if damage == "json":
        (folder / "metadata.json").write_text("{")
    with pytest.raises(InvalidFileError, match="cannot be read"):
        read_minari("test/vectors-v0")


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def lacking(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "minari":
            raise ImportError(name)
        return whole(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(MissingPackageError, match="pip install minari"):
        read_minari("D4RL/pen/human-v2")


def main_file(root: Path) -> Path:
    return root / "test" / "vectors-v0" / "data" / "main_data.hdf5"


def replace_array(root: Path, key: str, value: Any = None, **options: Any) -> None:
    """Puts another array, or none at all, in the place of one of the second episode."""
    with h5py.File(main_file(root), "a") as file:
        del file[f"episode_1/{key}"]
        if value is not None or options:
            file.create_dataset(f"episode_1/{key}", data=value, **options)


def test_the_links_of_a_minari_file_are_not_followed_out_of_it(root: Path, tmp_path: Path) -> None:
    create("test/vectors-v0", box(3), vectors)
    shutil.copy(main_file(root), tmp_path / "other.hdf5")
    replace_array(root, "rewards")
    with h5py.File(main_file(root), "a") as file:
        file["episode_1/rewards"] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "/episode_1/rewards")
    with pytest.raises(InvalidFileError, match="'rewards' is a link to somewhere else"):
        read_minari("test/vectors-v0")
    with h5py.File(main_file(root), "a") as file:
        del file["episode_1"]
        file["episode_1"] = h5py.ExternalLink(str(tmp_path / "other.hdf5"), "/episode_1")
    with pytest.raises(InvalidFileError, match="no group 'episode_1' of its own"):
        read_minari("test/vectors-v0")


def test_what_a_minari_file_unpacks_to_is_limited_over_all_episodes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create("test/vectors-v0", box(3), vectors)
    n_bytes = 0
    with h5py.File(main_file(root)) as file:
        for key in ("observations", "actions", "rewards", "terminations", "truncations"):
            n_bytes += sum(unpacked_size(file[f"episode_{index}/{key}"]) for index in range(len(LENGTHS)))
    monkeypatch.setenv("AMPL_UNPACK_LIMIT_GB", str((n_bytes + 1) / 1e9))
    assert read_minari("test/vectors-v0").n_rows == sum(LENGTHS)
    monkeypatch.setenv("AMPL_UNPACK_LIMIT_GB", str((n_bytes - 1) / 1e9))
    with pytest.raises(InvalidFileError, match="AMPL_UNPACK_LIMIT_GB"):
        read_minari("test/vectors-v0")


def test_flags_of_an_episode_that_were_never_written_are_not_set(root: Path) -> None:
    create("test/vectors-v0", box(3), vectors)
    replace_array(root, "truncations", shape=(1,), dtype=bool)
    assert np.flatnonzero(read_minari("test/vectors-v0").timeouts).tolist() == [4, 10]  # cut, since it just stops
    replace_array(root, "rewards", np.zeros(1), chunks=(1,), maxshape=(None,))
    assert read_minari("test/vectors-v0").rewards[4] == 0.0


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("rewards", None, "lacks the array 'rewards'; it has actions, observations"),
        ("rewards", np.float32(1), "expected numbers"),
        ("rewards", np.array([1j]), "expected numbers"),
        ("actions", np.zeros((1, 5), np.float32), r"actions are \[1, 5\]; expected \[1, 2\]"),
        ("terminations", np.zeros(1), "expected bool"),
        ("observations", np.zeros((1, 3)), r"observations are \[1, 3\]; expected \[2, 3\]"),
    ],
)
def test_an_episode_with_another_array_is_named(root: Path, key: str, value: Any, words: str) -> None:
    create("test/vectors-v0", box(3), vectors)
    replace_array(root, key, value)
    with pytest.raises(InvalidFileError, match=rf"main_data\.hdf5, episode 1.*{words}"):
        read_minari("test/vectors-v0")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observation_space": None}, "no valid 'observation_space'"),  # Minari would import what env_spec names
        ({"action_space": None}, "no valid 'action_space'"),
        ({"data_format": "arrow"}, "stored as 'arrow'; expected hdf5"),
        ({"total_episodes": 10**12}, "has 3 episodes, not the 1000000000000 announced"),
        ({"total_episodes": "3"}, "no valid 'total_episodes'"),
    ],
)
def test_metadata_are_checked_before_minari_acts_on_them(root: Path, change: dict[str, Any], words: str) -> None:
    create("test/vectors-v0", box(3), vectors)
    place = root / "test" / "vectors-v0" / "data" / "metadata.json"
    metadata = {key: value for key, value in (json.loads(place.read_text()) | change).items() if value is not None}
    place.write_text(json.dumps(metadata))
    with pytest.raises(InvalidFileError, match=words):
        read_minari("test/vectors-v0")


def test_a_pipe_in_the_place_of_the_arrays_is_not_opened(root: Path) -> None:
    create("test/vectors-v0", box(3), vectors)
    main_file(root).unlink()
    os.mkfifo(main_file(root))
    with pytest.raises(InvalidFileError, match="not a regular file"):
        read_minari("test/vectors-v0")
