"""The GPU command as far as a CPU allows: its refusals, its parts run eagerly, what it draws."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, gpu_comparison, gpu_scaling
from continuous.bench.workload import PUBLISHED


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_it_refuses_in_one_line_without_a_gpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--out", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert result.returncode == 2
    assert "no usable GPU" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_it_kills_a_training_that_ignores_its_interruption(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    program = f"import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); open({str(ready)!r}, 'w'); "
    code = gpu.run_until(["-S", "-c", program + "time.sleep(60)"], {}, time.monotonic() + 1.0, closing=0.1)
    assert code is None
    assert ready.exists()


def test_it_does_not_accept_what_is_not_a_number() -> None:
    assert gpu_comparison.agrees({"iterations": 0.0, "weight steps": gpu_comparison.TOLERANCE})
    assert not gpu_comparison.agrees({"iterations": 0.0, "weight steps": float("nan")})


def test_a_second_call_measures_anew_only_on_another_gpu(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert gpu.measured(path, {"device": "one"}) is None
    path.write_text('{"device": "one", "rows": []}')
    assert gpu.measured(path, {"device": "one"}) == {"device": "one", "rows": []}
    assert gpu.measured(path, {"device": "another"}) is None


def test_the_training_goes_on_from_the_data_to_every_algorithm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []

    def run(arguments: list[str], environment: dict[str, str], deadline: float) -> int | None:
        commands.append(" ".join(arguments[2:4]))
        return None if arguments[3] == "mopo" else 0

    monkeypatch.setattr(gpu, "run_until", run)
    assert gpu.train(tmp_path, 0.0) == "ampl train mopo interrupted: call again to go on"
    assert commands == ["data make", "train ampl", "train mopo"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "made.hdf5").touch()
    gpu.train(tmp_path, 0.0)
    assert commands[3:] == ["train ampl", "train mopo"]


def test_scaling_stops_at_its_deadline_and_is_drawn(tmp_path: Path) -> None:
    assert gpu_scaling.scaling("cpu", 0.0) == []
    assert not gpu_scaling.draw([], "none", tmp_path / "scaling.png")
    rows = [{"what": what, "seeds": seeds, "per_second": 10.0 * seeds**0.8} for what in "ab" for seeds in (1, 2, 4)]
    assert gpu_scaling.draw(rows, "a device", tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_its_parts_run_on_a_cpu() -> None:
    assert max(gpu_comparison.compare("cpu").values()) == 0.0  # nothing is recorded on a CPU
    rows = gpu.rates("cpu", rounds=1, fit_count=20)
    assert len(rows) == 2 * (4 + 3)
    assert all(row["per_second"] > 0.0 for row in rows)
    assert all(("ratio" in row) == row["recorded"] for row in rows)
    small = replace(PUBLISHED, rows=500, paths=32, model_rows=500)
    scaled = gpu_scaling.scaling("cpu", time.monotonic() + 100.0, (1, 2), small, seconds=0.01)
    assert [row["seeds"] for row in scaled] == [1, 1, 2, 2]
    assert all(row["per_second"] > 0.0 for row in scaled)
