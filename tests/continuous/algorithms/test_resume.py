"""A deep run that is killed continues bit for bit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ampl.command_line.main import main
from tests.ampl.runs.interruption import kill_after_checkpoint, run_bytes, train_and_kill
from tests.continuous.algorithms.small_run import BUILD, small_run

EPOCHS = 10


@pytest.mark.parametrize("algorithm", [name for name in BUILD if name not in ("bc", "td3-bc", "cql")])  # as iql
def test_a_killed_run_continues_to_the_same_bytes(algorithm: str, tmp_path: Path) -> None:
    run = Path(f"line/{algorithm}/main/seed0")
    epochs = EPOCHS if algorithm == "ampl" else 4 * EPOCHS  # quick ones get further before the kill
    small_run(algorithm, tmp_path / "whole", epochs)
    module = [sys.executable, "-m", "tests.continuous.algorithms.small_run", algorithm]
    command = [*module, str(tmp_path / "killed"), str(10 * epochs)]
    reached = kill_after_checkpoint(command, run=tmp_path / "killed" / run, epoch=2)
    assert reached < epochs, "the run got too far before the kill for this test to say anything"
    small_run(algorithm, tmp_path / "killed", epochs, resume=True)
    for seed in ("seed0", "seed1"):
        parts = [tmp_path / name / run.parent / seed for name in ("whole", "killed")]
        assert run_bytes(parts[0], epochs) == run_bytes(parts[1], epochs)


@pytest.mark.slow
def test_a_killed_command_continues_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ampl train` on a re-created maze2d dataset: 2N epochs equal N, kill -9, --resume, N, on as many threads."""
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "data"))
    assert main(["data", "make", "maze2d-umaze-v1", "--steps", "2000"]) == 0
    options = ["--epochs", "10", "--steps-per-epoch", "8", "--device", "cpu"]
    arguments = ["mopo", "maze2d-umaze-v1", *options]
    run = Path("maze2d-umaze-v1/mopo/main/seed0")
    threads = ["--threads", "2"]
    assert main(["train", *arguments, *threads, "--out", str(tmp_path / "whole")]) == 0
    killed = ["--out", str(tmp_path / "killed")]
    assert train_and_kill(*arguments, *threads, *killed, run=tmp_path / "killed" / run, epoch=5) < EPOCHS
    assert main(["train", *arguments, *killed, "--resume"]) == 0
    assert run_bytes(tmp_path / "whole" / run, EPOCHS) == run_bytes(tmp_path / "killed" / run, EPOCHS)
