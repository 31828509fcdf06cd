"""Repeating a step: as many as asked for; on a GPU the recorded steps equal the eager ones."""

import pytest
import torch

from continuous.repetition import Repetition
from continuous.streams import SeedStreams


def walk(device: str, *, capture: bool) -> torch.Tensor:
    streams = SeedStreams([0, 1], "walk", device)
    total = torch.zeros(2, 5, device=device)

    def step() -> None:
        total.mul_(0.5).add_(streams.normal(5))

    repetition = Repetition(step, [streams], device, capture=capture)
    for steps in (1, 7, 0, 4):
        repetition.run(steps)
    return total


def test_it_makes_as_many_steps_as_asked_for() -> None:
    streams = SeedStreams([0, 1], "walk")
    expected = torch.zeros(2, 5)
    for _ in range(12):
        expected = 0.5 * expected + streams.normal(5)
    torch.testing.assert_close(walk("cpu", capture=True), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_recorded_steps_draw_and_compute_what_eager_ones_do() -> None:
    torch.testing.assert_close(walk("cuda", capture=True), walk("cuda", capture=False))
