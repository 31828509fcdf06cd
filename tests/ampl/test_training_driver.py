"""The driver: the order of Algorithm 1, and runs that continue bit for bit."""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampl.errors import (
    ExistingRunError,
    InvalidArgumentError,
    InvalidDistributionError,
    InvalidFileError,
)
from ampl.files import read_npz
from ampl.interfaces import State
from ampl.runs.metrics_table import read_metrics
from ampl.runs.seed_result import SeedResult
from ampl.training import train
from tests.ampl.fake_algorithm import N_TRANSITIONS, FakeAlgorithm
from tests.ampl.runs.interruption import kill_after_checkpoint, run_bytes


def run(out: Path, epochs: int, algorithm: FakeAlgorithm | None = None, **options: Any) -> list[SeedResult]:
    options = {"checkpoint_seconds": 0.0, "checkpoint_share": 1.0} | options
    return train(algorithm or FakeAlgorithm(), task="walk", variant="plain", epochs=epochs, out=out, **options)


def directory(out: Path, seed: int = 0) -> Path:
    return out / "walk" / "fake" / "plain" / f"seed{seed}"


def recorded_bytes(out: Path, epoch: int, seed: int = 0) -> list[bytes]:
    return run_bytes(directory(out, seed), epoch)


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_calls_follow_algorithm_1(tmp_path: Path) -> None:
    algorithm = FakeAlgorithm(retrain_period=2)
    run(tmp_path, 4, algorithm)
    first = ["fit", "improve 1", "evaluate", "improve 2", "evaluate"]
    assert algorithm.calls == [*first, "weights", "weighted fit", "improve 3", "evaluate", "improve 4", "evaluate"]


def test_an_algorithm_without_retraining_is_fitted_once(tmp_path: Path) -> None:
    algorithm = FakeAlgorithm(retrain_period=None)
    run(tmp_path, 3, algorithm)
    assert "weights" not in algorithm.calls
    assert algorithm.calls.count("fit") == 1


def test_weights_are_kept_under_the_epochs_completed(tmp_path: Path) -> None:
    run(tmp_path, 5, FakeAlgorithm(retrain_period=2))
    folder = directory(tmp_path) / "weights"
    assert sorted(path.name for path in folder.glob("epoch_*")) == ["epoch_0002.npz", "epoch_0004.npz"]
    weights = read_npz(folder / "epoch_0002.npz", "weights", ["weights"])["weights"]
    assert weights.shape == (N_TRANSITIONS,)
    assert weights.mean() == pytest.approx(1.0)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        run(tmp_path / name, 4)
    assert recorded_bytes(tmp_path / "a", 4) == recorded_bytes(tmp_path / "b", 4)


def test_a_seed_alone_equals_the_seed_among_others(tmp_path: Path) -> None:
    run(tmp_path / "alone", 4, FakeAlgorithm([3]))
    run(tmp_path / "among", 4, FakeAlgorithm([0, 3, 1]))
    assert recorded_bytes(tmp_path / "alone", 4, seed=3) == recorded_bytes(tmp_path / "among", 4, seed=3)


@pytest.mark.parametrize("half", [1, 2, 3])  # before, at and after a refit
def test_training_2n_epochs_equals_n_and_n_more(tmp_path: Path, half: int) -> None:
    run(tmp_path / "whole", 2 * half)
    run(tmp_path / "parts", half)
    run(tmp_path / "parts", 2 * half, resume=True)
    assert recorded_bytes(tmp_path / "whole", 2 * half) == recorded_bytes(tmp_path / "parts", 2 * half)


def test_resuming_cuts_what_is_beyond_the_checkpoint_and_a_torn_line(tmp_path: Path) -> None:
    run(tmp_path / "whole", 6)
    run(tmp_path / "parts", 4)
    place = directory(tmp_path / "parts")
    with (place / "metrics.csv").open("a") as file:
        file.write("5,1.0,2.0,3.0\n6,1.0,2.")
    (place / "weights" / "epoch_0004.npz").write_bytes(b"half")
    run(tmp_path / "parts", 6, resume=True)
    assert recorded_bytes(tmp_path / "whole", 6) == recorded_bytes(tmp_path / "parts", 6)
    read_npz(place / "weights" / "epoch_0004.npz", "weights", ["weights"])


