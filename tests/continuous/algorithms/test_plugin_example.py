"""The package in docs/examples/ is installed with pip; then every command knows what it has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ampl
from ampl.command_line.main import main
from ampl.files import read_json
from continuous.data.d4rl_writer import write_d4rl
from figures.training import learning_curves
from tests.ampl.plugin_packages import pip_install
from tests.continuous.data.d4rl_samples import HOPPER, hopper_data, made_by
from tests.continuous.data.own_samples import pendulum_file

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pip_install(ROOT / "docs/examples/ampl-plugin", tmp_path_factory.mktemp("package"))


@pytest.fixture
def runs(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts the package on the path, makes a small dataset, and returns a folder for runs."""
    monkeypatch.syspath_prepend(str(installed))
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "data"))
    write_d4rl(tmp_path / "data" / HOPPER.file_name, hopper_data(), made_by(HOPPER))
    return tmp_path / "runs"


def test_the_example_is_trained_resumed_and_evaluated(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", "ridge=0.5", "--seeds", "0,1", "--eval-episodes", "2"]
    for out, epochs in (("parts", "1"), ("parts", "3"), ("whole", "3")):
        resume = ["--resume"] if epochs == "3" and out == "parts" else []
        where = ["--epochs", epochs, "--out", str(runs / out), *resume]
        assert main(["train", "ridge", "hopper-medium-v2", *options, *where]) == 0
    first, second = (
        [
            (runs / out / "hopper-medium-v2/ridge/plain,ridge=0.5" / seed / "metrics.csv").read_bytes()
            for seed in ("seed0", "seed1")
        ]
        for out in ("parts", "whole")
    )
    assert first == second
    assert first[0] != first[1]
    place = runs / "whole/hopper-medium-v2/ridge/plain,ridge=0.5"
    assert main(["evaluate", str(place), "--episodes", "1"]) == 0
    assert read_json(place / "seed1" / "evaluation.json")["metrics"]["evaluation/length_steps"] > 0
    states = hopper_data().observations
    assert np.abs(ampl.load_policy(place / "seed1").act(states) - hopper_data().actions).mean() < 1.0
    assert main(["settings", "ridge", "hopper-medium-v2"]) == 0
    assert "on the squared entries" in capsys.readouterr().out


def test_the_example_is_trained_on_data_of_the_users_own_and_acts_in_their_units(runs: Path, tmp_path: Path) -> None:
    path = pendulum_file(tmp_path / "pendulum.hdf5", actions=np.full((450, 1), 1.5, np.float32))
    (run,) = ampl.train("ridge", data=path, env="Pendulum-v1", epochs=1, eval_episodes=1, out=runs)
    np.testing.assert_allclose(ampl.load_policy(run.path).act(np.zeros(3)), 1.5, atol=0.01)


def test_the_example_stands_beside_the_built_in_algorithms(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"ampl", "mopo", "ridge"} <= set(ampl.load_problem("hopper-medium-v2").algorithms)
    assert {"ampl", "mopo", "pessimist"} <= set(ampl.load_problem("river-6").algorithms)
    assert "ridge" not in ampl.load_problem("river-6").algorithms
    assert main(["train", "rigde", "hopper-medium-v2"]) == 2
    assert "Did you mean 'ridge'? Valid: " in capsys.readouterr().err
    for command in ("train", "settings"):
        assert main([command, "--help"]) == 0
        shown = re.sub("[│\n ]+", " ", capsys.readouterr().out)
        listed = re.search(r": algaedice, [^.:]*", shown)
        assert listed
        assert {"ampl", "mopo", "ridge", "pessimist"} <= set(re.split(", | or ", listed[0].strip(": ")))
    assert main(["train", "ridge", "frozenlake-4x4"]) == 2
    assert "'ridge' does not run on task 'frozenlake-4x4'" in capsys.readouterr().err


def test_the_example_is_drawn_beside_the_built_in_algorithms(runs: Path) -> None:
    steps = {"model_steps": 2, "steps_per_epoch": 2, "eval_episodes": 1}
    ampl.train("ridge", "hopper-medium-v2", epochs=2, eval_episodes=1, out=runs)
    ampl.train("mopo", "hopper-medium-v2", epochs=1, out=runs, **steps)
    (legend,) = learning_curves.draw(runs).legends
    assert [text.get_text() for text in legend.get_texts()] == ["mopo main", "ridge plain"]
    assert main(["report", str(runs), "--out", str(runs / "page.html")]) == 0
    assert "ridge/plain" in (runs / "page.html").read_text()


def test_the_example_with_a_problem_is_trained_on_by_a_built_in_algorithm(runs: Path) -> None:
    (run,) = ampl.train("mopo", "river-6", epochs=2, out=runs)
    assert 0.0 < run.result.metrics["evaluation/return_mean"] < 1.0
    assert set(ampl.load_policy(run.path).act([0, 5])) <= {0, 1}
    assert main(["evaluate", str(run.path)]) == 0


def test_the_claim_of_the_example_is_verified_in_processes_that_find_the_package(
    installed: Path, tmp_path: Path
) -> None:
    command = ["verify", "--claims", "performance-difference", "--quick", "--cases", "20", "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "ampl", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"performance-difference .* holds ", done.stdout)
