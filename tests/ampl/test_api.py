"""The public functions of `import ampl`: the same as the command line, imported when they are asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ampl
from ampl.catalog import algorithm_names
from ampl.command_line.main import main
from ampl.errors import AmplError, InvalidArgumentError, InvalidFileError, InvalidShapeError, UnknownNameError
from ampl.runs.run_evaluation import newest_checkpoint

TASK = "frozenlake-4x4"


def test_the_help_shows_the_public_functions_documented_and_import_alone_loads_none() -> None:
    code = "import ampl, sys; print('ampl.api' in sys.modules); help(ampl)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("False\n")
    for name in ampl.__all__:
        assert name in dir(ampl)
        documented = getattr(ampl, name).__doc__
        assert documented.splitlines()[0] in shown
        assert "Raises:" in documented or "Attributes:" in documented
    with pytest.raises(AttributeError, match="module 'ampl' has no attribute 'trian'"):
        getattr(ampl, "tri" + "an")


def test_a_problem_says_what_can_be_trained_on_it() -> None:
    finite, deep = ampl.load_problem(TASK), ampl.load_problem("hopper-medium-v2")
    assert (finite.name, finite.kind, deep.kind) == (TASK, "finite", "continuous")
    assert set(finite.algorithms) == set(algorithm_names()["finite"]) >= {"ampl", "mopo", "damo"}
    assert finite.algorithms["mopo"] != deep.algorithms["mopo"]
    with pytest.raises(UnknownNameError, match="Did you mean 'hopper-medium-v2'"):
        ampl.load_problem("hoper-medium-v2")


def test_training_is_that_of_the_command(tmp_path: Path) -> None:
    changes = {"n_transitions": np.int64(500), "penalty_share": np.float32(0.25)}
    words = ["n_transitions=500", "penalty_share=0.25"]
    problem = ampl.load_problem(TASK)
    found = ampl.train("mopo", problem, settings=changes, seeds=np.arange(2), epochs=np.int64(2), out=tmp_path / "here")
    there = ["--set", *words, "--seeds", "0,1", "--epochs", "2", "--out", str(tmp_path / "there")]
    assert main(["train", "mopo", TASK, *there]) == 0
    assert [seed.seed for seed in found] == [0, 1]
    for seed in found:
        other = tmp_path / "there" / seed.path.relative_to(tmp_path / "here")
        for file in ("config.json", "metrics.csv", "result.json"):
            assert (seed.path / file).read_bytes() == (other / file).read_bytes()
        assert (seed.result.status, seed.result.epochs) == ("finished", 2)
        assert seed.settings == changes


def test_training_goes_on_where_it_ended(tmp_path: Path) -> None:
    for epochs, resume in ((1, False), (3, True)):
        (found,) = ampl.train("damo", TASK, epochs=epochs, out=str(tmp_path / "parts"), resume=resume)
    (whole,) = ampl.train("damo", TASK, epochs=3, out=tmp_path / "whole")
    assert found.result == whole.result
    assert (found.path / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"problem": "frozenlake-44"}, "Did you mean 'frozenlake-4x4'"),
        ({"algorithm": "mop"}, "Did you mean 'mopo'"),
        ({"variant": "mian"}, "Did you mean 'main'"),
        ({"settings": {"penalty_shore": 1}}, "Did you mean 'penalty_share'"),
        ({"settings": {"penalty_share": "much"}}, "penalty_share=much: expected a number"),
        ({"settings": {"penalty_share": -1.0}}, "penalty_share=-1"),
        (
            {"problem": "hopper-medium-v2", "settings": {"schedule.epochs": 5}},
            "setting schedule.epochs is the length of the run. Use --epochs 5, in Python epochs=5.",
        ),
        ({"seeds": ()}, "at least one"),
        ({"seeds": (1, 1)}, "no two equal"),
        ({"seeds": (-1,)}, "each >= 0"),
        ({"seeds": "0,1"}, "expected integers"),
        ({"seeds": 3}, "expected integers"),
        ({"epochs": 0}, "expected at least 1"),
        ({"steps_per_epoch": 3}, "without steps"),
        ({"device": "tpu"}, "expected one of auto, cpu, cuda"),
        ({"algorithm": None}, "unknown algorithm 'None'"),
        ({"problem": 3}, "the problem is 3; expected a name"),
        ({"variant": ["main"]}, "variant is ['main']; expected a name"),
        ({"settings": {3: 1}}, "unknown setting '3'"),
        ({"checkpoint_seconds": "a"}, "is 'a'; expected at least 0"),
        ({"out": None}, "out is None; expected a folder"),
        ({"resume": "yes"}, "resume is 'yes'; expected True or False"),
        ({"record": 3}, "record is 3; expected one of auto, never"),
        ({"certificates_every": 1.5}, "certificates_every is 1.5; expected an integer"),
        ({"problem": None, "data": "my.hdf5", "termination": 3}, "termination is 3; expected a name, or a function"),
        ({"problem": None, "data": "my.hdf5", "references": (1,)}, "references are (1,); expected two numbers"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(tmp_path: Path, arguments: dict[str, Any], words: str) -> None:
    call: dict[str, Any] = {"algorithm": "mopo", "problem": TASK, "out": tmp_path / "runs"} | arguments
    with pytest.raises(AmplError) as error:
        ampl.train(**call)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "runs").exists()


def test_a_folder_of_runs_is_no_run_and_the_message_names_those_in_it(tmp_path: Path) -> None:
    ampl.train("mopo", TASK, epochs=1, seeds=range(6), out=tmp_path)
    with pytest.raises(InvalidFileError, match=r"below it are .*/seed0, .*/seed4 and 1 others\. Name one of them"):
        ampl.load_policy(tmp_path)
    with pytest.raises(InvalidFileError, match=r"Name one of them"):
        ampl.evaluate(tmp_path)
    for wrong in (None, 3):
        for call in (ampl.load_policy, ampl.evaluate):
            with pytest.raises(InvalidArgumentError, match=f"the run directory is {wrong}; expected a path"):
                call(wrong)


def test_evaluation_is_that_of_the_command(tmp_path: Path) -> None:
    (run,) = ampl.train("mopo", TASK, epochs=2, out=tmp_path)
    found = ampl.evaluate(str(run.path))
    assert (found.epoch, found.seed, found.task) == (2, 0, TASK)
    assert found.metrics["evaluation/return_mean"] == run.result.metrics["evaluation/return_mean"]
    assert main(["evaluate", str(run.path)]) == 0
    assert json.loads((run.path / "evaluation.json").read_text())["metrics"] == found.metrics
    for wrong, words in (
        ({"episodes": 0}, "episodes is 0; expected at least 1"),
        ({"episodes": 2.5}, "episodes is 2.5; expected an integer"),
        ({"episodes": 3}, "runs no episodes"),
        ({"device": "tpu"}, "expected one of auto, cpu, cuda"),
        ({"threads": 0}, "threads"),
        ({"precision": "half"}, "precision"),
        ({"data": 3}, "data is 3; expected a file"),
    ):
        with pytest.raises(InvalidArgumentError, match=words):
            ampl.evaluate(run.path, **wrong)


@pytest.mark.parametrize("algorithm", ["ampl", "mopo", "damo"])
def test_the_policy_of_a_finite_problem_draws_as_it_says(algorithm: str, tmp_path: Path) -> None:
    runs = ampl.train(algorithm, TASK, epochs=2, out=tmp_path)
    policy = ampl.load_policy(runs[0].path, seed=5)
    table = newest_checkpoint(runs[0].path).state["policy"]
    assert isinstance(int(policy.act(3)), int)
    for state in (0, len(table) - 1):
        drawn = policy.act(np.full(20_000, state))
        share = np.bincount(drawn, minlength=table.shape[1]) / len(drawn)
        np.testing.assert_allclose(share, table[state], atol=0.02)  # five standard deviations and more
    again = ampl.load_policy(runs[0].path, seed=5)
    np.testing.assert_array_equal(again.act(3), ampl.load_policy(runs[0].path, seed=5).act(3))
    for wrong in (len(table), -1):
        with pytest.raises(InvalidArgumentError, match=f"state {wrong} is not there; expected 0 to {len(table) - 1}"):
            policy.act(wrong)
    with pytest.raises(InvalidArgumentError, match="an integer"):
        policy.act(1.5)
    with pytest.raises(InvalidShapeError, match=r"expected \[\]"):
        policy.act([[1]])
