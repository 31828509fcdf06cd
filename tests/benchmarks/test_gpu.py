"""The GPU command as far as a CPU allows: its refusals, what it does when something fails, its parts run eagerly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from ampl.entry_points import COMMANDS
from benchmarks import gpu, gpu_comparison, gpu_scaling
from benchmarks.gpu_comparison import Item, Row

ROOT = Path(__file__).parents[2]
FOUND = {"rows": [{"what": "x", "seeds": 1, "per_second": 1.0}], "failures": {}, "left_out": [], "seconds": 1.0}


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["benchmarks/gpu.py", "--device", "cpu", *map(str, arguments)])
    return gpu.main()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_it_refuses_in_one_line_without_a_gpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--out", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 2
    assert "no usable GPU" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_what_needs_no_simulator_runs_without_one(tmp_path: Path) -> None:
    """Gymnasium, MuJoCo and tyro are not there, in no process: the training is left out, as said first."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nfor name in ('gymnasium', 'mujoco', 'tyro'):\n    sys.modules[name] = None\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--quick", "--out", str(tmp_path / "out")]
    result = subprocess.run(
        [*command, "--parts", "loops"], capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert result.returncode == 1
    first, second = result.stderr.splitlines()
    assert first.startswith("gpu: loops left out: mujoco, gymnasium not installed")
    assert second.startswith("gpu: training left out: mujoco, gymnasium, tyro not installed")
    code = """
from benchmarks import gpu
for make in (gpu.differences, gpu.rates):
    make("cpu", quick=True)
print([row["what"] for row in gpu.scaling("cpu", quick=True)["1 stacked"]()])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert result.stdout.strip() == "['AMPL iteration', 'MOPO update']"


def test_a_package_that_is_not_installed_is_said_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = dict.fromkeys(("data", "train"))
    monkeypatch.setattr(gpu, "announced", lambda group: everything if group == COMMANDS else {})
    assert gpu.missing([*gpu.PARTS], ["mopo"]) == {}
    monkeypatch.setattr(gpu, "announced", lambda group: {})
    assert gpu.missing([*gpu.PARTS], []) == {}
    assert gpu.INSTALL in gpu.missing([], ["mopo"])["training"]


def troubled(device: str, *, quick: bool) -> Mapping[str, Item]:
    """Items that fail in every way there is."""

    def fine(**row: Any) -> Iterator[Row]:
        yield {"pid": os.getpid(), "precision": torch.get_float32_matmul_precision(), **row}

    def raising() -> Iterator[Row]:
        yield {"what": "before"}
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def dying() -> Iterator[Row]:
        os._exit(9)
        yield {}

    def waiting() -> Iterator[Row]:
        time.sleep(600.0)
        yield {}

    return {
        "first": lambda: fine(what="first", error=float("nan")),
        "raising": raising,
        "dying": dying,
        "last": lambda: fine(what="last"),
        **({"waiting": waiting} if quick else {}),
    }


def unmade(device: str, *, quick: bool) -> Mapping[str, Item]:
    raise ImportError("No module named 'mujoco'")


def test_what_fails_is_noted_and_the_rest_goes_on_in_a_new_process() -> None:
    found = gpu.measure(troubled, "cpu", "high", time.monotonic() + 300.0, quick=False)
    assert [row["what"] for row in found["rows"]] == ["first", "before", "last"]
    first, _, last = found["rows"]
    assert first["pid"] != last["pid"] != os.getpid()
    assert first["precision"] == "high"
    assert first["error"] == "nan"  # JSON has no other word for it
    assert found["failures"].keys() == {"raising", "dying"}
    assert found["failures"]["raising"].endswith("CUDA error: an illegal memory access was encountered")
    assert found["failures"]["dying"] == "ended with exit code 9"
    assert found["left_out"] == []


def test_a_part_that_cannot_begin_is_one_failure() -> None:
    found = gpu.measure(unmade, "cpu", "highest", time.monotonic() + 300.0, quick=False)
    assert found["failures"].keys() == {"start"}
    assert found["failures"]["start"].endswith("No module named 'mujoco'")


def test_nothing_begins_when_the_time_is_over() -> None:
    found = gpu.measure(troubled, "cpu", "highest", time.monotonic() - 1.0, quick=False)
    assert (found["rows"], found["failures"], found["left_out"]) == ([], {}, ["all of it"])


@pytest.mark.slow
def test_what_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "GRACE", 1.0)
    found = gpu.measure(troubled, "cpu", "highest", time.monotonic() + 60.0, quick=True)
    assert found["failures"]["waiting"] == "killed, as it took too long"
    assert [row["what"] for row in found["rows"]] == ["first", "before", "last"]


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that results are copied to; nothing is missing, everything succeeds at once."""
    monkeypatch.setattr(gpu, "missing", lambda parts, algorithms: {})
    monkeypatch.setattr(gpu, "measure", lambda *arguments, quick: FOUND | {"failures": {}})
    monkeypatch.setattr(gpu, "train", lambda *arguments, quick: {"became": "complete", "failures": {}})
    monkeypatch.setattr(gpu, "agrees", lambda row: True)
    return tmp_path / "shown"


def test_results_are_there_after_each_part(tmp_path: Path, shown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(algorithm: str, *arguments: object, quick: bool) -> dict[str, Any]:
        if algorithm == "mopo":
            raise KeyboardInterrupt
        return {"became": "failed", "failures": {"train ampl": "ended with exit code 2: ampl: error: no"}}

    monkeypatch.setattr(gpu, "train", failing)
    with pytest.raises(KeyboardInterrupt):
        call(monkeypatch, "--out", tmp_path / "out", "--copy-to", shown)
    found = json.loads((shown / "results.json").read_text())
    assert list(found["measured"]) == [
        "differences, highest", "differences, high", "rates, highest", "rates, high",
        "loops, highest", "scaling, highest",
    ]  # fmt: skip
    assert found["problems"] == ["ampl: train ampl failed: ended with exit code 2: ampl: error: no"]
    assert {path.name for path in shown.iterdir()} == {"results.json", "scaling.png", "training.tar.gz"}


def test_a_second_call_measures_only_what_is_not_there(
    tmp_path: Path, shown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def measure(make: Callable[..., object], *arguments: object, quick: bool) -> dict[str, Any]:
        made.append(make.__name__)
        fails = make is gpu.loops and made.count("loops") == 1
        return FOUND | {"failures": {"AMPL, 1 stacked": "Traceback\nRuntimeError: no"} if fails else {}}

    monkeypatch.setattr(gpu, "measure", measure)
    for expected in (1, 0):
        assert call(monkeypatch, "--out", tmp_path / "out", "--train") == expected
    assert made == ["differences", "differences", "rates", "rates", "loops", "scaling", "loops"]
    high = ("--precision", "high")
    assert call(monkeypatch, "--out", tmp_path / "out", *high, "--train", "--parts", "scaling") == 0
    assert made[7:] == ["scaling"]  # with another precision, everything is measured anew


def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_measured(
    tmp_path: Path, shown: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for arguments in (("--out", tmp_path / "file" / "x"), ("--out", tmp_path / "out", "--copy-to", tmp_path / "file")):
        assert call(monkeypatch, *arguments) == 2
        assert "file" in capsys.readouterr().err
    assert call(monkeypatch, "--out", tmp_path / "out", "--minutes", "nan") == 2


def test_a_copy_that_fails_later_ends_nothing(
    tmp_path: Path, shown: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copies: list[Path] = []

    def copy(out: Path, to: Path | None) -> None:
        copies.append(out)
        if len(copies) > 1:
            raise OSError("No space left on device")

    monkeypatch.setattr(gpu, "copy", copy)
    assert call(monkeypatch, "--out", tmp_path / "out") == 1
    assert len(copies) == 1 + 6 + 2 + 1
    assert "gpu: save failed: No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize("problem", ["missing", "differing", "archive"])
def test_the_exit_code_says_that_something_is_not_as_it_should_be(
    problem: str, tmp_path: Path, shown: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def archive(out: Path) -> None:
        raise OSError("No space left on device")

    if problem == "missing":
        monkeypatch.setattr(gpu, "missing", lambda parts, algorithms: {"training": "tyro not installed"})
    if problem == "differing":
        monkeypatch.setattr(gpu, "agrees", lambda row: False)
    if problem == "archive":
        monkeypatch.setattr(gpu, "archive", archive)
    assert call(monkeypatch, "--out", tmp_path / "out") == 1
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert (
        last
        == {
            "missing": "training left out: tyro not installed",
            "differing": "differences, high: x are not the eager ones",
            "archive": "mopo: archive failed: OSError: No space left on device",
        }[problem]
    )


def test_algorithms_share_the_time_that_is_left(tmp_path: Path, shown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: dict[str, float] = {}

    def train(
        algorithm: str, out: Path, device: str, precision: str, deadline: float, *, quick: bool
    ) -> dict[str, Any]:
        shares[algorithm] = deadline - time.monotonic()
        return {"failures": {}}

    monkeypatch.setattr(gpu, "train", train)
    for names in (("ampl", "mopo"), ("mopo",)):
        shares.clear()
        arguments = ("--out", tmp_path / "out", "--minutes", 10, "--parts", "--train", *names)
        assert call(monkeypatch, *arguments) == 0
        left = 600.0 - gpu.CLOSING_SECONDS
        assert shares == pytest.approx(  # none of it was used by the algorithm before
            {name: left / (len(names) - index) for index, name in enumerate(names)}, abs=20.0
        )


def test_results_of_another_place_or_form_do_not_count(tmp_path: Path) -> None:
    path, where = tmp_path / "results.json", {"device": "one", "precision": "high"}
    empty = {"where": where, "measured": {}, "training": {}}
    assert gpu.earlier(path, where) == empty
    for text in ("{", "[]", '{"where": {"device": "one", "precision": "high"}}'):
        path.write_text(text)
        assert gpu.earlier(path, where) == empty
    stored = empty | {"measured": {"scaling, high": FOUND}}
    path.write_text(json.dumps(stored))
    assert gpu.earlier(path, where) == stored
    assert gpu.earlier(path, where | {"precision": "highest"})["measured"] == {}


def test_recorded_steps_may_differ_by_rounding_and_by_what_eager_ones_differ_by() -> None:
    def row(*differences: object) -> dict[str, object]:
        names = ("after_one", "eager_after_one", "after_all", "eager_after_all")
        return dict(zip(names, differences, strict=True))

    tolerance, noise = gpu_comparison.TOLERANCE, gpu_comparison.NOISE
    assert gpu_comparison.agrees(row(tolerance, 0.0, tolerance, 0.0))
    assert not gpu_comparison.agrees(row(2.0 * tolerance, 0.0, 0.0, 0.0))
    assert gpu_comparison.agrees(row(0.0, 0.0, 1e-2, 1e-2 / noise))
    assert not gpu_comparison.agrees(row(1e-2, 1e-4, 1e-2, 1e-2))
    for wrong in ("nan", float("nan"), None):
        assert not gpu_comparison.agrees(row(0.0, 0.0, wrong, 0.0))
        assert not gpu_comparison.agrees(row(0.0, wrong, 1.0, 0.0))


def test_a_comparison_tells_a_wrong_recording_from_noise() -> None:
    calls: list[tuple[int, bool]] = []

    def make(seeds: object, device: str, count: int, *, capture: bool) -> torch.Tensor:
        calls.append((count, capture))
        return torch.tensor([2.0, 1.0 + (0.5 if capture and count > gpu_comparison.FIRST else 0.0)])

    (row,) = gpu_comparison.compare("x", make, "cpu", 20)
    assert row == {
        "what": "x", "after_one": 0.0, "eager_after_one": 0.0, "after_all": 0.25, "eager_after_all": 0.0,
    }  # fmt: skip
    assert not gpu_comparison.agrees(row)
    assert calls[:3] == [(gpu_comparison.FIRST, True), (gpu_comparison.FIRST, False), (gpu_comparison.FIRST, False)]


def test_scaling_is_drawn(tmp_path: Path) -> None:
    rows = [{"what": what, "seeds": seeds, "per_second": 10.0 * seeds**0.8} for what in "ab" for seeds in (1, 2, 4)]
    gpu_scaling.draw(rows, "a device", tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_its_parts_run_on_a_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "--quick", "--minutes", 30, "--out", tmp_path) == 0
    found = json.loads((tmp_path / "quick" / "results.json").read_text())
    assert not found["problems"]
    for precision in ("highest", "high"):
        differences = found["measured"][f"differences, {precision}"]["rows"]
        assert len(differences) == 6
        assert all(row["after_all"] == 0.0 for row in differences)  # nothing is recorded on a CPU
        rows = found["measured"][f"rates, {precision}"]["rows"]
        assert len(rows) == 4 + 3
        assert all(row["per_second"] > 0.0 for row in rows)
        assert all(("ratio" in row) == row["recorded"] for row in rows)
    assert len(found["measured"]["loops, highest"]["rows"]) == 10
    assert [row["seeds"] for row in found["measured"]["scaling, highest"]["rows"]] == [1, 1, 2, 2]
    assert {name: training["epochs"] for name, training in found["training"].items()} == {"ampl": 3, "mopo": 3}
    assert all(training["projected_hours"] > 0.0 for training in found["training"].values())
