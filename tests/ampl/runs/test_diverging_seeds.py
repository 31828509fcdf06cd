"""A seed that diverges stops for good, wherever it shows, and the others never notice."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampl.errors import DivergedError
from ampl.runs.checkpoints import checkpoint_epochs, read_checkpoint
from ampl.runs.metrics_table import read_metrics
from ampl.runs.run_directory import Status
from tests.ampl.fake_algorithm import FakeAlgorithm
from tests.ampl.test_training_driver import damage, directory, recorded_bytes, run


def test_a_seed_that_diverges_stops_and_the_others_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    results = run(tmp_path, 5, FakeAlgorithm([0, 1], diverging={0: 3}))
    assert [result.result.status for result in results] == [Status.STOPPED, Status.FINISHED]
    assert "'policy/loss' of seed 0 is nan in epoch 3" in caplog.text
    assert results[0].result.epochs == 2
    read_checkpoint(directory(tmp_path, 0) / "checkpoint", 2)
    assert len(read_metrics(directory(tmp_path, 0) / "metrics.csv")["epoch"]) == 2
    assert len(read_metrics(directory(tmp_path, 1) / "metrics.csv")["epoch"]) == 5


def test_a_stopped_seed_stays_stopped_when_the_others_resume(tmp_path: Path) -> None:
    run(tmp_path / "parts", 4, FakeAlgorithm([0, 1], diverging={0: 3}))
    before = recorded_bytes(tmp_path / "parts", 2, seed=0)
    results = run(tmp_path / "parts", 6, FakeAlgorithm([0, 1]), resume=True)
    assert [result.result.epochs for result in results] == [2, 6]
    assert recorded_bytes(tmp_path / "parts", 2, seed=0) == before
    run(tmp_path / "alone", 6, FakeAlgorithm([1]))
    assert recorded_bytes(tmp_path / "parts", 6, seed=1) == recorded_bytes(tmp_path / "alone", 6, seed=1)


def test_when_every_seed_diverges_the_error_names_metric_and_epoch(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"'policy/loss' of seed 0 is nan in epoch 2; .* seed 1 is nan in epoch 3"):
        run(tmp_path, 5, FakeAlgorithm([0, 1], diverging={0: 2, 1: 3}))
    with pytest.raises(DivergedError):
        run(tmp_path, 5, FakeAlgorithm([0, 1]), resume=True)


class BrokenFit(FakeAlgorithm):
    """Seed 0 has a loss that is not finite in its first fit, or in its first weighted one."""

    def __init__(self, seeds: list[int], *, weighted: bool) -> None:
        super().__init__(seeds)
        self.weighted = weighted

    def fit_model(self, weights: Any) -> Any:
        metrics = super().fit_model(weights)
        if (weights is not None) == self.weighted:
            metrics[0] = {"model/loss_nats": float("inf")}
        return metrics


class BrokenWeights(FakeAlgorithm):
    def estimate_weights(self) -> Any:
        weights = super().estimate_weights()
        weights[0][3] = float("nan")
        return weights

    def fit_model(self, weights: Any) -> Any:
        assert weights is None or np.isfinite(weights).all()
        return super().fit_model(weights)


class BrokenState(FakeAlgorithm):
    """Seed 0's parameters have a NaN from epoch 3 on that no metric shows."""

    def state(self, index: int) -> Any:
        state = dict(super().state(index))
        if index == 0 and "improve 3" in self.calls:
            state["model"] = np.array([1.0, np.nan, np.inf], dtype=np.float32)
        return state


@pytest.mark.parametrize(
    ("algorithm", "what", "recorded", "checkpoint"),
    [
        (BrokenFit([0, 1], weighted=False), "metric 'model/loss_nats' of seed 0 is inf in epoch 1", 0, None),
        (BrokenFit([0, 1], weighted=True), "metric 'model/loss_nats' of seed 0 is inf in epoch 3", 2, 2),
        (BrokenWeights([0, 1]), "metric 'weights/mean' of seed 0 is nan in epoch 3", 2, 2),
        (BrokenState([0, 1]), "tensor 'model' of seed 0 has a NaN after epoch 3", 3, 2),
    ],
)
def test_wherever_a_seed_diverges_it_stops_for_good_and_the_others_go_on(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    algorithm: FakeAlgorithm,
    what: str,
    recorded: int,
    checkpoint: int | None,
) -> None:
    run(tmp_path / "parts", 4, algorithm)
    assert what in caplog.text
    stopped = directory(tmp_path / "parts", 0)
    caplog.clear()
    results = run(tmp_path / "parts", 6, FakeAlgorithm([0, 1]), resume=True)
    assert f"seed 0 stays stopped: {what}" in caplog.text
    assert [(one.result.status, one.result.epochs) for one in results] == [
        (Status.STOPPED, recorded),
        (Status.FINISHED, 6),
    ]
    assert results[0].result.message == what
    assert max(checkpoint_epochs(stopped / "checkpoint"), default=None) == checkpoint
    run(tmp_path / "alone", 6, FakeAlgorithm([1]))
    assert recorded_bytes(tmp_path / "parts", 6, seed=1) == recorded_bytes(tmp_path / "alone", 6, seed=1)


def test_a_stopped_seed_is_never_put_back_to_a_later_epoch_than_the_others(tmp_path: Path) -> None:
    class Interrupted(FakeAlgorithm):
        def state(self, index: int) -> Any:
            if "improve 3" in self.calls:
                raise KeyboardInterrupt
            return super().state(index)

    class Restored(FakeAlgorithm):
        def load_state(self, index: int, state: Any) -> None:
            super().load_state(index, state)
            self.calls.append(f"load {index}: {state['place'].tolist()}")

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 5, Interrupted([0, 1], diverging={0: 3}))
    damage(directory(tmp_path, 1) / "checkpoint" / "epoch_0002" / "state.safetensors")
    expected = [read_checkpoint(directory(tmp_path, seed) / "checkpoint", 1).state["place"].tolist() for seed in (0, 1)]
    algorithm = Restored([0, 1])
    run(tmp_path, 5, algorithm, resume=True)
    assert algorithm.calls[:2] == [f"load {index}: {place}" for index, place in enumerate(expected)]
