"""Fits of the model that are interrupted: saved in their pauses, resumed there."""

import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ampl.interfaces import Array, Metrics, State
from ampl.interruption import Interruption, saving_first
from ampl.pauses import at_pauses, pause
from ampl.runs.checkpoints import (
    Checkpoint,
    Place,
    checkpoint_epochs,
    checkpoint_places,
    read_checkpoint,
    write_checkpoint,
)
from tests.ampl.fake_algorithm import FakeAlgorithm
from tests.ampl.runs.interruption import run_bytes
from tests.ampl.test_training_driver import directory, run

PARTS = 4  # of a fit, with a pause after each but the last


class SlowFits(FakeAlgorithm):
    """Its fits are made in parts; what happens after so many parts of all fits together is up to `disturb`."""

    def __init__(self, seeds: Sequence[int] = (0, 1), disturb_after: int = 0, signal_number: int = 0) -> None:
        super().__init__(seeds)
        self.parts, self.made, self.weights_seen = 0, 0, []
        self._disturb_after, self._signal = disturb_after, signal_number

    def fit_model(self, weights: Sequence[Array] | None) -> Sequence[Metrics]:
        self.calls.append("fit" if weights is None else "weighted fit")
        self.weights_seen.append(weights)
        while self.parts < PARTS:
            for index, generator in enumerate(self.generators):
                scale = 1.0 if weights is None else weights[index][0]
                self.models[index] = (self.models[index] + scale * generator.normal(size=3)).astype(np.float32)
            self.parts += 1
            self.made += 1
            if self._signal and self.made == self._disturb_after:
                signal.raise_signal(self._signal)
            if self.parts < PARTS:
                pause()
            if not self._signal and self.made == self._disturb_after:
                raise KeyboardInterrupt
        self.parts = 0
        return [{"model/loss_nats": float(model.sum())} for model in self.models]

    def state(self, index: int) -> State:
        return {**super().state(index), "parts": np.array(self.parts)}

    def load_state(self, index: int, state: State) -> None:
        super().load_state(index, state)
        self.parts = int(state["parts"])


def test_a_pause_without_a_driver_does_nothing_and_ends_with_its_driver() -> None:
    pause()
    seen: list[int] = []
    with at_pauses(lambda: seen.append(1)):
        pause()
    pause()
    assert seen == [1]


@pytest.mark.parametrize("disturb_after", range(1, 3 * PARTS + 1))  # a first fit and two refits
def test_a_fit_that_is_interrupted_goes_on_to_the_same_bytes(disturb_after: int, tmp_path: Path) -> None:
    whole = SlowFits()
    run(tmp_path / "whole", 5, whole)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", 5, SlowFits(disturb_after=disturb_after))
    resumed = SlowFits()
    run(tmp_path / "cut", 5, resumed, resume=True)
    for seed in (0, 1):
        assert run_bytes(directory(tmp_path / "whole", seed), 5) == run_bytes(directory(tmp_path / "cut", seed), 5)
        names = [sorted(path.name for path in (directory(tmp_path / which, seed) / "weights").iterdir())
                 for which in ("whole", "cut")]  # fmt: skip
        assert names[0] == names[1] == [f"{kind}_000{epoch}.npz" for kind in ("epoch", "summary") for epoch in (2, 4)]
    in_last_part = disturb_after % PARTS == 0  # which no pause follows: the part is made again
    assert resumed.made == 3 * PARTS - disturb_after + in_last_part
    assert resumed.calls.count("weights") == sum(disturb_after <= PARTS * fit for fit in (1, 2))
    for one, two in zip(reversed(whole.weights_seen), reversed(resumed.weights_seen), strict=False):
        assert (one is None) == (two is None)
        assert one is None or all((left == right).all() for left, right in zip(one, two, strict=True))


def test_seeds_of_which_one_was_saved_in_a_later_pause_go_on_from_the_one_they_share(tmp_path: Path) -> None:
    run(tmp_path / "whole", 3, SlowFits())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", 3, SlowFits(disturb_after=PARTS + 3))
    newest = directory(tmp_path / "cut", 1) / "checkpoint" / "epoch_0002_fit_0003"
    (newest / "state.safetensors").write_bytes(b"")  # as if the power had been cut
    resumed = SlowFits()
    run(tmp_path / "cut", 3, resumed, resume=True)
    assert resumed.made == 2
    for seed in (0, 1):
        assert run_bytes(directory(tmp_path / "whole", seed), 3) == run_bytes(directory(tmp_path / "cut", seed), 3)


@pytest.mark.parametrize("disturb_after", [2, PARTS + 2])
def test_a_signal_ends_a_fit_in_its_next_pause_with_a_checkpoint(disturb_after: int, tmp_path: Path) -> None:
    with pytest.raises(Interruption), saving_first():
        run(tmp_path, 5, SlowFits(disturb_after=disturb_after, signal_number=signal.SIGTERM), checkpoint_seconds=1e6)
    epoch = 0 if disturb_after < PARTS else 2
    for seed in (0, 1):
        assert checkpoint_places(directory(tmp_path, seed) / "checkpoint")[0] == Place(epoch, 2)
    resumed = SlowFits()
    run(tmp_path, 5, resumed, resume=True)
    assert resumed.made == 3 * PARTS - disturb_after


def test_places_are_ordered_as_a_run_comes_to_them(tmp_path: Path) -> None:
    places = [Place(0, 1), Place(0, 2), Place(0), Place(1), Place(1, 1), Place(1, 10_000), Place(2)]
    kept = []
    for place in places:
        write_checkpoint(tmp_path, Checkpoint(epoch=place.epoch, pause=place.pause, state={"x": np.array(1.0)}))
        kept.append(checkpoint_places(tmp_path))
    assert kept == [
        [Place(0, 1)],
        [Place(0, 2), Place(0, 1)],
        [Place(0), Place(0, 2)],
        [Place(1), Place(0)],
        [Place(1, 1), Place(1)],
        [Place(1, 10_000), Place(1, 1), Place(1)],  # the newest that is not within a fit stays, for `ampl evaluate`
        [Place(2), Place(1, 10_000)],
    ]
    assert checkpoint_epochs(tmp_path) == [2]
    assert read_checkpoint(tmp_path, 1, 10_000).pause == 10_000
