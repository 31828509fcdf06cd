"""`ampl train` on deep tasks: what bad input says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "data"))
    return tmp_path


@pytest.mark.parametrize("algorithm", ["ampl", "mopo", "damo"])
def test_a_missing_dataset_names_the_command_that_makes_it(
    data: Path, mistake: Callable[..., str], algorithm: str
) -> None:
    message = mistake("train", algorithm, "maze2d-umaze-v1", "--out", data / "runs")
    assert "ampl data make maze2d-umaze-v1" in message
    assert not (data / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ampl", "maze2d-umaze-v1", "--variant", "vmp"], "vpm"),
        (["ampl", "maze2d-umaz-v1"], "maze2d-umaze-v1"),
        (["ampl", "maze2d-umaze-v1", "--steps-per-epoch", "100"], "multiple of 8"),
        (["ampl", "maze2d-umaze-v1", "--miw-steps", "0"], "--miw-steps"),
        (["damo", "maze2d-umaze-v1", "--model-steps", "0"], "--model-steps"),
        (["mopo", "hopper-medium-v2", "--eval-every", "0"], "--eval-every is 0"),
        (["damo", "hopper-medium-v2", "--eval-episodes", "-3"], "--eval-episodes is -3"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments: list[str], expected: str, data: Path, mistake: Callable[..., str]
) -> None:
    assert expected in mistake("train", *arguments, "--out", data / "runs")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_one_line(data: Path, mistake: Callable[..., str]) -> None:
    assert "no usable GPU" in mistake("train", "ampl", "maze2d-umaze-v1", "--device", "cuda")
