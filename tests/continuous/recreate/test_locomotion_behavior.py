"""Behavior training is resumable bit for bit, keeps its buffer and its policies, and its files become datasets."""

import shutil
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampl.errors import ExistingRunError, ForeignFileError, InvalidArgumentError, InvalidFileError, UnknownNameError
from ampl.files import write_json
from ampl.interruption import Interruption, saving_first
from ampl.runs.checkpoints import Checkpoint, newest_whole_epoch, read_checkpoint, write_checkpoint
from continuous.algorithms.sac.learner import SoftActorCritic, SoftActorCriticConfig
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.data.recipes import MakeOptions, find_recipe
from continuous.recreate.locomotion import behavior, levels
from continuous.recreate.locomotion.behavior import BehaviorConfig, train_behavior
from continuous.recreate.locomotion.levels import Evaluation, Level, is_reached, nearest_to, read_curve, write_curve
from continuous.recreate.online_sac.learning import OnlineSacConfig
from continuous.recreate.online_sac.policy_file import layers_of, load_policy
from continuous.recreate.online_sac.replay_file import ReplayFile
from tests.continuous.recreate.small_online_sac import small_online_sac


def small() -> BehaviorConfig:
    return BehaviorConfig(evaluation_period=50, evaluation_episodes=2, confirmation_episodes=1, sac=small_online_sac())


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behavior, "BLOCK", 50)


def train(out: Path, steps: int, seed: int = 0, until: Level | None = None) -> Any:
    return train_behavior("hopper", steps, seed, out, until, small())


def easy_medium(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained policy is medium."""
    monkeypatch.setattr(behavior, "LEVEL_RETURNS", {"hopper": {Level.MEDIUM: 20.0, Level.EXPERT: 1e6}})
    monkeypatch.setattr(levels, "TOLERANCE", 1.0)


def bytes_of(out: Path) -> Mapping[str, Any]:
    """Everything a run leaves, without the minutes it took."""
    newest = newest_whole_epoch(out / "checkpoint")
    assert newest is not None
    state = read_checkpoint(out / "checkpoint", newest).state
    files = {path.name: path.read_bytes() for path in (out / "replay.bin",)}
    curve = [replace(point, minutes=0.0) for point in read_curve(out / "curve.csv")]
    policies = {path.name: layers_of(load_policy(path)[0]) for path in sorted(out.glob("*.safetensors"))}
    weights = {
        f"{name} {key}": value.numpy().tobytes() for name, each in policies.items() for key, value in each.items()
    }
    return files | weights | {name: array.tobytes() for name, array in state.items()} | {"curve": curve}


def test_training_interrupted_anywhere_equals_training_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path / "whole", 250)
    train(tmp_path / "parts", 100)
    update, calls = SoftActorCritic.update, iter(range(10**6))

    def interrupted(*arguments: Any) -> Any:
        if next(calls) == 70:
            raise KeyboardInterrupt
        return update(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(SoftActorCritic, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "parts", 250)
    train(tmp_path / "parts", 250)
    assert bytes_of(tmp_path / "whole") == bytes_of(tmp_path / "parts")


def test_a_signal_between_two_evaluations_gets_a_checkpoint_and_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behavior, "BLOCK", 25)  # so that a block ends between two evaluations
    train(tmp_path / "whole", 200)
    update, calls = SoftActorCritic.update, iter(range(10**6))

    def signalled(*arguments: Any) -> Any:
        if next(calls) == 30:  # in the third block: the first makes no updates
            signal.raise_signal(signal.SIGTERM)
        return update(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(SoftActorCritic, "update", signalled)
        with pytest.raises(Interruption), saving_first():
            train(tmp_path / "parts", 200)
    assert newest_whole_epoch(tmp_path / "parts" / "checkpoint") == 3
    train(tmp_path / "parts", 200)
    assert bytes_of(tmp_path / "whole") == bytes_of(tmp_path / "parts")


def test_another_seed_trains_another_policy(tmp_path: Path) -> None:
    train(tmp_path / "0", 100)
    train(tmp_path / "1", 100, seed=1)
    assert bytes_of(tmp_path / "0") != bytes_of(tmp_path / "1")


def test_the_buffer_holds_every_step_and_paths_are_cut_at_every_block(tmp_path: Path) -> None:
    """D4RL's replay files: the collector closes a path every 1000 buffer steps, flagged as a time-out."""
    train(tmp_path, 200)
    steps = ReplayFile(tmp_path / "replay.bin").read(200)
    assert {name: column.dtype.name for name, column in steps.items()} == {
        "observations": "float64",
        "actions": "float64",
        "rewards": "float64",
        "terminals": "bool",
        "next_observations": "float64",
        "infos/qpos": "float64",
        "infos/qvel": "float64",
        "infos/action_log_probs": "float64",
        "timeouts": "bool",
    }
    assert (steps["terminals"] | steps["timeouts"])[49::50].all()
    assert set(np.flatnonzero(steps["timeouts"]) % 50) == {49}
    inside = ~(steps["terminals"] | steps["timeouts"])[:-1]
    np.testing.assert_array_equal(steps["next_observations"][:-1][inside], steps["observations"][1:][inside])


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    train(tmp_path, 100)
    before = (tmp_path / "replay.bin").stat().st_mtime_ns
    assert [point.steps for point in train(tmp_path, 100)] == [50, 100]
    assert (tmp_path / "replay.bin").stat().st_mtime_ns == before


def test_steps_between_two_evaluations_are_rounded_up_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert train(tmp_path, 20)[-1].steps == 50
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "--steps 20 becomes 50: training ends at an evaluation, every 50."
    ]
    caplog.clear()
    train(tmp_path, 100)
    assert "becomes" not in caplog.text


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    train(tmp_path, 50)
    with pytest.raises(ExistingRunError, match="its seed differs"):
        train(tmp_path, 50, seed=1)
    with pytest.raises(ExistingRunError, match="its robot differs"):
        train_behavior("walker2d", 50, 0, tmp_path, config=small())


