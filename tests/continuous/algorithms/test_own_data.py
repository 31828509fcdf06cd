"""Runs on data of a user's own: recorded, resumed, evaluated again, and their policies taken out without the data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

import ampl
from ampl.command_line.main import main
from ampl.errors import ExistingRunError, InvalidArgumentError
from ampl.runs.seed_result import SeedResult
from tests.continuous.algorithms.factories import FACTORIES
from tests.continuous.data.own_samples import Slide, fallen, of_actions, pendulum_file, slide_file

SMALL: dict[str, Any] = {"epochs": 1, "steps_per_epoch": 8, "model_steps": 4, "eval_episodes": 2, "device": "cpu"}


def trained(folder: Path, algorithm: str = "mopo", **more: Any) -> SeedResult:
    weights = {"miw_steps": 2} if algorithm == "ampl" else {}
    (result,) = ampl.train(algorithm, out=folder / "runs", **SMALL | weights | more)
    return result


@pytest.fixture
def pendulum(tmp_path: Path) -> Path:
    """450 rows of random actions."""
    return pendulum_file(tmp_path / "my pendulum.hdf5")


@pytest.fixture(scope="module")
def trained_before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SeedResult]:
    """A folder with such data, and a run of MOPO on them in Pendulum-v1."""
    folder = tmp_path_factory.mktemp("own")
    return folder, trained(folder, data=pendulum_file(folder / "my pendulum.hdf5"), env="Pendulum-v1")


@pytest.fixture
def run(trained_before: tuple[Path, SeedResult], tmp_path: Path) -> tuple[Path, Path, SeedResult]:
    """A copy of that: the data's file, the run directory, and what was recorded."""
    folder, result = trained_before
    copied = shutil.copytree(folder, tmp_path / "copy")
    return copied / "my pendulum.hdf5", copied / result.path.relative_to(folder), result


def check_units(path: Path) -> None:
    """The policy of a run on Pendulum-v1, whose actions lie in [-2, 2], leaves [-1, 1], and not its bounds."""
    policy = ampl.load_policy(path)
    observations = np.random.default_rng(0).uniform(-8, 8, (200, 3))
    actions = policy.act(observations)
    assert actions.shape == (200, 1)
    assert 1.0 < np.abs(actions).max() <= 2.0
    assert gymnasium.make("Pendulum-v1").action_space.contains(policy.act(observations[0]))


@pytest.mark.parametrize("algorithm", ["ampl", "damo"])
def test_the_other_deep_algorithms_train_too_and_scores_are_by_the_references(
    tmp_path: Path, pendulum: Path, algorithm: str
) -> None:
    result = trained(tmp_path, algorithm, data=pendulum, env="Pendulum-v1", references=(-1500.0, -150.0))
    score = (result.result.metrics["evaluation/return_mean"] + 1500.0) / 13.5
    assert result.result.metrics["evaluation/score_mean"] == pytest.approx(score)
    check_units(result.path)


def test_a_policy_acts_in_the_environments_units_without_the_data(run: tuple[Path, Path, SeedResult]) -> None:
    data, path, _ = run
    data.unlink()
    check_units(path)


def test_a_run_explains_itself(run: tuple[Path, Path, SeedResult]) -> None:
    _, path, result = run
    assert path.parts[-4:] == ("my-pendulum", "mopo", "main", "seed0")
    assert result.result.metrics["evaluation/length_steps"] == 200.0
    assert "evaluation/score_mean" not in result.result.metrics
    manifest = json.loads((path / "manifest.json").read_text())
    problem = json.loads((path / "config.json").read_text())["problem"]
    assert problem["file"] == "my pendulum.hdf5"
    assert problem["sha256"] == manifest["dataset_sha256"]
    assert (problem["rows"], problem["environment"], problem["termination"]) == (450, "Pendulum-v1", "never")
    assert (problem["action_low"], problem["action_high"], problem["references"]) == ([-2.0], [2.0], None)
    assert manifest["versions"]["gymnasium"] == gymnasium.__version__
    assert any("evaluated in Pendulum-v1" in note for note in manifest["notes"])


