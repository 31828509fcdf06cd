"""A finite MDP of the user's own in a file: trained on as a task of the catalog is, and told apart from another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ampl
from ampl.errors import ExistingRunError, InvalidArgumentError, InvalidFileError
from tabular.mdps import tasks
from tabular.mdps.mdp_files import save_mdp
from tabular.mdps.tasks import PROBLEMS

TASK = "gridworld-5x5"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The MDP of a task in a file, sparse."""
    save_mdp(tmp_path / "mine.npz", PROBLEMS.load(TASK).to_sparse())
    return tmp_path / "mine.npz"


@pytest.mark.parametrize("algorithm", ["ampl", "mopo", "damo", "bc"])
def test_what_is_trained_is_what_the_task_of_the_same_mdp_gives(algorithm: str, mine: Path, tmp_path: Path) -> None:
    problem = ampl.load_problem(data=mine)
    assert (problem.name, problem.kind) == ("mine", "finite")
    (own,) = ampl.train(algorithm, problem, epochs=2, out=tmp_path)
    (named,) = ampl.train(algorithm, TASK, epochs=2, out=tmp_path)
    for name in ("metrics.csv", "result.json"):
        assert (own.path / name).read_bytes() == (named.path / name).read_bytes()
    record = json.loads((own.path / "config.json").read_text())["problem"]
    assert (record["file"], record["states"], record["actions"], record["discount"]) == ("mine.npz", 25, 4, 0.99)
    assert ampl.evaluate(own.path).metrics == ampl.evaluate(named.path).metrics
    policies = [ampl.load_policy(run.path, seed=3).act(np.arange(25)) for run in (own, named)]
    np.testing.assert_array_equal(*policies)


def test_a_run_goes_on_with_its_mdp_alone(mine: Path, tmp_path: Path, mistake: Callable[..., str]) -> None:
    for epochs in (1, 2):
        (trained,) = ampl.train("mopo", data=mine, epochs=epochs, out=tmp_path / "runs", resume=epochs > 1)
    run, moved = trained.path, tmp_path / "moved.npz"
    mine.rename(moved)
    assert f"{mine} does not exist" in mistake("evaluate", run)
    assert ampl.evaluate(run, data=moved).epoch == 2
    with pytest.raises(InvalidFileError, match=r"mine\.npz does not exist.* data="):
        ampl.load_policy(run)
    assert ampl.load_policy(run, data=moved).act(3) in range(4)
    assert "other.hdf5 does not exist" in mistake("evaluate", run, "--data", tmp_path / "other.hdf5")
    with pytest.raises(InvalidArgumentError, match="data is 3; expected a file"):
        ampl.load_policy(run, data=3)  # type: ignore[arg-type]
    save_mdp(mine, PROBLEMS.load(TASK).with_discount(0.9))
    assert "has changed since the run: its SHA-256 is" in mistake("evaluate", run)
    mine.write_bytes(b"no archive")
    assert "has changed since the run: its SHA-256 is" in mistake("evaluate", run)
    mine.unlink()
    save_mdp(mine, PROBLEMS.load(TASK).with_discount(0.9))
    with pytest.raises(ExistingRunError, match=r"problem\.sha256 is"):
        ampl.train("mopo", data=mine, epochs=3, out=tmp_path / "runs", resume=True)


def test_what_does_not_belong_to_an_mdp_is_one_line(
    mine: Path, monkeypatch: pytest.MonkeyPatch, mistake: Callable[..., str]
) -> None:
    for name, value in {"env": "Pendulum-v1", "termination": "never", "references": (0.0, 1.0)}.items():
        with pytest.raises(InvalidArgumentError, match=f"--{name} is given; .*mine.npz holds a finite MDP"):
            ampl.load_problem(data=mine, **{name: value})  # type: ignore[arg-type]
    assert f"give it as data: --data {mine}" in mistake("train", "mopo", str(mine))
    assert "does not run on task 'mine'" in mistake("train", "iql", "--data", str(mine))
    with pytest.raises(InvalidArgumentError, match="data is a dict; expected the path of a file"):
        ampl.load_problem(data={"reward": 1}, env="none")  # type: ignore[arg-type]
    monkeypatch.setattr(tasks, "_MOST_ENTRIES", 2000)
    with pytest.raises(InvalidFileError, match=r"25 states and 4 actions.* 2,500 numbers, and take at most 2,000"):
        ampl.load_problem(data=mine)
    mine.write_bytes(b"no archive")
    with pytest.raises(InvalidFileError, match=r"mine\.npz"):
        ampl.load_problem(data=mine)
