"""The packages in docs/plugins.md, installed as they stand there, are trained, resumed, evaluated and drawn."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import ampl
from ampl.command_line.main import main
from ampl.files import read_json
from continuous.data.d4rl_writer import write_d4rl
from figures.training import learning_curves
from tests.ampl.plugin_packages import install
from tests.continuous.data.d4rl_samples import HOPPER, hopper_data, made_by
from tests.continuous.data.own_samples import pendulum_file

PAGE = Path(__file__).resolve().parents[3] / "docs" / "plugins.md"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the packages beside a small dataset, and returns a folder for runs."""
    blocks = re.findall(r"```(?:toml|python)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    for metadata, module in zip(blocks[::2], blocks[1::2], strict=True):
        project = tomllib.loads(metadata)["project"]
        name = project["name"]
        install(monkeypatch, tmp_path / "packages", name, project["entry-points"], {name.replace("-", "_"): module})
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "data"))
    write_d4rl(tmp_path / "data" / HOPPER.file_name, hopper_data(), made_by(HOPPER))
    return tmp_path / "runs"


def test_the_example_is_trained_resumed_and_evaluated(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", "ridge=0.5", "--seeds", "0,1", "--eval-episodes", "2"]
    for out, epochs in (("parts", "1"), ("parts", "3"), ("whole", "3")):
        resume = ["--resume"] if epochs == "3" and out == "parts" else []
        where = ["--epochs", epochs, "--out", str(runs / out), *resume]
        assert main(["train", "bc", "hopper-medium-v2", *options, *where]) == 0
    first, second = (
        [
            (runs / out / "hopper-medium-v2/bc/plain,ridge=0.5" / seed / "metrics.csv").read_bytes()
            for seed in ("seed0", "seed1")
        ]
        for out in ("parts", "whole")
    )
    assert first == second
    assert first[0] != first[1]
    place = runs / "whole/hopper-medium-v2/bc/plain,ridge=0.5"
    assert main(["evaluate", str(place), "--episodes", "1"]) == 0
    assert read_json(place / "seed1" / "evaluation.json")["metrics"]["evaluation/length_steps"] > 0
    states = hopper_data().observations
    assert np.abs(ampl.load_policy(place / "seed1").act(states) - hopper_data().actions).mean() < 1.0
    assert main(["settings", "bc", "hopper-medium-v2"]) == 0
    assert "on the squared entries" in capsys.readouterr().out


def test_the_example_is_trained_on_data_of_the_users_own_and_acts_in_their_units(runs: Path, tmp_path: Path) -> None:
    path = pendulum_file(tmp_path / "pendulum.hdf5", actions=np.full((450, 1), 1.5, np.float32))
    (run,) = ampl.train("bc", data=path, env="Pendulum-v1", epochs=1, eval_episodes=1, out=runs)
    np.testing.assert_allclose(ampl.load_policy(run.path).act(np.zeros(3)), 1.5, atol=0.01)


def test_the_example_stands_beside_the_built_in_algorithms(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert set(ampl.load_problem("hopper-medium-v2").algorithms) == {"ampl", "bc", "damo", "mopo"}
    assert set(ampl.load_problem("frozenlake-4x4").algorithms) == {"ampl", "damo", "mopo"}
    assert main(["train", "bcc", "hopper-medium-v2"]) == 2
    assert "Did you mean 'bc'? Valid: ampl, bc, damo, mopo." in capsys.readouterr().err
    for command in ("train", "settings"):
        assert main([command, "--help"]) == 0
        assert ": ampl, damo, mopo or bc." in " ".join(re.sub("[│\n ]+", " ", capsys.readouterr().out).split())
    assert main(["train", "bc", "frozenlake-4x4"]) == 2
    assert "'bc' does not run on task 'frozenlake-4x4'" in capsys.readouterr().err


def test_the_example_is_drawn_beside_the_built_in_algorithms(runs: Path) -> None:
    steps = {"model_steps": 2, "steps_per_epoch": 2, "eval_episodes": 1}
    ampl.train("bc", "hopper-medium-v2", epochs=2, eval_episodes=1, out=runs)
    ampl.train("mopo", "hopper-medium-v2", epochs=1, out=runs, **steps)
    (legend,) = learning_curves.draw(runs).legends
    assert [text.get_text() for text in legend.get_texts()] == ["mopo main", "bc plain"]


def test_the_example_with_a_problem_is_trained_on_by_a_built_in_algorithm(runs: Path) -> None:
    (run,) = ampl.train("mopo", "river-6", epochs=2, out=runs)
    assert 0.0 < run.result.metrics["evaluation/return_mean"] < 1.0
    assert set(ampl.load_policy(run.path).act([0, 5])) <= {0, 1}
    assert main(["evaluate", str(run.path)]) == 0
