"""How PyTorch computes: as a run's arithmetic says on either device, and settings are put back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch

from ampl.arithmetic import Arithmetic
from ampl.command_line.main import main
from ampl.interfaces import Algorithm
from ampl.scale import Scale
from continuous.networks.arithmetic import arithmetic_on, fast_arithmetic
from tests.ampl.fake_algorithm import FakeFactory, announce_fake
from tests.ampl.runs.interruption import run_bytes
from tests.continuous.algorithms.small_model_based import small_mopo

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def settings() -> tuple[int, str]:
    return torch.get_num_threads(), torch.get_float32_matmul_precision()


@pytest.fixture
def other_settings() -> Iterator[tuple[int, str]]:
    """The process has none of the default settings."""
    before = settings()
    torch.set_num_threads(3)
    torch.set_float32_matmul_precision("medium")
    yield settings()
    torch.set_num_threads(before[0])
    torch.set_float32_matmul_precision(before[1])


def test_the_default_is_one_thread_and_plain_float32_and_settings_are_put_back(other_settings: tuple[int, str]) -> None:
    with fast_arithmetic():
        assert settings() == (1, "highest")
    assert settings() == other_settings


def test_denormal_numbers_count_as_zero_until_the_outermost_use_ends() -> None:
    """As where RAMBO trains its model after the policy's epoch, which has such a use of its own."""

    def product() -> float:
        return float(torch.full((), 1e-30) * 1e-10)

    with fast_arithmetic():
        with fast_arithmetic():
            assert product() == 0.0
        assert product() == 0.0
    assert product() > 0.0


@pytest.mark.parametrize("device", [CPU, GPU])
def test_the_precision_counts_on_either_device(device: torch.device, other_settings: tuple[int, str]) -> None:
    with arithmetic_on(device, Arithmetic(threads=2, precision="high")):
        assert settings() == (2 if device == CPU else other_settings[0], "high")
    assert settings() == other_settings


class SmallFactory(FakeFactory):
    """A small deep MOPO."""

    def build(  # type: ignore[override]
        self, problem: str, variant: str, seeds: Sequence[int], device: str, scale: Scale, arithmetic: Arithmetic
    ) -> Algorithm:
        return small_mopo(seeds, arithmetic=arithmetic)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Trains the small algorithm by `ampl train` and returns the run directory."""
    announce_fake(monkeypatch, factory=SmallFactory(), name="mopo")

    def train(name: str, *options: str) -> Path:
        assert main(["train", "mopo", "maze-small", "--epochs", "2", "--out", str(tmp_path / name), *options]) == 0
        return tmp_path / name / "maze-small" / "mopo" / "plain" / "seed0"

    return train


def test_a_busy_machine_gives_the_same_bytes(trained: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    idle = trained("idle")
    monkeypatch.setattr(os, "getloadavg", lambda: (30.0, 30.0, 30.0), raising=False)
    neighbor = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        busy = trained("busy")
    finally:
        neighbor.kill()
        neighbor.wait()
    assert run_bytes(busy, 2) == run_bytes(idle, 2)
    for run in (idle, busy):
        (session,) = json.loads((run / "manifest.json").read_text())["sessions"]
        assert session.items() >= {"first_epoch": 1, "threads": 1, "precision": "highest"}.items()


def test_a_resumed_run_takes_up_its_precision_and_gives_the_bytes_of_an_uninterrupted_one(
    trained: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--precision", "high")
    whole = trained("whole", *options)
    trained("parts", *options, "--epochs", "1")
    capsys.readouterr()
    parts = trained("parts", "--resume")
    assert "ampl: info: goes on with 1 thread and precision 'high', as recorded.\n" in capsys.readouterr().err
    assert run_bytes(parts, 2) == run_bytes(whole, 2)
    sessions = json.loads((parts / "manifest.json").read_text())["sessions"]
    assert [each["first_epoch"] for each in sessions] == [1, 2]
    assert all(each.items() >= {"threads": 1, "precision": "high", "device": "cpu"}.items() for each in sessions)
