"""The half hour on a GPU as far as a CPU allows: its refusal, its stages, its campaign and what it brings home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from ampl.runs.checkpoints import Checkpoint, write_checkpoint
from benchmarks import gpu
from benchmarks.gpu_campaign import BY_VALUE, Queue, Training
from benchmarks.gpu_measurements import (
    MADE,
    NOISE,
    PARTS,
    TF32_TOLERANCE,
    TOLERANCE,
    agrees,
    allows_tf32,
    compare,
    widest,
)
from continuous.tasks.find import find_task
from tests.continuous.algorithms.factories import FACTORIES

ROOT = Path(__file__).parents[2]
SLOW = pytest.mark.slow


def gpu_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_it_refuses_in_one_line_without_a_gpu(tmp_path: Path) -> None:
    result = gpu_command("--out", tmp_path / "out")
    assert result.returncode == 2
    assert result.stderr.strip().splitlines() == ["gpu: error: no usable GPU; --device cpu --quick rehearses on a CPU."]
    assert not (tmp_path / "out" / "campaign.pid").exists()


@pytest.mark.slow
def test_a_rehearsal_does_every_stage_once_and_brings_trainings_home(tmp_path: Path) -> None:
    out, home = tmp_path / "out", tmp_path / "home"
    options = ("--out", out, "--device", "cpu", "--quick", "--minutes", 9, "--copy-to", home)
    first = gpu_command(*options)
    assert first.returncode == 0, first.stdout + first.stderr
    stages = json.loads((home / "results.json").read_text())["stages"]
    assert {name: found["exit_code"] for name, found in stages.items()} == dict.fromkeys(
        ("device", "datasets", "tests", "probe", "differences"), 0
    )
    with tarfile.open(home / "archive.tar.gz") as archive:
        names = archive.getnames()
    for algorithm in ("mopo/kit", "damo/main"):
        for file in ("metrics.csv", "result.json", "policy_0003.safetensors"):
            assert f"runs/hopper-random-v2/{algorithm}/seed1/{file}" in names
    assert not [name for name in names if "checkpoint" in name]
    again = gpu_command(*options)
    assert again.returncode == 0
    assert "exit code" not in again.stdout  # nothing was repeated
    assert "campaign: has ended" in again.stdout


def test_a_stage_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    started = time.monotonic()
    found = gpu.run(["sh", "-c", "echo here; sleep 100 & sleep 100"], tmp_path / "log", 1.0, os.environ)
    assert (found["exit_code"], found["end"]) == (124, "here\n")
    assert time.monotonic() - started < 50.0


def test_stages_install_first_where_wheels_were_brought(tmp_path: Path) -> None:
    options = SimpleNamespace(device="cuda", quick=False, wheels=tmp_path)
    names = [name for name, _, _ in gpu.stages(options, tmp_path)]  # type: ignore[arg-type]
    assert names == ["install", "device", "datasets", "tests", "probe", "differences"]
    options.wheels = None
    making = {name: command for name, command, _ in gpu.stages(options, tmp_path)}["datasets"]  # type: ignore[arg-type]
    assert all(task in making[-1] for task in gpu.MADE)
    assert all(find_task(task) for task in gpu.MADE)


def test_a_process_that_has_ended_or_is_another_is_no_running_campaign(tmp_path: Path) -> None:
    assert gpu._running(tmp_path) is None
    (tmp_path / "campaign.pid").write_text(str(os.getpid()))
    assert gpu._running(tmp_path) is None
    (tmp_path / "campaign.pid").write_text("nonsense")
    assert gpu._running(tmp_path) is None


def test_the_archive_has_the_newest_policies_and_no_checkpoints(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "task" / "mopo" / "kit" / "seed0"
    state = {
        "learner/critic_online/bias0": np.ones(2),
        "learner/policy_optimizer/step": np.ones(1),
        "buffer": np.zeros(9),
    }
    for epoch in (1, 2):
        write_checkpoint(
            run / "checkpoint",
            Checkpoint(epoch=epoch, state=state | {"learner/policy/network/bias0": np.full(3, epoch)}),
        )
    (run / "metrics.csv").write_text("epoch\n1\n2\n")
    gpu.archive(tmp_path)
    with tarfile.open(tmp_path / "archive.tar.gz") as archive:
        assert sorted(archive.getnames()) == [
            "runs/task/mopo/kit/seed0/metrics.csv",
            "runs/task/mopo/kit/seed0/policy_0002.safetensors",
        ]
        file = archive.extractfile("runs/task/mopo/kit/seed0/policy_0002.safetensors")
        assert file is not None
        policy = load(file.read())
    assert policy.keys() == {"learner/policy/network/bias0", "learner/critic_online/bias0"}
    assert policy["learner/policy/network/bias0"].tolist() == [2, 2, 2]


def test_every_training_of_the_campaign_can_be_built() -> None:
    for training in BY_VALUE:
        assert training.variant in FACTORIES[training.algorithm].variants
        assert find_task(training.task)
    assert len(set(BY_VALUE)) == len(BY_VALUE)


def test_each_training_is_given_out_once_and_waits_for_its_data(tmp_path: Path) -> None:
    later, ready = Training("mopo", "hopper-medium-v2", "kit"), Training("mopo", "walker2d-medium-v2", "kit")
    (tmp_path / find_task(ready.task).file_name).touch()
    queue, given = Queue((later, ready), tmp_path), []
    workers = [threading.Thread(target=lambda: given.extend(queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + 60.0
    while not given and time.monotonic() < deadline:
        time.sleep(0.01)
    assert given == [ready]
    (tmp_path / find_task(later.task).file_name).touch()
    for worker in workers:
        worker.join(60.0)
    assert given == [ready, later]


def test_the_campaign_is_as_wide_as_was_fastest() -> None:
    rates = {"1 side by side": 10.0, "4 side by side": 30.0, "8 side by side": 20.0, "seconds": 99.0}
    assert widest({"trainings": rates}) == 4
    assert widest({"trainings": {"failed": "no memory", "seconds": 1.0}}) == widest({}) == 1
    assert "trainings" in PARTS


def found(**changes: Any) -> dict[str, Any]:
    same = {f"{what}_{when}": 0.0 for what in ("recorded", "eager", "tf32") for when in ("one", "all")}
    return {"rows": {"updates": same | changes}}


def test_recordings_agree_within_rounding_and_what_failed_does_not() -> None:
    assert agrees(found(recorded_one=TOLERANCE, recorded_all=TOLERANCE))
    assert not agrees(found(recorded_one=2.0 * TOLERANCE))
    assert agrees(found(recorded_all=1e-2, eager_all=1e-2 / NOISE))
    assert not agrees(found(recorded_all=1e-2, eager_one=1e-2))
    assert not agrees(found(recorded_one=float("nan")))
    assert not agrees({"rows": {"updates": {"failed": "CUDA error"}}})
    assert not agrees({})


def test_tf32_is_taken_only_where_every_comparison_was_made_and_allows_it() -> None:
    assert allows_tf32(found(tf32_one=TF32_TOLERANCE))
    assert not allows_tf32(found(tf32_one=2.0 * TF32_TOLERANCE))
    assert not allows_tf32(found(recorded_one=1.0))
    assert not allows_tf32({})


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW if name == "iterations" else ()) for name in MADE])
def test_without_a_recording_there_is_no_difference(name: str) -> None:
    row = compare(MADE[name], "cpu", quick=True)
    assert {value for key, value in row.items() if not key.startswith("tf32")} == {0.0}