def test_a_policy_is_filmed(run: tuple[Path, Path, SeedResult], capsys: pytest.CaptureFixture[str]) -> None:
    _, path, _ = run
    video = path.parent / "film.gif"
    assert main(["evaluate", str(path), "--episodes", "1", "--video", str(video)]) == 0
    assert "film.gif: one episode, return -" in capsys.readouterr().out
    assert video.read_bytes().startswith(b"GIF8")


def test_a_run_is_resumed_wherever_its_data_are_and_on_no_others(run: tuple[Path, Path, SeedResult]) -> None:
    data, path, _ = run
    moved = data.rename(path / data.name)
    assert trained(data.parent, data=moved, env="Pendulum-v1", resume=True).result.epochs == 1
    pendulum_file(data, rows=460)
    with pytest.raises(ExistingRunError, match=r"problem\.sha256"):
        trained(data.parent, data=data, env="Pendulum-v1", resume=True)


def test_a_run_is_evaluated_again_where_its_data_are_now(
    run: tuple[Path, Path, SeedResult], mistake: Callable[..., str]
) -> None:
    data, path, result = run
    moved = data.rename(path / "moved.hdf5")
    config = json.loads((path / "config.json").read_text())
    config["problem"]["data"] = str(data)  # not the place before the copy
    (path / "config.json").write_text(json.dumps(config))
    assert "does not exist. It held the data of the run. Say where it is now: --data FILE." in mistake("evaluate", path)
    assert main(["evaluate", str(path), "--data", str(moved)]) == 0
    again = json.loads((path / "evaluation.json").read_text())["metrics"]
    assert again["evaluation/return_mean"] == result.result.metrics["evaluation/return_mean"]


def test_without_an_environment_nothing_is_evaluated_and_the_table_says_so(
    tmp_path: Path, pendulum: Path, mistake: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--steps-per-epoch", "8", "--model-steps", "4", "--epochs", "1", "--out", str(tmp_path / "runs")]
    assert main(["train", "mopo", "--data", str(pendulum), "--env", "none", *options]) == 0
    out = capsys.readouterr().out
    assert "policies are not evaluated" in out
    assert "evaluation/" not in out
    path = tmp_path / "runs" / "my-pendulum" / "mopo" / "main" / "seed0"
    assert np.load(path / "samples.npz")["offline_state"].shape[1] == 3
    policy, states = ampl.load_policy(path), np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    assert 0.0 < np.abs(policy.act(states)).max() <= 2.0
    np.testing.assert_allclose(policy.module()(torch.from_numpy(states)).detach(), policy.act(states), atol=1e-5)
    assert np.abs(policy.act(states, sample=True)).max() <= 2.0
    assert "trained without an environment" in mistake("evaluate", path)


def test_environments_and_rules_may_be_python_objects(tmp_path: Path) -> None:
    path = slide_file(tmp_path / "slide.hdf5")
    result = trained(tmp_path, data=path, env=Slide, termination=fallen)
    assert result.result.metrics["rollout/terminal_share"] > 0.0
    assert main(["evaluate", str(result.path)]) == 0  # both are found again by their names
    unnamed: dict[str, Any] = {"env": lambda: Slide(), "termination": lambda *rows: of_actions(*rows)}
    local = trained(tmp_path, data=path, **unnamed, variant="mbpo", eval_workers=1)
    with pytest.raises(InvalidArgumentError, match="which cannot be had"):
        ampl.load_problem(data=path, env="tests.continuous.algorithms.test_own_data:<lambda>", termination=fallen)
    assert ampl.load_policy(local.path).act([0.0, 0.0]).shape == (2,)


def settings_of(algorithm: str, pendulum: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """As they are listed."""
    assert main(["settings", algorithm, "--data", str(pendulum), "--env", "Pendulum-v1", "--json"]) == 0
    return {row["key"]: row["value"] for row in json.loads(capsys.readouterr().out)["settings"]}


def test_the_settings_of_data_of_ones_own_are_listed(pendulum: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = settings_of("ampl", pendulum, capsys)
    assert settings["schedule.rollout_length"] == 3
    assert settings["policy.noise_size"] == 1


@pytest.mark.parametrize("algorithm", FACTORIES)
def test_every_algorithm_takes_all_steps_of_data_of_ones_own(
    algorithm: str, pendulum: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that time out, too, whose next states the file has."""
    assert settings_of(algorithm, pendulum, capsys)["transitions"] == "model"