def test_a_folder_of_the_former_learner_is_refused_in_one_line_and_stays(tmp_path: Path) -> None:
    """Its configuration had one learning rate and one width; its checkpoints hold other arrays."""
    sac = {"hidden": 256, "learning_rate": 3e-4, "batch_size": 256, "discount": 0.99, "target_rate": 0.005}
    config = {"evaluation_period": 50, "evaluation_episodes": 2, "confirmation_episodes": 1, "sac": sac}
    manifest = {"format": "ampl-testbed behavior", "robot": "hopper", "seed": 0, "config": config}
    write_json(tmp_path / "manifest.json", manifest)
    state = {"parameters": np.zeros(7, np.float32), "updates": np.zeros((), np.float32)}
    write_checkpoint(tmp_path / "checkpoint", Checkpoint(epoch=2, state=state, fit_metrics={"minutes": 1.0}))
    before = contents(tmp_path)
    with pytest.raises(ExistingRunError, match=r"by the SAC of an earlier version.*into another --out") as caught:
        train(tmp_path, 200)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before


def contents(folder: Path) -> Mapping[Path, bytes]:
    """Every file but the lock."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_foreign_file_in_the_place_of_the_buffer_stays(tmp_path: Path) -> None:
    (tmp_path / "replay.bin").write_bytes(b"something else")
    with pytest.raises(ForeignFileError):
        train(tmp_path, 50)
    assert (tmp_path / "replay.bin").read_bytes() == b"something else"


def test_a_truncated_buffer_is_named(tmp_path: Path) -> None:
    train(tmp_path, 100)
    with (tmp_path / "replay.bin").open("r+b") as file:
        file.truncate(5000)
    with pytest.raises(InvalidFileError, match="its run made 100"):
        train(tmp_path, 150)
    (tmp_path / "replay.bin").write_bytes(b"")
    with pytest.raises(InvalidFileError, match="not a replay buffer"):
        train(tmp_path, 150)


def test_training_does_not_start_anew_over_damaged_checkpoints(tmp_path: Path) -> None:
    train(tmp_path, 50)
    for path in (tmp_path / "checkpoint").rglob("state.safetensors"):
        path.write_bytes(b"damaged")
    with pytest.raises(InvalidFileError, match="Remove the folder"):
        train(tmp_path, 100)


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'hopper'"):
        train_behavior("hoper", 50, 0, tmp_path)
    with pytest.raises(InvalidArgumentError, match="--steps"):
        train(tmp_path, 0)
    with pytest.raises(InvalidArgumentError, match="expected a multiple of 50"):
        BehaviorConfig(evaluation_period=75)
    deep = SoftActorCriticConfig(policy=SquashedGaussianConfig(hidden=(8, 8, 8)))
    with pytest.raises(InvalidArgumentError, match="the policy has 3 hidden layers; expected 2"):
        BehaviorConfig(evaluation_period=50, sac=OnlineSacConfig(learner=deep))


def test_replay_datasets_are_the_buffer_up_to_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts: medium-replay is the whole buffer up to the medium checkpoint; 11 keys, metadata without a policy."""
    easy_medium(monkeypatch)
    train(tmp_path, 200)
    medium, _ = find_recipe("hopper-medium-replay-v2").run("hopper-medium-replay-v2", MakeOptions(policy=tmp_path))
    _, about = load_policy(tmp_path / "hopper-medium.safetensors")
    assert medium.n_rows == about["evaluation"]["steps"]
    options = MakeOptions(policy=tmp_path, steps=150)
    data, provenance = find_recipe("hopper-full-replay-v2").run("hopper-full-replay-v2", options)
    steps = ReplayFile(tmp_path / "replay.bin").read(150)
    np.testing.assert_array_equal(data.observations, steps["observations"].astype(np.float32))
    np.testing.assert_array_equal(data.infos["qpos"], steps["infos/qpos"])
    assert set(data.metadata) == {"algorithm", "iteration"}
    assert provenance.steps == 150
    with pytest.raises(InvalidFileError, match="has 200 of 1000000 steps"):
        find_recipe("hopper-full-replay-v2").run("hopper-full-replay-v2", MakeOptions(policy=tmp_path))
    with pytest.raises(InvalidFileError, match="holds a training run of hopper"):
        find_recipe("walker2d-full-replay-v2").run("walker2d-full-replay-v2", options)


