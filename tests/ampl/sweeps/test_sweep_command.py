"""`ampl sweep` with real processes: trained, interrupted, gone on with, and the same on a Ray cluster."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ampl.command_line.main import main

ROOT = Path(__file__).parents[3]
SWEEP = """
    algorithms = ["mopo"]
    tasks = ["gridworld-5x5"]
    seeds = "0-1"
    [train]
    epochs = {epochs}
    checkpoint_seconds = 0
"""


def start(file: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ampl", "sweep", str(file), "--out", str(out), "--workers", "2", *options],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_an_interrupted_sweep_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    file, out = tmp_path / "sweep.toml", tmp_path / "runs"
    file.write_text(SWEEP.format(epochs=600))
    runs = [out / f"gridworld-5x5/mopo/main/seed{seed}" for seed in (0, 1)]
    sweep = start(file, out)
    deadline = time.monotonic() + 120
    while not all((run / "metrics.csv").exists() for run in runs) and time.monotonic() < deadline:
        time.sleep(0.05)
    sweep.send_signal(signal.SIGINT)
    said, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130
    assert "ampl: interrupted; to go on: " in said
    assert not any((run / "result.json").exists() for run in runs)
    again = start(file, out)
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert "2 jobs: 2 finished" in said
    assert main(["train", "mopo", "gridworld-5x5", "--epochs", "600", "--out", str(tmp_path / "alone")]) == 0
    alone = tmp_path / "alone/gridworld-5x5/mopo/main/seed0/metrics.csv"
    assert (runs[0] / "metrics.csv").read_bytes() == alone.read_bytes()


@pytest.mark.slow
def test_a_ray_cluster_trains_the_same_and_reports_what_fails(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    file, out = tmp_path / "sweep.toml", tmp_path / "runs"
    file.write_text(SWEEP.format(epochs=3))
    taken = out / "gridworld-5x5/mopo/main/seed1"
    taken.mkdir(parents=True)
    (taken / "notes.txt").write_text("mine")
    sweep = start(file, out, "--backend", "ray")
    said, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 1, said
    assert "1 finished, 1 failed" in said
    assert "is not a run directory of ampl" in said
    assert (taken / "notes.txt").read_text() == "mine"
    assert main(["train", "mopo", "gridworld-5x5", "--epochs", "3", "--out", str(tmp_path / "alone")]) == 0
    trained = [folder / "gridworld-5x5/mopo/main/seed0/metrics.csv" for folder in (out, tmp_path / "alone")]
    assert trained[0].read_bytes() == trained[1].read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.toml"], "does not exist"),
        (["sweep.toml", "--worker", "3/2"], "expected I/N with 1 <= I <= N"),
        (["sweep.toml", "--workers", "-1"], "--workers is -1"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sweep.toml").write_text(SWEEP.format(epochs=3))
    assert main(["sweep", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_workers_of_several_machines_share_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sweep.toml").write_text(SWEEP.format(epochs=3))
    shown = []
    for worker in ("1/2", "2/2"):
        assert main(["sweep", "sweep.toml", "--dry-run", "--worker", worker]) == 0
        shown += capsys.readouterr().out.splitlines()
    assert shown == [f"mopo on gridworld-5x5, main, seed {seed}" for seed in (0, 1)]
