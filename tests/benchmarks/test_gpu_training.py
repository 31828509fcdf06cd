"""The training inside the GPU command: its commands, its end, its pace, what is kept of it."""

from __future__ import annotations

import signal
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks.gpu_scaling import EPOCHS, archive, look, pace, run_until, train
from safetensors.numpy import load

from ampl.checkpoints import Checkpoint, write_checkpoint
from benchmarks import gpu_scaling

RUN = Path("runs/maze2d-umaze-v1/mopo/main/seed0")


def test_it_kills_a_training_that_ignores_its_interruption(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    program = f"import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); open({str(ready)!r}, 'w'); "
    arguments = ["-S", "-c", program + "time.sleep(60)"]
    assert run_until(arguments, {}, time.monotonic() + 1.0, tmp_path / "log", closing=0.1) is None
    assert ready.exists()


def test_a_training_that_ends_is_watched_and_its_words_are_kept(tmp_path: Path) -> None:
    looks: list[None] = []
    arguments = ["-S", "-c", "import sys; print('said'); sys.exit('no')"]
    log = tmp_path / "log"
    assert run_until(arguments, {}, time.monotonic() + 60.0, log, lambda: looks.append(None)) == 1
    assert looks
    assert sorted(log.read_text().split()) == ["no", "said"]


def fake_runs(codes: dict[str, int | None], commands: list[list[str]]) -> Callable[..., int | None]:
    def run(arguments: list[str], environment: dict[str, str], deadline: float, log: Path, watch: object) -> int | None:
        commands.append(arguments[2:])
        log.write_text("begins\nampl: error: out of luck\n")
        assert environment["D4RL_DATASET_DIR"] == str(log.parent / "data")
        return codes.get(" ".join(arguments[2:4]), 0)

    return run


@pytest.mark.parametrize("name", ["ampl", "mopo"])
def test_an_algorithm_is_trained_as_published_on_data_made_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(gpu_scaling, "run_until", fake_runs({}, commands))
    assert train(name, tmp_path, "cuda", "high", 0.0, quick=False)["became"] == "complete"
    runs = [
        "--seeds",
        "0,1,2,3,4",
        "--device",
        "cuda",
        "--precision",
        "high",
        "--out",
        str(tmp_path / "runs"),
        "--resume",
    ]
    assert commands == [["data", "make", "maze2d-umaze-v1"], ["train", name, "maze2d-umaze-v1", *runs]]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "made.hdf5").touch()
    train(name, tmp_path, "cuda", "high", 0.0, quick=False)
    assert len(commands) == 3
    train(name, tmp_path, "cpu", "highest", 0.0, quick=True)
    assert ("--miw-steps" in commands[3]) == (name == "ampl")


def test_what_failed_and_what_was_interrupted_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_scaling, "run_until", fake_runs({"train ampl": 2, "train mopo": None}, []))
    found = train("ampl", tmp_path, "cuda", "high", 0.0, quick=False)
    assert found["failures"] == {"train ampl": "ended with exit code 2: ampl: error: out of luck"}
    found = train("mopo", tmp_path, "cuda", "high", 0.0, quick=False)
    assert (found["became"], found["failures"]) == ("train mopo interrupted: call again to go on", {})


def test_epochs_are_counted_from_the_table_also_after_a_resumption(tmp_path: Path) -> None:
    table, seen = tmp_path / "metrics.csv", list[tuple[float, int]]()
    for text in ("", "epoch,x\n1,0\n2,0\n", "epoch,x\n1,0\n2,0\n3,", "epoch,x\n1,0\n", "epoch,x\n1,0\n2,0\n"):
        look(table, seen)
        table.write_text(text)
    look(table, seen)
    assert [epochs for _, epochs in seen] == [1, 2]  # what was seen before the cut no longer counts
    assert seen[0][0] <= seen[1][0]


def test_the_protocol_takes_the_first_fit_its_epochs_and_its_refits() -> None:
    """AMPL refits after 100, 200, ..., 900 epochs."""
    assert pace("ampl", [])["projected_hours"] is None
    assert pace("ampl", [(0.0, 0), (60.0, 1)])["epochs"] == 1
    warm = [(0.0, 0), (61.0, 1), (62.0, 2), (64.0, 4), (67.0, 5), (70.0, 6)]  # at first faster
    found = pace("mopo", warm)
    assert found["seconds_per_epoch"] == 3.0
    assert found["start_seconds"] == 58.0
    assert found["projected_hours"] * 3600.0 == pytest.approx(58.0 + EPOCHS * 3.0)
    assert pace("ampl", warm)["projected_hours"] * 3600.0 == pytest.approx(58.0 + EPOCHS * 3.0 + 9 * 58.0)
    resumed = [(0.0, 98), (5.0, 99), (8.0, 100), (51.0, 101), (54.0, 102)]
    found = pace("ampl", resumed)
    assert found["refit_seconds"] == 40.0
    assert found["projected_hours"] * 3600.0 == pytest.approx(2.0 + EPOCHS * 3.0 + 9 * 40.0)
    assert pace("ampl", resumed[:3])["projected_hours"] is None  # nobody knows yet how long a refit takes


def test_the_archive_has_the_newest_policies_and_no_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = np.arange(5.0, dtype=np.float32)
    for epoch in (1, 2):
        state = {"learner/policy": policy + epoch, "learner/critic_online": policy, "buffer/rows": np.zeros(1000)}
        write_checkpoint(tmp_path / RUN / "checkpoint", Checkpoint(epoch=epoch, state=state))
    for name in ("metrics.csv", "config.json", "events.out"):
        (tmp_path / RUN / name).write_text("x")
    (tmp_path / "mopo.log").write_text("said")
    archive(tmp_path)
    expected = {"mopo.log", *(str(RUN / name) for name in ("metrics.csv", "config.json"))}
    with tarfile.open(tmp_path / "training.tar.gz") as tar:
        assert set(tar.getnames()) == expected | {str(RUN / "policy_0002.safetensors")}
        file = tar.extractfile(str(RUN / "policy_0002.safetensors"))
        assert file is not None
        arrays = load(file.read())
    assert arrays.keys() == {"learner/policy", "learner/critic_online"}
    np.testing.assert_array_equal(arrays["learner/policy"], policy + 2)
    monkeypatch.setattr(gpu_scaling, "POLICY_BYTES", 10)
    archive(tmp_path)
    with tarfile.open(tmp_path / "training.tar.gz") as tar:
        assert set(tar.getnames()) == expected


def test_there_is_an_archive_before_there_are_runs(tmp_path: Path) -> None:
    archive(tmp_path)
    with tarfile.open(tmp_path / "training.tar.gz") as tar:
        assert tar.getnames() == []


def test_the_interruption_is_that_of_a_keyboard(tmp_path: Path) -> None:
    program = "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('interrupted')"
    assert run_until(["-S", "-c", program], {}, time.monotonic() + 2.0, tmp_path / "log", closing=30.0) is None
    assert (tmp_path / "log").read_text().strip() == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
