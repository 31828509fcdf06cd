"""`ampl data`: every action but `make`, its output, and its mistakes in one line with exit code 2."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from continuous.data.cache import dataset_path
from continuous.data.d4rl_file import write_d4rl
from continuous.data.download_record import DownloadRecord, dataset_sha256, write_record
from continuous.tasks.registry import TASKS
from tests.continuous.data.d4rl_samples import (
    HOPPER,
    PEN,
    UMAZE,
    arrays_of,
    hopper_data,
    made_by,
    maze_data,
    without,
    write_plain,
)
from tests.continuous.data.file_server import Behavior, serve
from tests.continuous.data.own_samples import pendulum_file

pytestmark = pytest.mark.usefixtures("folder")


def test_list_shows_every_task_its_file_and_its_recipe(run: Any, folder: Path) -> None:
    write_d4rl(dataset_path(UMAZE), maze_data(), made_by(UMAZE))
    write_plain(dataset_path(PEN), {"anything": np.zeros(3)})
    write_plain(dataset_path(HOPPER), arrays_of(hopper_data()))
    write_record(dataset_path(HOPPER), DownloadRecord(url=HOPPER.url, size=1, sha256="0" * 64))
    lines = {line.split()[0]: line.split()[1:] for line in run("list").splitlines()}
    assert set(lines) == set(TASKS) | {"task", "files:"}
    assert lines["maze2d-umaze-v1"] == ["4", "2", "300", "re-created", "yes"]
    assert lines["pen-expert-v1"] == ["45", "24", "100", "not", "recorded", "--policy"]
    assert lines["hopper-medium-v2"] == ["11", "3", "1000", "original", "yes"]
    assert lines["door-human-v1"] == ["39", "28", "200", "-", "-"]
    assert lines["files:"] == [str(folder)]


def test_info_without_a_file_says_where_it_belongs(run: Any) -> None:
    out = run("info", "maze2d-umaze-v1")
    assert "Wanders. 90 rows by default." in out
    assert f"none; it belongs at {dataset_path(UMAZE)}" in out


def test_info_prints_counts_returns_as_scores_flags_source_and_checksum(run: Any) -> None:
    write_d4rl(dataset_path(HOPPER), hopper_data(), made_by(HOPPER))
    card = {line[:16].split("  ")[0]: line for line in run("info", "hopper-medium-v2").splitlines()}
    assert "60, of them 56 in 8 complete episodes" in card["rows"]
    assert "4 terminals, 4 time-outs" in card["flags"]
    assert "55 as in D4RL's qlearning_dataset, 60 for models" in card["transitions"]
    assert "RE-CREATED" in card["source"]
    assert "MuJoCo 4.0.0, seed 0, noise 0.5" in card["source"]
    assert dataset_sha256(dataset_path(HOPPER)) in card["sha256"]
    returns = [float(hopper_data().rewards[start : start + 7].sum()) for start in range(0, 56, 7)]
    assert f"mean {np.mean(returns):.2f}, spread {np.std(returns):.2f}" in card["return"]
    scores = [100 * (value + 20.272305) / (3234.3 + 20.272305) for value in returns]
    assert f"mean {np.mean(scores):.1f}, spread {np.std(scores):.1f}" in card["score (0-100)"]


def test_info_of_a_maze_has_no_score_since_segments_are_no_episodes(run: Any) -> None:
    write_d4rl(dataset_path(UMAZE), maze_data(), made_by(UMAZE))
    out = run("info", "maze2d-umaze-v1")
    assert "segments end where the controller reached a target" in out
    assert "score (0-100)" not in out
    assert "6 rows (first 8) repeat the observation before them" in out


def test_info_of_a_download_names_its_address(run: Any, tmp_path: Path) -> None:
    path = write_plain(tmp_path / "f", arrays_of(hopper_data()))
    write_record(path, DownloadRecord(url="http://host/f", size=1, sha256=dataset_sha256(path)))
    assert "original, from http://host/f" in run("info", "hopper-medium-v2", "--file", str(path))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected one of"),
        (["lost"], "lost"),
        (["make"], "TASK"),
        (["make", "maze2d-umaze-v2"], "Did you mean 'maze2d-umaze-v1'"),
        (["make", "door-human-v1"], "unknown recipe"),
        (["make", "maze2d-umaze-v1", "--steps", "0"], "--steps is 0"),
        (["make", "maze2d-umaze-v1", "--steps", "ten"], "--steps"),
        (["make", "maze2d-umaze-v1", "--seed", "-1"], "--seed is -1"),
        (["make", "maze2d-umaze-v1", "--noise", "nan"], "--noise is nan"),
        (["make", "maze2d-umaze-v1", "--noise", "inf"], "--noise is inf"),
        (["make", "maze2d-umaze-v1", "--steps", "99999999999999"], "not enough memory"),
        (["make", "maze2d-umaze-v1", "--noise", "0.1"], "--noise means nothing for maze2d-umaze-v1"),
        (["make", "maze2d-umaze-v1", "--policy", "f"], "--policy means nothing"),
        (["make", "pen-expert-v1"], "pen-expert-v1 needs --policy FILE"),
        (["make", "maze2d-umaze-v1", "--out", "."], "is a folder"),
        (["make", "maze2d-umaze-v1", "--out", "/dev/null/f"], "cannot write"),
        (["info", "hopper"], "unknown task 'hopper'"),
        (["info", "hopper-medium-v2", "--file", "none"], "none does not exist"),
        (["check"], "file"),
        (["check", "none"], "none does not exist"),
        (["download", "maze2d-umaze-v1", "--attempts", "0"], "--attempts is 0"),
        (["download", "maze2d-umaze-v1", "--url", "x"], "is not an address"),
        (["train-behavior", "hoper"], "Did you mean 'hopper'"),
        (["train-behavior", "hopper", "--until", "best"], "--until"),
    ],
)
def test_a_mistake_is_one_line(mistake: Any, arguments: list[str], words: str) -> None:
    assert words.lower() in mistake(*arguments).lower()


def test_download_prints_place_size_and_checksum(run: Any, tmp_path: Path) -> None:
    content = write_plain(tmp_path / "f", arrays_of(hopper_data())).read_bytes()
    with serve(Behavior(content)) as url:
        out = run("download", "hopper-medium-v2", "--url", url)
    assert out == f"{dataset_path(HOPPER)}: {len(content)} bytes, sha256 {dataset_sha256(dataset_path(HOPPER))}\n"


def test_download_without_a_network_is_one_line(mistake: Any, folder: Path) -> None:
    message = mistake("download", "maze2d-umaze-v1", "--url", "http://127.0.0.1:1/f")
    assert str(folder / UMAZE.file_name) in message
    assert "`ampl data make maze2d-umaze-v1` re-creates it" in message


def test_check_finds_nothing_wrong_with_a_good_file(run: Any, tmp_path: Path) -> None:
    write_d4rl(tmp_path / "f", hopper_data(), made_by(HOPPER))
    assert run("check", str(tmp_path / "f")) == f"{tmp_path / 'f'}: 60 rows of hopper-medium-v2, nothing wrong.\n"


def test_check_knows_the_task_by_name_of_the_file_or_not_at_all(run: Any, tmp_path: Path) -> None:
    assert "rows of hopper-medium-v2" in run(
        "check", str(write_plain(tmp_path / HOPPER.file_name, arrays_of(hopper_data())))
    )
    assert "of a dataset of unknown task, nothing wrong" in run(
        "check", str(write_plain(tmp_path / "f", arrays_of(hopper_data())))
    )


def test_check_notes_what_is_odd(run: Any, tmp_path: Path) -> None:
    data = without(hopper_data(), "timeouts", "next_observations")
    out = run("check", str(write_plain(tmp_path / "f", arrays_of(data))), "--task", "hopper-medium-v2")
    assert out.endswith("usable; look at the 2 notes above.\n")
    assert "note: time-outs are missing" in out
    assert "note: next_observations are missing" in out


def broken(**changes: Any) -> dict[str, Any]:
    return arrays_of(hopper_data()) | changes


@pytest.mark.parametrize(
    ("arrays", "task", "words"),
    [
        (broken(actions=np.full((60, 3), 1.5, np.float32)), HOPPER.name, "an action entry is 1.5"),
        (broken(observations=np.zeros((60, 11), np.float32)), HOPPER.name, "60 rows (first 0) start in states where"),
        (broken(terminals=np.zeros(60, np.bool_)), HOPPER.name, "4 rows (first 6) have a terminal flag that does not"),
        (broken(**{"infos/qpos": np.full((60, 6), np.nan)}), HOPPER.name, "'infos/qpos' is not finite"),
        (arrays_of(maze_data(task=TASKS["maze2d-large-v1"])), UMAZE.name, "lie inside the walls of umaze"),
        (arrays_of(maze_data()), "maze2d-umaze-dense-v1", "another reward than the dense one"),
        (arrays_of(maze_data()) | {"rewards": np.full(60, 0.5)}, UMAZE.name, "another reward than the sparse one"),
        (arrays_of(maze_data()), HOPPER.name, "columns"),
    ],
)
def test_check_says_what_is_wrong(mistake: Any, tmp_path: Path, arrays: dict[str, Any], task: str, words: str) -> None:
    path = write_plain(tmp_path / "f.hdf5", arrays)
    message = mistake("check", str(path), "--task", task)
    assert words in message
    assert "f.hdf5" in message


def test_check_tells_walker2d_from_halfcheetah_though_their_shapes_agree(mistake: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    walking = rng.uniform(-0.5, 0.5, (40, 17)) + np.eye(17)[0] * 1.3
    lying = rng.uniform(-0.5, 0.5, (40, 17))
    flags = {"terminals": np.zeros(40, np.bool_), "timeouts": np.zeros(40, np.bool_)}
    for states, task in ((walking, "halfcheetah-medium-v2"), (lying, "walker2d-medium-v2")):
        arrays = {"observations": states, "actions": np.zeros((40, 6)), "rewards": np.zeros(40), **flags}
        path = write_plain(tmp_path / "f", arrays)
        assert "another robot's file" in mistake("check", str(path), "--task", task)


def test_check_refuses_a_file_made_by_another_recipe(mistake: Any, tmp_path: Path) -> None:
    write_d4rl(tmp_path / "f", hopper_data(), made_by(HOPPER))
    message = mistake("check", str(tmp_path / "f"), "--task", "hopper-expert-v2")
    assert "made by the recipe of hopper-medium-v2, not of hopper-expert-v2" in message


def test_check_accepts_either_reward_convention_of_the_maze(run: Any, tmp_path: Path) -> None:
    """D4RL's files pay for the position before the step (issue 194), the environment for the one after it."""
    data = maze_data(task=TASKS["maze2d-umaze-dense-v1"])
    data.rewards[:-1] = data.rewards[1:].copy()
    path = write_plain(tmp_path / "f", arrays_of(data))
    assert "usable; look at the 1 note above" in run("check", str(path), "--task", "maze2d-umaze-dense-v1")


