"""`--model-from`: a training with the model of another run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ampl
from ampl.command_line.main import main
from ampl.errors import ExistingRunError, InvalidArgumentError
from ampl.files import read_json
from ampl.runs.given_models import find_models, model_run, take_models
from ampl.training import train
from tests.ampl.runs.interruption import run_bytes
from tests.continuous.algorithms.small_model_based import BUILDERS
from tests.continuous.algorithms.small_run import small_run


def train_with(algorithm: str, folder: Path, models: Path, *, epochs: int = 2) -> Path:
    """Trains seeds 0 and 1 of a small algorithm with the models of runs; returns the folder of its seeds."""
    found = find_models(models, [0, 1])
    built = BUILDERS[algorithm]([0, 1])  # type: ignore[operator]
    train(built, task="line", variant="main", epochs=epochs, out=folder, models=found, resume=True)
    return folder / "line" / algorithm / "main"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seeds of MOPO, which fits the same model as the other small algorithms."""
    folder = tmp_path_factory.mktemp("fitted")
    small_run("mopo", folder, 2)
    return folder / "line" / "mopo" / "main"


@pytest.mark.parametrize("algorithm", BUILDERS)
def test_a_run_with_its_own_model_from_elsewhere_has_the_same_bytes(
    algorithm: str, fitted: Path, tmp_path: Path
) -> None:
    """The model and the random numbers of its fit are all that is taken, and nothing else depends on a fit."""
    small_run(algorithm, tmp_path / "whole", 2)
    taken = train_with(algorithm, tmp_path / "taken", fitted)
    for seed in ("seed0", "seed1"):
        assert run_bytes(taken / seed, 2) == run_bytes(tmp_path / "whole" / "line" / algorithm / "main" / seed, 2)
    named = read_json(taken / "seed1" / "config.json")["model_from"]["run"]
    assert named == model_run(fitted, 1) == "line/mopo/main/seed1"
    assert read_json(taken / "seed1" / "manifest.json")["notes"][-1].endswith("mopo/main/seed1, not fitted here")


def test_the_model_of_one_seed_serves_all(fitted: Path, tmp_path: Path) -> None:
    seed1 = fitted / "seed1"
    damo = train_with("damo", tmp_path / "damo", seed1)
    records = [read_json(damo / seed / "config.json")["model_from"] for seed in ("seed0", "seed1")]
    assert records[0] == records[1]
    losses = [read_json(path / "result.json")["metrics"]["model/holdout_loss"] for path in (seed1, damo / "seed0")]
    assert losses[0] == losses[1]


def test_refits_of_other_seeds_have_random_numbers_of_their_own(fitted: Path) -> None:
    """A seed goes on with its own model's, as if it had fitted it."""
    built = BUILDERS["mopo"]([0, 1])  # type: ignore[operator]
    before = [built.state(index)["streams/model"] for index in (0, 1)]
    models = find_models(fitted / "seed1", [0, 1])
    take_models(built, "line", models)
    after = [built.state(index)["streams/model"] for index in (0, 1)]
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1], models[1].state["streams/model"])
    assert not np.array_equal(after[1], before[1])


def test_a_run_with_a_taken_model_is_resumed_with_it_alone(fitted: Path, tmp_path: Path) -> None:
    whole = train_with("mopo", tmp_path / "whole", fitted, epochs=3)
    train_with("mopo", tmp_path / "parts", fitted, epochs=1)
    parts = train_with("mopo", tmp_path / "parts", fitted, epochs=3)
    assert run_bytes(whole / "seed0", 3) == run_bytes(parts / "seed0", 3)
    with pytest.raises(ExistingRunError, match="model_from"):
        small_run("mopo", tmp_path / "parts", 4, resume=True)


QUICK = ("--epochs", "1", "--steps-per-epoch", "8", "--model-steps", "4", "--eval-episodes", "1")


@pytest.fixture(scope="module")
def pointmass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of MOPO on lqr-pointmass."""
    out = tmp_path_factory.mktemp("pointmass")
    assert main(["train", "mopo", "lqr-pointmass", *QUICK, "--out", str(out)]) == 0
    return out / "lqr-pointmass" / "mopo" / "main"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["damo", "lqr-pointmass-bounded"], "fitted to other data: lqr-pointmass there and lqr-pointmass-bounded here"),
        (["damo", "lqr-pointmass", "--set", "dynamics.hidden=32"], "expected [7, 3, 32]"),
        (["damo", "lqr-pointmass", "--set", "transitions=exact"], "fitted with transitions model, this run has exact"),
        (["damo", "lqr-pointmass", "--seeds", "0,1"], "has no model for seed 1: there are seed0"),
        (["ampl", "lqr-pointmass"], "ampl cannot use the model of lqr-pointmass/mopo/main/seed0; expected one of ampl"),
        (["td3-bc", "lqr-pointmass"], "td3-bc on lqr-pointmass takes no model"),
        (["mopo", "gridworld-5x5"], "mopo on gridworld-5x5 takes no model"),
    ],
)
def test_a_model_that_cannot_be_used_is_one_line_and_leaves_no_run(
    pointmass: Path, tmp_path: Path, mistake: Callable[..., str], arguments: list[str], expected: str
) -> None:
    message = mistake("train", *arguments, "--model-from", pointmass, "--out", tmp_path / "runs", notes=True)
    assert expected in message
    assert not (tmp_path / "runs").exists()


def test_what_holds_no_model_is_one_line(tmp_path: Path, mistake: Callable[..., str]) -> None:
    assert "is not a folder" in mistake("train", "mopo", "lqr-pointmass", "--model-from", tmp_path / "nothing")
    small_run("iql", tmp_path, 1)
    run = tmp_path / "line" / "iql" / "main"
    assert "has no model: iql fits none" in mistake("train", "mopo", "lqr-pointmass", "--model-from", run)
    with pytest.raises(InvalidArgumentError, match="model_from is 3; expected a folder"):
        ampl.train("mopo", "lqr-pointmass", model_from=3)  # type: ignore[arg-type]