def test_medium_replay_waits_until_training_is_medium(tmp_path: Path) -> None:
    train(tmp_path, 50)
    with pytest.raises(InvalidFileError, match="has not become medium in 50 steps"):
        find_recipe("hopper-medium-replay-v2").run("hopper-medium-replay-v2", MakeOptions(policy=tmp_path))


def test_medium_replay_takes_the_first_steps_of_a_training_that_passed_the_level(tmp_path: Path) -> None:
    """A policy can improve from below the tolerance to above it between two evaluations."""
    train(tmp_path, 50)
    recipe = find_recipe("hopper-medium-replay-v2")
    data, provenance = recipe.run("hopper-medium-replay-v2", MakeOptions(policy=tmp_path, steps=40))
    steps = ReplayFile(tmp_path / "replay.bin").read(40)
    np.testing.assert_array_equal(data.observations, steps["observations"].astype(np.float32))
    assert provenance.steps == 40
    with pytest.raises(InvalidFileError, match="has 50 of 60 steps"):
        recipe.run("hopper-medium-replay-v2", MakeOptions(policy=tmp_path, steps=60))


def test_training_stops_at_a_level_and_keeps_its_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    easy_medium(monkeypatch)
    curve = train(tmp_path, 500, until=Level.MEDIUM)
    assert len(curve) < 10
    _, about = load_policy(tmp_path / "hopper-medium.safetensors")
    assert about["reached"]
    assert about["evaluation"]["steps"] == curve[-1].steps
    assert curve[-1].episodes == 3  # a level is confirmed by more episodes


def point(steps: int, mean: float) -> Evaluation:
    values = {"return_std": 0.5, "return_min": 0.0, "return_max": 9.0, "length_mean": 7.0, "temperature": 0.1}
    losses = {"entropy": -1.0, "target_value": 3.0, "critic_error": 0.2}
    return Evaluation(steps=steps, updates=steps, minutes=1.5, episodes=2, return_mean=mean, **values, **losses)


def test_the_policy_of_a_level_is_the_nearest_up_to_the_first_within_five_percent() -> None:
    curve = [point(1, 50.0), point(2, 130.0), point(3, 85.0), point(4, 103.0), point(5, 100.0)]
    assert [nearest_to(curve[:count], 100.0).steps for count in range(1, 6)] == [1, 2, 3, 4, 4]  # type: ignore[union-attr]
    assert not is_reached(curve[:3], 100.0)
    assert is_reached(curve[:4], 100.0)


def test_a_curve_is_read_as_it_was_written(tmp_path: Path) -> None:
    curve = [point(5000, 20.25), point(10000, -3.1416)]
    write_curve(tmp_path / "curve.csv", curve, "ampl data train-behavior hopper --seed 0")
    assert read_curve(tmp_path / "curve.csv") == curve
    (tmp_path / "curve.csv").write_text("steps,other\n1,2\n")
    with pytest.raises(InvalidFileError, match="learning curve"):
        read_curve(tmp_path / "curve.csv")


def test_a_curve_of_someone_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text("my own notes")
    with pytest.raises(ForeignFileError, match=r"curve\.csv exists and was not written by ampl"):
        train(tmp_path, 50)
    assert [path.name for path in tmp_path.iterdir()] == ["curve.csv"]


def test_results_without_their_checkpoint_are_not_started_over(tmp_path: Path) -> None:
    train(tmp_path, 100)
    shutil.rmtree(tmp_path / "checkpoint")
    before = (tmp_path / "replay.bin").read_bytes()
    with pytest.raises(InvalidFileError, match="no checkpoint to go on from"):
        train(tmp_path, 150)
    assert (tmp_path / "replay.bin").read_bytes() == before


def test_a_checkpoint_without_its_curve_is_named(tmp_path: Path) -> None:
    train(tmp_path, 50)
    curve = tmp_path / "curve.csv"
    curve.write_text("".join(curve.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(InvalidFileError, match=r"curve\.csv lacks what its checkpoint counts on"):
        train(tmp_path, 100)
