"""`ampl evaluate`: the run directory is enough, its records stay, and what cannot be evaluated is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import ampl
from ampl.command_line.main import main
from ampl.files import write_json
from ampl.interfaces import Algorithm
from ampl.runs.checkpoints import Checkpoint
from ampl.runs.run_evaluation import without_streams
from tests.ampl.fake_algorithm import FACTORY, FakeAlgorithm, announce_fake
from tests.ampl.test_training_driver import damage


@pytest.fixture(autouse=True)
def announce(monkeypatch: pytest.MonkeyPatch) -> None:
    announce_fake(monkeypatch)


@pytest.fixture
def variant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The folder of a finished run of two seeds, scaled, moved away from where it was made."""
    made = tmp_path / "made"
    assert main(["train", "fake", "maze-small", "--seeds", "0,2", "--steps-per-epoch", "20", "--out", str(made)]) == 0
    capsys.readouterr()
    return made.rename(tmp_path / "moved") / "maze-small" / "fake" / "plain"


@pytest.fixture
def mistake(mistake: Callable[..., str]) -> Callable[..., str]:
    """The same of `ampl evaluate ...`."""
    return partial(mistake, "evaluate")


def content(run: Path) -> dict[str, bytes]:
    files = (path for path in run.rglob("*") if path.is_file() and path.name != "evaluation.json")
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def test_a_finished_run_scores_what_its_last_epoch_scored(variant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = variant / "seed2"
    before = content(run)
    assert main(["evaluate", str(run)]) == 0
    measured = json.loads((run / "evaluation.json").read_text())
    last = json.loads((run / "result.json").read_text())["metrics"]
    assert measured["metrics"] == {
        name: value for name, value in last.items() if name.startswith(("evaluation/", "certificate/"))
    }
    assert measured["starts"] == "of epoch 3"
    assert (measured["epoch"], measured["episodes"]) == (3, None)
    assert {"versions", "device", "dataset_sha256", "command"} <= set(measured)
    assert content(run) == before
    out = capsys.readouterr().out
    assert "evaluation/return_raw" in out
    assert "of epoch 3" in out
    assert "scaled: epochs of 20 steps" in out
    assert str(run) in out
    assert "seed 0" not in out


def test_a_folder_of_seeds_is_evaluated_seed_by_seed(
    variant: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built: list[FakeAlgorithm] = []
    build = FACTORY.build

    def kept(*arguments: Any) -> FakeAlgorithm:
        built.append(build(*arguments))
        return built[-1]

    monkeypatch.setattr(FACTORY, "build", kept)
    assert main(["evaluate", str(variant), "--episodes", "7"]) == 0
    assert [algorithm.seeds for algorithm in built] == [[0], [2]]
    assert [algorithm.calls for algorithm in built] == [["evaluate 7"]] * 2
    out = capsys.readouterr().out
    for seed in (0, 2):
        assert f"seed {seed}" in out
        assert json.loads((variant / f"seed{seed}" / "evaluation.json").read_text())["episodes"] == 7


def test_evaluating_again_replaces_only_our_own_file(
    variant: Path, capsys: pytest.CaptureFixture[str], mistake: Callable[..., str]
) -> None:
    run = variant / "seed0"
    assert main(["evaluate", str(run)]) == 0
    assert main(["evaluate", str(run), "--episodes", "5"]) == 0
    assert json.loads((run / "evaluation.json").read_text())["episodes"] == 5
    (run / "evaluation.json").write_text("mine")
    capsys.readouterr()
    assert "was not written by ampl" in mistake(run)
    assert (run / "evaluation.json").read_text() == "mine"


def test_a_run_in_a_folder_that_cannot_be_written_is_evaluated_with_a_warning(
    variant: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:  # permissions would not stop root
        raise PermissionError(13, "Permission denied")

    run = variant / "seed0"
    for function in ("ampl.files.temporary_beside", "tempfile.TemporaryFile"):
        monkeypatch.setattr(function, read_only)
    assert main(["evaluate", str(run)]) == 0
    out, err = capsys.readouterr()
    assert "evaluation/return_raw" in out
    assert err.splitlines()[-1] == f"ampl: warning: {run / 'evaluation.json'} is not written: Permission denied"
    assert not (run / "evaluation.json").exists()
    assert ampl.evaluate(run).epoch == 3


def test_an_interrupted_and_a_stopped_run_are_evaluated_at_their_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(FakeAlgorithm):
        def improve_policy(self, epoch: int) -> Any:
            if epoch == 3:
                raise KeyboardInterrupt
            return super().improve_policy(epoch)

    options = ["--seeds", "0,1", "--checkpoint-seconds", "0", "--out", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr(FACTORY, "build", lambda *_: Interrupted([0, 1], diverging={0: 2}))
        assert main(["train", "fake", "maze-small", *options]) == 130
    folder = tmp_path / "maze-small" / "fake" / "plain"
    assert not (folder / "seed1" / "result.json").exists()
    assert main(["evaluate", str(folder)]) == 0
    for seed in (0, 1):
        epoch = int(max(path.name for path in (folder / f"seed{seed}" / "checkpoint").iterdir())[-4:])
        assert json.loads((folder / f"seed{seed}" / "evaluation.json").read_text())["epoch"] == epoch


def test_a_damaged_checkpoint_falls_back_and_says_so(variant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = variant / "seed0"
    damage(run / "checkpoint" / "epoch_0003" / "state.safetensors")
    assert main(["evaluate", str(run)]) == 0
    assert "epoch_0003 is damaged" in capsys.readouterr().err
    assert json.loads((run / "evaluation.json").read_text())["epoch"] == 0


def test_a_seed_that_cannot_be_evaluated_does_not_stop_the_others(variant: Path, mistake: Callable[..., str]) -> None:
    for path in (variant / "seed0" / "checkpoint").glob("*/counters.json"):
        damage(path)
    assert "only damaged checkpoints" in mistake(variant / "seed0")
    assert main(["evaluate", str(variant)]) == 1
    assert not (variant / "seed0" / "evaluation.json").exists()
    assert (variant / "seed2" / "evaluation.json").exists()


def test_what_is_not_a_run_is_named(tmp_path: Path, mistake: Callable[..., str]) -> None:
    assert "is not a folder" in mistake(tmp_path / "none")
    assert "no config.json and no seedK folders" in mistake(tmp_path)
    for name, text in (("foreign", '{"lr": 1}'), ("broken", "{"), ("list", "[]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(text)
        assert "config.json" in mistake(tmp_path / name)


def test_a_run_without_a_checkpoint_is_named(variant: Path, mistake: Callable[..., str]) -> None:
    (variant / "seed0" / "checkpoint").rename(variant / "elsewhere")
    message = mistake(variant / "seed0")
    assert "ended, but its checkpoint is not there: removed, or not kept" in message
    assert "with the command in its manifest.json" in message
    (variant / "seed0" / "result.json").unlink()
    message = mistake(variant / "seed0")
    assert "the first fit of its model has not ended" in message
    assert "add --resume to the command in its manifest.json" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": {"step_size": 0.5, "model": {"size": 3}}}, "step_size is 0.5 there and 0.2 here"),
        ({"scale": {"steps": 3}}, "'scale' cannot be used"),
        ({"scale": {"epochs": 0}}, "--epochs is 0"),
        ({"task": "maze-smal"}, "Did you mean 'maze-small'?"),
        ({"variant": "fency"}, "Did you mean 'fancy'?"),
        ({"seed": "0"}, "not the configuration of a run"),
    ],
)
def test_a_configuration_that_cannot_be_built_again_is_named(
    variant: Path, mistake: Callable[..., str], change: dict[str, Any], words: str
) -> None:
    path = variant / "seed0" / "config.json"
    write_json(path, json.loads(path.read_text()) | change)
    assert words in mistake(variant / "seed0")
    assert not (variant / "seed0" / "evaluation.json").exists()


def test_a_run_on_other_data_is_named(variant: Path, mistake: Callable[..., str]) -> None:
    path = variant / "seed0" / "manifest.json"
    write_json(path, json.loads(path.read_text()) | {"dataset_sha256": "abc"})
    assert "SHA-256 is abc there and None here" in mistake(variant / "seed0")


def test_scores_that_are_not_finite_are_not_written(
    variant: Path, monkeypatch: pytest.MonkeyPatch, mistake: Callable[..., str]
) -> None:
    monkeypatch.setattr(FakeAlgorithm, "evaluations", lambda *_: [lambda: {"evaluation/return_raw": float("nan")}])
    assert "'evaluation/return_raw'" in mistake(variant / "seed0")
    assert not (variant / "seed0" / "evaluation.json").exists()


@pytest.mark.parametrize("option", ["--episodes", "--threads"])
def test_counts_below_one_are_named(variant: Path, mistake: Callable[..., str], option: str) -> None:
    assert f"{option} is 0" in mistake(variant, option, 0)


def test_episodes_are_not_asked_of_an_exact_evaluation(
    variant: Path, mistake: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeAlgorithm, "evaluates_exactly", True)
    assert "--episodes is given; on a finite MDP evaluation is exact" in mistake(variant / "seed0", "--episodes", 7)


def test_random_states_of_another_device_do_not_matter() -> None:
    """A GPU's generators have states of another size; an evaluation draws its own numbers."""
    checkpoint = Checkpoint(epoch=3, state={"streams/updates": np.zeros(16), "policy": np.ones(2)})
    algorithm = SimpleNamespace(state=lambda index: {"streams/updates": np.arange(5056), "policy": np.zeros(2)})
    found = without_streams(checkpoint, cast(Algorithm, algorithm))
    assert found.epoch == 3
    np.testing.assert_array_equal(found.state["policy"], np.ones(2))
    np.testing.assert_array_equal(found.state["streams/updates"], np.arange(5056))