def test_a_killed_run_continues_bit_for_bit(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.ampl.fake_algorithm import FakeAlgorithm\n"
        "from ampl.scale import Scale; from ampl.training import train\n"
        "train(FakeAlgorithm([0, 1], seconds_an_epoch=0.02), task='walk', variant='plain', epochs=1000,"
        " scale=Scale(evaluation_period=1),"
        " out=Path(sys.argv[1]), checkpoint_seconds=0.0)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "killed")]
    epochs = 3 + kill_after_checkpoint(command, run=directory(tmp_path / "killed"), epoch=4)
    run(tmp_path / "killed", epochs, FakeAlgorithm([0, 1]), resume=True)
    run(tmp_path / "whole", epochs, FakeAlgorithm([0, 1]))
    for seed in (0, 1):
        assert recorded_bytes(tmp_path / "killed", epochs, seed) == recorded_bytes(tmp_path / "whole", epochs, seed)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path / "whole", 6, FakeAlgorithm([0, 1]))
    run(tmp_path / "damaged", 4, FakeAlgorithm([0, 1]))
    damage(directory(tmp_path / "damaged", 1) / "checkpoint" / "epoch_0004" / "state.safetensors")
    with caplog.at_level(logging.WARNING):
        run(tmp_path / "damaged", 6, FakeAlgorithm([0, 1]), resume=True)
    assert "epoch_0004 is damaged" in caplog.text
    for seed in (0, 1):
        assert recorded_bytes(tmp_path / "whole", 6, seed) == recorded_bytes(tmp_path / "damaged", 6, seed)


def test_a_checkpoint_of_another_version_is_named_and_kept(tmp_path: Path) -> None:
    class Newer(FakeAlgorithm):
        def load_state(self, index: int, state: State) -> None:
            self.places[index] = state["momentum"]

    train(FakeAlgorithm(), task="t", variant="v", epochs=2, out=tmp_path)
    before = sorted(path.read_bytes() for path in tmp_path.rglob("state.safetensors"))
    with pytest.raises(InvalidFileError, match=r"seed 0 after epoch 2 does not fit this version .*momentum"):
        train(Newer(), task="t", variant="v", epochs=3, out=tmp_path, resume=True)
    assert sorted(path.read_bytes() for path in tmp_path.rglob("state.safetensors")) == before


def test_a_run_whose_checkpoints_are_all_damaged_is_not_started_over(tmp_path: Path) -> None:
    run(tmp_path, 3)
    for epoch in (2, 3):
        damage(directory(tmp_path) / "checkpoint" / f"epoch_000{epoch}" / "counters.json")
    before = (directory(tmp_path) / "metrics.csv").read_bytes()
    with pytest.raises(ExistingRunError, match="has no checkpoint that can be read, so it cannot go on"):
        run(tmp_path, 5, resume=True)
    assert (directory(tmp_path) / "metrics.csv").read_bytes() == before


