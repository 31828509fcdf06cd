"""Fits of the deep model that are interrupted in a pause go on there, to the same bytes."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ampl.interruption import Interruption
from ampl.pauses import at_pauses, pause
from ampl.runs.checkpoints import checkpoint_places
from continuous.model import fit as dynamics_fit
from continuous.model import fit_run
from continuous.model.ensemble import EnsembleDynamics
from continuous.model.loss import LikelihoodLoss
from continuous.model.network import DynamicsConfig
from continuous.networks.streams import SeedStreams
from tests.ampl.runs.interruption import ROOT, run_bytes
from tests.continuous.algorithms.small_run import small_run
from tests.continuous.model.small_dynamics import ROWS, build, linear_table, make_network, small
from tests.continuous.networks.seed_vector import of_seed

SEEDS = [3, 4]
STAGGERED = small(steps_per_look=20, improvement=0.08, learning_rate=3e-3)  # seeds end at different looks
CONFIGS = {
    "fresh batches": STAGGERED,
    "bootstraps": small(steps_per_look=None, fixed_bootstrap=True, batch_size=17, improvement=0.08, learning_rate=3e-3),
    "a look in parts": small(steps_per_look=None, fixed_bootstrap=True, max_steps=50),
}


def pauses_until(number: int, stop: Callable[[], Any]) -> Callable[[], None]:
    """`pause`, and after so many of them `stop`."""
    counts: Iterator[int] = iter(range(1, 10_000))

    def paused() -> None:
        pause()
        if next(counts) == number:
            stop()

    return paused


def interrupt() -> None:
    raise Interruption


def everything(model: EnsembleDynamics, streams: SeedStreams) -> list[dict[str, Any]]:
    return [{**model.state(index), "stream": streams.state(index)} for index in range(len(SEEDS))]


@pytest.mark.parametrize(
    ("name", "weighted"),
    [("fresh batches", True), ("bootstraps", False), ("bootstraps", True), ("a look in parts", False)],
)
def test_a_fit_goes_on_from_its_pauses_to_the_same_bytes(
    name: str, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_run, "_PART", 6 if name == "a look in parts" else 500)
    table, config = linear_table(), CONFIGS[name]
    weights = torch.rand(2, 300, generator=torch.Generator().manual_seed(0)) if weighted else None
    model, streams = build(SEEDS, config, table), SeedStreams(SEEDS, "fit")
    saved: list[list[dict[str, Any]]] = []
    with at_pauses(lambda: saved.append(everything(model, streams))):
        metrics = model.fit(table, weights, streams)
    expected = everything(model, streams)
    assert len(saved) >= 4
    if name != "a look in parts":
        assert ("fit/training" in saved[-1][0]) != ("fit/training" in saved[-1][1])
        assert metrics[0]["model/epochs"] != metrics[1]["model/epochs"]
    for states in (saved[0], saved[len(saved) // 2], saved[-1]):  # the last when one seed had ended
        other, own = build([8, 9], config, table), SeedStreams([8, 9], "other")
        for index, state in enumerate(states):
            other.load_state(index, state)
            own.load_state(index, state["stream"])
        assert other.fit(table, weights, own) == metrics
        for one, two in zip(expected, everything(other, own), strict=True):
            assert one.keys() == two.keys()
            assert all((one[key] == two[key]).all() for key in one)


def test_a_seed_that_is_missing_is_left_out_and_a_later_fit_begins_anew() -> None:
    table = linear_table()
    model, streams = build(SEEDS, STAGGERED, table), SeedStreams(SEEDS, "fit")
    saved: list[list[dict[str, Any]]] = []
    with at_pauses(lambda: saved.append(everything(model, streams))):
        model.fit(table, None, streams)
    expected = of_seed(model.network.members, 1)
    other, own = build(SEEDS, STAGGERED, table), SeedStreams(SEEDS, "fit")
    untouched = of_seed(other.network.members, 0)
    other.load_state(1, saved[1][1])
    own.load_state(1, saved[1][1]["stream"])
    metrics = other.fit(table, None, own)
    assert metrics[0]["model/epochs"] == 0.0
    assert torch.equal(of_seed(other.network.members, 0), untouched)
    torch.testing.assert_close(of_seed(other.network.members, 1), expected, rtol=1e-3, atol=1e-4)
    assert other.fit(table, None, own)[0]["model/epochs"] > 0.0


@pytest.mark.parametrize(("algorithm", "number"), [("mopo", 1), ("mopo", 4), ("ampl", 2), ("ampl", 4)])
def test_a_training_that_ends_within_a_fit_goes_on_to_the_same_bytes(
    algorithm: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = 2
    small_run(algorithm, tmp_path / "whole", epochs)
    with monkeypatch.context() as patch:
        patch.setattr(dynamics_fit, "pause", pauses_until(number, interrupt))
        with pytest.raises(Interruption):
            small_run(algorithm, tmp_path / "cut", epochs)
    runs = [tmp_path / which / "line" / algorithm / "main" for which in ("whole", "cut")]
    assert checkpoint_places(runs[1] / "seed0" / "checkpoint")[0].pause > 0
    small_run(algorithm, tmp_path / "cut", epochs, resume=True)
    for seed in ("seed0", "seed1"):
        assert run_bytes(runs[0] / seed, epochs) == run_bytes(runs[1] / seed, epochs)


def test_a_training_that_is_killed_within_a_fit_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import os, signal; from continuous.model import fit; from pathlib import Path;"
        "from tests.continuous.algorithms.small_run import small_run;"
        "from tests.continuous.model.test_saved_fits import pauses_until;"
        "fit.pause = pauses_until(3, lambda: os.kill(os.getpid(), signal.SIGKILL));"
        f"small_run('mopo', Path({str(tmp_path / 'cut')!r}), 2)"
    )
    ended = subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False)
    assert ended.returncode == -signal.SIGKILL
    small_run("mopo", tmp_path / "whole", 2)
    small_run("mopo", tmp_path / "cut", 2, resume=True)
    runs = [tmp_path / which / "line" / "mopo" / "main" / "seed0" for which in ("whole", "cut")]
    assert run_bytes(runs[0], 2) == run_bytes(runs[1], 2)


@pytest.mark.parametrize("config", [STAGGERED, CONFIGS["bootstraps"]])
def test_a_fit_leaves_nothing_behind_when_it_ends_or_is_interrupted(config: DynamicsConfig) -> None:
    """Not even what only a collection of garbage would find: on a GPU it would hold the memory of recordings."""
    network, streams = make_network(SEEDS, config), SeedStreams(SEEDS, "fit")

    def runs() -> int:
        return sum(type(found) is fit_run.FitRun for found in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        dynamics_fit.fit_network(network, ROWS, None, streams, LikelihoodLoss())
        assert runs() == 0
        try:
            with at_pauses(interrupt):
                dynamics_fit.fit_network(network, ROWS, None, streams, LikelihoodLoss())
        except Interruption:
            pass
        assert runs() == 0
    finally:
        gc.enable()


def test_what_is_shown_bounds_the_end_by_patience_and_by_the_number_of_steps() -> None:
    shown: list[str] = []

    def script() -> None:
        shown.append(fit._run.outlook())  # type: ignore[union-attr]

    config = small(steps_per_look=10, patience=3, improvement=0.5, max_steps=35, learning_rate=0.0)
    network = make_network([0], config)
    fit = dynamics_fit.Fit(network, ROWS, None, SeedStreams([0], "fit"), LikelihoodLoss())
    with at_pauses(script):
        fit.finish()
    assert len(shown) == 3
    assert shown[0].startswith("hold-out ")
    assert "ends in at most 25 steps (" in shown[0]
    config = small(steps_per_look=10, patience=3, improvement=0.5, max_steps=100, learning_rate=0.0)
    shown.clear()
    fit = dynamics_fit.Fit(make_network([0], config), ROWS, None, SeedStreams([0], "fit"), LikelihoodLoss())
    with at_pauses(script):
        fit.finish()
    assert ", ends in at most 3 looks without improvement (about " in shown[0]
    assert "), its bound is 90 steps away" in shown[0]
    assert "in at most 2 looks without improvement" in shown[1]
    assert "in at most 1 look without improvement" in shown[2]
