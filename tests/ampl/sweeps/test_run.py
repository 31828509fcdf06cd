"""Jobs of a sweep beside each other: what ends one stops no other, and an interruption ends all."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import ampl.sweeps.run
from ampl.interruption import Interruption
from ampl.scale import Scale
from ampl.sweeps.display import Display
from ampl.sweeps.job_state import JobState, Phase
from ampl.sweeps.plan import Job
from ampl.sweeps.run import run_jobs

LAST_WORDS = {
    "refused": "ampl: error: no such file\n",
    "breaks": 'Traceback:\n  File "x.py", line 3\nKeyError: 7\n\n',
}


class FakeTraining:
    """Ends at its third look with the code that its seed says."""

    running = 0
    most = 0
    ended: tuple[str, ...] = ()

    def __init__(self, job: Job) -> None:
        if job.name == "no folder":
            raise PermissionError("not allowed")
        self.job, self.looks = job, 0
        FakeTraining.running += 1
        FakeTraining.most = max(FakeTraining.most, FakeTraining.running)

    def poll(self) -> int | None:
        self.looks += 1
        if self.job.name == "interrupted" and self.looks == 2:
            raise Interruption
        if self.looks < 3:
            return None
        FakeTraining.running -= 1
        if self.job.name in LAST_WORDS:
            with self.job.log.open("a") as log:
                log.write(f"note\n{LAST_WORDS[self.job.name]}")
        if self.job.name == "diverges":
            leave_result(self.job, "stopped", 1)
        return {"finishes": 0, "diverges": 2, "crashes": -9, "refused": 2, "breaks": 1}.get(self.job.name, 0)

    def end(self) -> None:
        FakeTraining.ended += (self.job.name,)

    def kill(self) -> None:
        raise AssertionError("it ended when it was asked to")


def leave_result(job: Job, status: str, epochs: int, **asked: int) -> None:
    job.path.mkdir(parents=True, exist_ok=True)
    (job.path / "config.json").write_text(json.dumps({"scale": asdict(Scale(**asked))}))
    result = {"status": status, "epochs": epochs, "metrics": {}, "message": "loss is nan"}
    (job.path / "result.json").write_text(json.dumps(result))


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ampl.sweeps.run, "_LOOK_SECONDS", 0.0)
    for name, value in (("running", 0), ("most", 0), ("ended", ())):
        monkeypatch.setattr(FakeTraining, name, value)


def jobs(folder: Path, *names: str) -> list[JobState]:
    return [
        JobState(Job(name=name, arguments=(), path=folder / str(index) / "seed0", epochs=3))
        for index, name in enumerate(names)
    ]


def test_what_ends_one_job_stops_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    states = jobs(tmp_path, "diverges", "crashes", "refused", "breaks", "no folder", "finishes", "finishes")
    for index in (2, 3):
        states[index].job.log.parent.mkdir(parents=True)
        states[index].job.log.write_text("ampl: error: what ended an earlier session\n")
    run_jobs(states, 2, FakeTraining, Display())
    assert [state.phase for state in states] == [Phase.DIVERGED, *[Phase.FAILED] * 4, *[Phase.FINISHED] * 2]
    assert [state.message for state in states[:5]] == [
        "loss is nan",
        "its process was ended by signal 9",
        "no such file",
        "KeyError: 7",
        "not allowed",
    ]
    assert FakeTraining.most == 2
    assert "crashes: failed, its process was ended by signal 9" in capsys.readouterr().err


def test_an_interruption_ends_every_training_and_says_how_to_go_on(tmp_path: Path) -> None:
    states = jobs(tmp_path, "finishes", "interrupted", "waits")
    with pytest.raises(Interruption) as stopped:
        run_jobs(states, 2, FakeTraining, Display())
    assert [state.phase for state in states] == [Phase.INTERRUPTED, Phase.INTERRUPTED, Phase.WAITING]
    assert stopped.value.resume_with == ()
    assert set(FakeTraining.ended) == {"finishes", "interrupted"}


def test_what_has_ended_before_is_not_started_again(tmp_path: Path) -> None:
    states = jobs(tmp_path, "finished before", "diverged before", "shorter before")
    for job, status, epochs in zip(
        (state.job for state in states), ("finished", "stopped", "finished"), (3, 1, 2), strict=True
    ):
        leave_result(job, status, epochs)
        rows = "".join(f"{epoch},{epoch / 2}\n" for epoch in range(1, epochs + 1))
        (job.path / "metrics.csv").write_text(f"epoch,evaluation/score_mean\n{rows}")
    run_jobs(states, 3, FakeTraining, Display())
    assert FakeTraining.most == 1
    assert [state.phase for state in states] == [Phase.FINISHED, Phase.DIVERGED, Phase.FINISHED]
    assert [state.score for state in states] == [1.5, 0.5, 1.0]
    assert states[1].message == "loss is nan"


def test_what_ended_with_other_options_is_started_so_that_its_process_says_what_differs(tmp_path: Path) -> None:
    """Not reported as finished: the file may ask for more steps since."""
    states = jobs(tmp_path, "finishes", "finishes", "finishes")
    for state, asked in zip(states, ({"steps_per_epoch": 10}, {"evaluation_period": 2}, {}), strict=True):
        leave_result(state.job, "finished", 3, **asked)
        (state.job.path / "metrics.csv").write_text("epoch,loss\n1,1\n2,1\n3,1\n")
    (states[2].job.path / "config.json").unlink()
    for state in states:
        state.look()
    assert [state.phase for state in states] == [Phase.WAITING, Phase.FINISHED, Phase.WAITING]


def test_what_ended_with_other_data_or_another_model_is_started_too(tmp_path: Path) -> None:
    mine = {"sha256": "aa", "data": "here/my.hdf5", "references": (-1600.0, -100.0), "notes": ("new words",)}
    there = mine | {"data": "there/my.hdf5", "notes": ["old words"]}
    records: list[tuple[Any, Any, Phase]] = [
        (mine, {"problem": there}, Phase.FINISHED),
        (mine, {"problem": there | {"references": None}}, Phase.WAITING),
        (mine, {"problem": there | {"sha256": "bb"}}, Phase.WAITING),
        (None, {"problem": there}, Phase.WAITING),
        (mine, {}, Phase.WAITING),
        (None, {"model_from": {"run": "line/mopo/main/seed0", "sha256": "cc"}}, Phase.WAITING),
    ]
    for index, (asked, found, phase) in enumerate(records):
        job = Job(name="finishes", arguments=(), path=tmp_path / str(index) / "seed0", epochs=3, problem=asked)
        leave_result(job, "finished", 3)
        config = json.loads((job.path / "config.json").read_text())
        (job.path / "config.json").write_text(json.dumps(config | found))
        (job.path / "metrics.csv").write_text("epoch,loss\n1,1\n2,1\n3,1\n")
        state = JobState(job)
        state.look()
        assert state.phase is phase, found


def test_an_old_divergence_is_none_of_what_the_file_asks_for_now(tmp_path: Path) -> None:
    (state,) = jobs(tmp_path, "finishes")
    leave_result(state.job, "stopped", 1, steps_per_epoch=10)
    state.look()
    assert state.phase is Phase.WAITING


@pytest.mark.parametrize("result", ["[]", '{"status": "great", "epochs": 3}'])
def test_a_result_that_nobody_can_read_fails_its_job_alone(tmp_path: Path, result: str) -> None:
    states = jobs(tmp_path, "spoiled", "finishes")
    states[0].job.path.mkdir(parents=True)
    (states[0].job.path / "result.json").write_text(result)
    run_jobs(states, 2, FakeTraining, Display())
    assert [state.phase for state in states] == [Phase.FAILED, Phase.FINISHED]
    assert "is not the result of a run" in states[0].message
