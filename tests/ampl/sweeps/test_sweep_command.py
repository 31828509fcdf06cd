"""`ampl sweep` with real processes: trained, interrupted, gone on with, and the same on a Ray cluster."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ampl.command_line.commands.sweep import _read_options
from ampl.command_line.main import main
from ampl.errors import ExistingRunError
from ampl.file_lock import FolderLock
from ampl.sweeps import sweep_lock
from ampl.sweeps.plan import read_plan

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


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert happened()


def recorded(run: Path) -> int:
    return (run / "metrics.csv").stat().st_size if (run / "metrics.csv").exists() else 0


def nobody_trains_in(run: Path) -> bool:
    try:
        FolderLock(run).release()
    except ExistingRunError:
        return False
    return True


@pytest.mark.slow
def test_a_killed_or_interrupted_sweep_ends_its_trainings_and_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    file, out = tmp_path / "sweep.toml", tmp_path / "runs"
    file.write_text(SWEEP.format(epochs=600))
    runs = [out / f"gridworld-5x5/mopo/main/seed{seed}" for seed in (0, 1)]
    sweep = start(file, out)
    wait_for(lambda: all(map(recorded, runs)))
    sweep.kill()
    sweep.communicate()
    if sys.platform == "linux":
        wait_for(lambda: all(map(nobody_trains_in, runs)))
        assert not any((run / "result.json").exists() for run in runs)
    before = sum(map(recorded, runs))
    sweep = start(file, out)
    wait_for(lambda: sum(map(recorded, runs)) > before)
    sweep.send_signal(signal.SIGINT)
    said, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130
    assert "2 jobs: 2 interrupted" in said
    assert "ampl: interrupted; to go on: " in said
    assert not any((run / "result.json").exists() for run in runs)
    again = start(file, out)
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert "2 jobs: 2 finished" in said
    assert main(["train", "mopo", "gridworld-5x5", "--epochs", "600", "--out", str(tmp_path / "alone")]) == 0
    alone = tmp_path / "alone/gridworld-5x5/mopo/main/seed0/metrics.csv"
    assert (runs[0] / "metrics.csv").read_bytes() == alone.read_bytes()


def test_a_second_sweep_in_a_folder_is_refused_but_not_another_part_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sweep.toml").write_text('algorithms = ["mopo"]\ntasks = ["gridworld-5x5"]\n[train]\nepochs = 1')
    Path("other.toml").write_text('algorithms = ["damo"]\ntasks = ["gridworld-5x5"]\n[train]\nepochs = 1')
    monkeypatch.setattr(sweep_lock, "_PATIENCE", 0.1)
    first = sweep_lock.lock_sweep(Path("runs"), 1, 2, read_plan(Path("sweep.toml"), Path("runs"), _read_options))
    assert main(["sweep", "sweep.toml", "--worker", "1/2"]) == 2
    assert "another process is training in runs" in capsys.readouterr().err
    for others in (["sweep.toml"], ["sweep.toml", "--worker", "2/3"], ["other.toml", "--worker", "2/2"]):
        assert main(["sweep", *others]) == 2
        assert "another sweep is under way in runs. Wait for it" in capsys.readouterr().err
    assert not any(Path("runs").rglob("config.json"))
    assert main(["sweep", "sweep.toml", "--worker", "2/2"]) == 0
    first.release()
    assert main(["sweep", "sweep.toml"]) == 0


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
        (
            ["sweep.toml", "--out", "sweep.toml"],
            "cannot write into sweep.toml: Not a directory. Choose a folder you can write to: --out DIR.",
        ),
        (["negative.toml"], "negative.toml: [train] epochs is -3"),
        (["word.toml"], "word.toml: [train] gives 'yes' to no option"),
        (["workers.toml"], "workers.toml: [train] eval_workers is -1"),
        (["env.toml"], "env.toml: env is given without data"),
        (["exact.toml"], "exact.toml: --eval-every is given; on a finite MDP evaluation is exact"),
        (["multiple.toml"], "multiple.toml: --certificates-every is 3; expected a multiple of --eval-every"),
        (["help.toml"], "help.toml: [train] has help"),
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
    Path("negative.toml").write_text(SWEEP.format(epochs=-3))
    Path("word.toml").write_text(f'{SWEEP.format(epochs=3)}    common_starts = "yes"')
    Path("workers.toml").write_text(f"{SWEEP.format(epochs=3)}    eval_workers = -1")
    Path("env.toml").write_text(f'{SWEEP.format(epochs=3)}    env = "Hopper-v5"')
    Path("exact.toml").write_text(f"{SWEEP.format(epochs=3)}    eval_every = 2")
    Path("help.toml").write_text(f"{SWEEP.format(epochs=3)}    help = true")
    deep = 'algorithms = ["mopo"]\ntasks = ["lqr-pointmass"]\n[train]\neval_every = 4\ncertificates_every = 3'
    Path("multiple.toml").write_text(deep)
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