def test_a_run_interrupted_in_its_first_fit_starts_over(tmp_path: Path) -> None:
    class Interrupted(FakeAlgorithm):
        def fit_model(self, weights: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a", 2, Interrupted())
    run(tmp_path / "a", 2, resume=True)
    run(tmp_path / "b", 2)
    assert recorded_bytes(tmp_path / "a", 2) == recorded_bytes(tmp_path / "b", 2)


def test_a_damaged_checkpoint_of_the_first_fit_is_made_again(tmp_path: Path) -> None:
    class Interrupted(FakeAlgorithm):
        def improve_policy(self, epoch: int) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a", 1, Interrupted())
    damage(directory(tmp_path / "a") / "checkpoint" / "epoch_0000" / "counters.json")
    run(tmp_path / "a", 1, resume=True)
    run(tmp_path / "b", 1)
    assert recorded_bytes(tmp_path / "a", 1) == recorded_bytes(tmp_path / "b", 1)
    assert recorded_bytes(tmp_path / "a", 0) == recorded_bytes(tmp_path / "b", 0)


def test_checkpoints_wait_for_their_time_but_the_last_epoch_has_one(tmp_path: Path) -> None:
    run(tmp_path, 5, checkpoint_seconds=1e6)
    names = sorted(path.name for path in (directory(tmp_path) / "checkpoint").iterdir())
    assert names == ["epoch_0000", "epoch_0005"]


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first = run(tmp_path, 3)
    before = recorded_bytes(tmp_path, 3)
    assert run(tmp_path, 3, resume=True) == first
    assert recorded_bytes(tmp_path, 3) == before


def test_resume_without_a_run_starts_one(tmp_path: Path) -> None:
    assert run(tmp_path, 2, resume=True)[0].result.epochs == 2


def test_result_holds_the_metrics_of_the_last_epoch(tmp_path: Path) -> None:
    result = run(tmp_path, 3)[0].result
    stored = json.loads((directory(tmp_path) / "result.json").read_text())
    table = read_metrics(directory(tmp_path) / "metrics.csv")
    assert stored["status"] == "finished"
    assert stored["metrics"] == dict(result.metrics) == {k: v[-1] for k, v in table.items() if k != "epoch"}


def test_notes_are_said_once_and_stand_in_the_manifest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run(tmp_path, 3, FakeAlgorithm([0, 1], notes=["scaled: 3 epochs instead of 1000"]))
    assert caplog.text.count("scaled: 3 epochs instead of 1000") == 1
    manifest = json.loads((directory(tmp_path, 1) / "manifest.json").read_text())
    assert manifest["notes"] == ["scaled: 3 epochs instead of 1000"]


def test_large_checkpoints_are_rarer(tmp_path: Path) -> None:
    class Large(FakeAlgorithm):
        def state(self, index: int) -> Any:
            time.sleep(0.05)
            return super().state(index)

    run(tmp_path, 5, Large(), checkpoint_share=0.01)
    names = sorted(path.name for path in (directory(tmp_path) / "checkpoint").iterdir())
    assert names == ["epoch_0000", "epoch_0005"]


@pytest.mark.parametrize("epochs", [0, -1])
def test_zero_epochs_are_an_error(tmp_path: Path, epochs: int) -> None:
    with pytest.raises(InvalidArgumentError, match="epochs"):
        run(tmp_path, epochs)
    assert not list(tmp_path.iterdir())


def test_fewer_epochs_than_trained_are_an_error(tmp_path: Path) -> None:
    run(tmp_path, 3)
    with pytest.raises(InvalidArgumentError, match="ask for at least 3"):
        run(tmp_path, 2, resume=True)
    assert (directory(tmp_path) / "result.json").exists()


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_bad_seeds_are_an_error(tmp_path: Path, seeds: list[int]) -> None:
    algorithm = FakeAlgorithm([0])
    algorithm.seeds = seeds
    with pytest.raises(InvalidArgumentError, match="seeds"):
        run(tmp_path, 1, algorithm)


def test_seeds_at_different_epochs_are_not_resumed_together(tmp_path: Path) -> None:
    run(tmp_path, 4, FakeAlgorithm([0]))
    with pytest.raises(ExistingRunError, match=r"seed 0: 4, seed 1: none"):
        run(tmp_path, 6, FakeAlgorithm([0, 1]), resume=True)


def test_weights_that_are_not_of_mean_one_are_an_error(tmp_path: Path) -> None:
    class Unnormalized(FakeAlgorithm):
        def estimate_weights(self) -> Any:
            return [np.full(N_TRANSITIONS, 2.0)]

    with pytest.raises(InvalidDistributionError, match="mean 2"):
        run(tmp_path, 3, Unnormalized())


def test_rows_that_a_checkpoint_counts_on_must_be_there(tmp_path: Path) -> None:
    run(tmp_path, 3)
    path = directory(tmp_path) / "metrics.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(InvalidFileError, match="epochs 1 to 3"):
        run(tmp_path, 5, resume=True)