def test_train_behavior_passes_its_options_on_and_says_where_the_results_are(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from continuous.recreate.locomotion import behavior

    calls: list[Any] = []

    def train(*arguments: Any, until: Any) -> Any:
        calls.append((*arguments, until.value))
        return [SimpleNamespace(steps=5000, return_mean=12.34, episodes=20)]

    monkeypatch.setattr(behavior, "train_behavior", train)
    out = run("train-behavior", "hopper", "--steps", "4000", "--until", "medium", "--seed", "3", "--out", str(tmp_path))
    assert out == f"{tmp_path}: 5000 steps, mean return 12.3 over 20 episodes\n"
    assert calls == [("hopper", 4000, 3, tmp_path, "medium")]


def test_info_and_check_read_data_of_ones_own_without_a_task(run: Any, mistake: Any, tmp_path: Path) -> None:
    path = pendulum_file(tmp_path / "mine.hdf5")
    card = run("info", str(path))
    assert "observation 3, action 1" in card
    assert "450, of them 400 in 2 complete episodes" in card
    assert "450 for models" in card
    said = run("check", str(path))
    assert "450 rows of a dataset of unknown task, nothing wrong." in said
    assert "Compare it with what it comes from: --env ENV_ID" in said
    assert "note" not in said
    path.write_bytes(b"")
    assert "is empty" in mistake("info", path)


def test_check_compares_data_of_ones_own_with_their_environment(run: Any, mistake: Any, tmp_path: Path) -> None:
    path = str(pendulum_file(tmp_path / "mine.hdf5"))
    said = run("check", path, "--env", "Pendulum-v1")
    assert "450 rows of data from Pendulum-v1, nothing wrong." in said
    assert "note" not in said
    assert "'observations' has 3 columns; MountainCarContinuous-v0 has 2" in mistake(
        "check", path, "--env", "MountainCarContinuous-v0"
    )
    assert "are both given" in mistake("check", path, "--env", "Pendulum-v1", "--task", "hopper-medium-v2")
    path = str(pendulum_file(tmp_path / "uncut.hdf5", timeouts=None))
    assert "nothing wrong" in run("check", path, "--env", "Pendulum-v1")
    path = str(pendulum_file(tmp_path / "far.hdf5", actions=np.full((450, 1), 2.5)))
    assert "450 of 450 rows have actions outside of the bounds, first row 0" in mistake(
        "check", path, "--env", "Pendulum-v1"
    )


@pytest.mark.parametrize(("fallen", "rows"), [(None, 450), (99, 350), (449, 0)])
def test_info_and_check_read_data_of_ones_own_without_timeouts(
    run: Any, tmp_path: Path, fallen: int | None, rows: int
) -> None:
    path = pendulum_file(tmp_path / "mine.hdf5", timeouts=None, terminals=np.arange(450) == fallen)
    words = f"time-outs are missing, and no time limit is known here: the {rows} rows after the last terminal count as"
    assert words in run("info", str(path))
    assert f"note: {words}" in run("check", str(path))


@pytest.mark.filterwarnings("ignore::UserWarning:minari")  # about authors and descriptions
def test_info_and_check_read_minari_datasets_by_their_id(
    run: Any, mistake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("minari", reason="the optional package minari is not installed")
    from tests.continuous.data.test_minari_data import box, create, vectors  # which needs the package

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    create("mine/vectors-v0", box(3), vectors)
    assert "minari_id mine/vectors-v0" in run("info", "minari:mine/vectors-v0")
    assert "11 rows of a dataset of unknown task" in run("check", "minari:mine/vectors-v0")
    assert "leave it out" in mistake("check", "minari:mine/vectors-v0", "--task", "hopper-medium-v2")
    there = f"{tmp_path} has mine/vectors-v0."
    assert f"mine/absent-v0 is not on this machine. {there}" in mistake("check", "minari:mine/absent-v0")
    assert f"has no id after it; expected minari:ID. {there}" in mistake("check", "minari:")
