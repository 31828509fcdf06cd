"""How often a loop is run on a GPU before it is timed: until its steps are recorded, or once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from continuous.commands.bench.loops import Loop
from continuous.commands.bench.measuring import timed
from continuous.networks.repetition import Repetition


def calls(
    make: Callable[[Callable[[int], None]], Callable[[int], None]], *, surrounded: bool, device: str
) -> list[int]:
    """With how many steps a loop is called, in three rounds without any time."""
    counts: list[int] = []
    run = make(counts.append)
    loop = Loop(name="x", unit="steps", seeds=1, units=1, run=run, observed=run, surrounded=surrounded)
    timed(loop, None, device, seconds=0.0, rounds=3)
    return counts


class Counted(Repetition):
    """Steps that would be recorded."""

    def __init__(self, note: Callable[[int], None]) -> None:
        super().__init__(lambda: None, [], "cpu")
        self.note = note

    def run(self, steps: int) -> None:
        self.note(steps)


def plain(note: Callable[[int], None]) -> Callable[[int], None]:
    return lambda steps: note(steps)


def lasting(note: Callable[[int], None]) -> Callable[[int], None]:
    """Steps that take time: a loop with surroundings is given more of them until they outlast those."""

    def run(steps: int) -> None:
        note(steps)
        time.sleep(1e-4 * steps)

    return run


def test_whole_evaluations_and_rollouts_are_warmed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert calls(plain, surrounded=False, device="cuda") == [1, 1, 1, 1, 1]
    assert calls(lambda note: Counted(note).run, surrounded=False, device="cuda") == [5, 5, 1, 1, 1]
    assert calls(lasting, surrounded=True, device="cuda")[:2] == [5, 5]  # a fit records within every call
    assert calls(lambda note: Counted(note).run, surrounded=False, device="cpu") == [1, 1, 1, 1, 1]
