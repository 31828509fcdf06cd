"""What happens to a run's folder from outside: it is removed, its disk is full, its files are damaged or left over."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tensorboard.summary.writer.record_writer import RecordWriter

from ampl.errors import ExistingRunError, InvalidFileError
from ampl.evaluation_schedule import EvaluationRequest
from ampl.file_lock import FolderLock
from ampl.interfaces import Evaluation
from ampl.runs import run_directory
from ampl.runs.checkpoints import Checkpoint, is_whole, read_checkpoint, write_checkpoint
from ampl.runs.event_file import EventFile
from ampl.runs.metrics_table import read_metrics
from tests.ampl.fake_algorithm import FakeAlgorithm
from tests.ampl.test_training_driver import directory, recorded_bytes, run


class Disturbed(FakeAlgorithm):
    """Something happens to the run while its second epoch is evaluated."""

    def __init__(self, disturb: Callable[[], object]) -> None:
        super().__init__()
        self._disturb = disturb

    def evaluations(self, request: EvaluationRequest) -> Sequence[Evaluation]:
        found = super().evaluations(request)
        if self.calls.count("evaluate") == 2:
            self._disturb()
        return found


def test_a_run_whose_folder_is_removed_ends_at_once_and_makes_no_other(tmp_path: Path) -> None:
    algorithm = Disturbed(lambda: shutil.rmtree(tmp_path / "walk"))
    with pytest.raises(InvalidFileError, match="was removed or moved") as ended:
        run(tmp_path, 9, algorithm)
    assert "\n" not in str(ended.value)
    assert algorithm.calls[-1] == "evaluate"
    assert algorithm.calls.count("evaluate") == 2
    assert not (tmp_path / "walk").exists()


def test_a_run_whose_records_are_removed_ends_even_if_its_folder_stays(tmp_path: Path) -> None:
    def remove_content() -> None:  # as `rm -r` does it that finds a new file when it comes to the folder itself
        for path in directory(tmp_path).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    with pytest.raises(InvalidFileError, match="was removed or moved"):
        run(tmp_path, 9, Disturbed(remove_content))
    assert list(directory(tmp_path).iterdir()) == []


def test_a_run_whose_folder_is_moved_goes_on_where_it_is_put_back(tmp_path: Path) -> None:
    run(tmp_path / "whole", 4)

    def replace() -> None:
        directory(tmp_path).rename(tmp_path / "elsewhere")
        directory(tmp_path).mkdir()

    with pytest.raises(InvalidFileError, match="Put it back and add --resume"):
        run(tmp_path, 4, Disturbed(replace))
    assert list(directory(tmp_path).iterdir()) == []
    directory(tmp_path).rmdir()
    (tmp_path / "elsewhere").rename(directory(tmp_path))
    run(tmp_path, 4, resume=True)
    assert recorded_bytes(tmp_path, 4) == recorded_bytes(tmp_path / "whole", 4)


def test_a_full_disk_costs_the_events_but_not_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    events = EventFile(tmp_path, first_epoch=1)
    events._writer.close()
    events._writer = RecordWriter(open("/dev/full", "wb"))  # noqa: SIM115
    for epoch in (1, 2, 3):
        events.append(epoch, {"a": 1.0})
    events.close()
    events.close()
    [warning] = caplog.messages
    assert "No space left on device" in warning
    assert "goes on without events" in warning


def test_events_that_cannot_even_be_begun_cost_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    events = EventFile(tmp_path / "nowhere", first_epoch=5)
    events.append(5, {"a": 1.0})
    events.close()
    assert len(caplog.messages) == 1


def test_starting_a_run_removes_what_killed_writes_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(tmp_path, 3)
    place = directory(tmp_path)
    left = [".manifest.json.abcdefgh", ".result.json.a_b0c1d2", ".metrics.csv.abcdefgh", ".samples.npz.abcdefgh"]
    left += ["weights/.epoch_0008.npz.abcdefgh", ".evaluation.json.abcdefgh"]
    for name in left:
        (place / name).write_text("half of")
    (place / "checkpoint" / ".unfinished-epoch_0003").mkdir()
    (place / ".gitignore").write_text("mine")
    run(tmp_path, 5, resume=True)
    assert {path.name for path in place.rglob(".*")} == {".lock", ".gitignore"}


@pytest.mark.parametrize(
    "result",
    [
        "[1]",
        '{"status": "stopped", "epochs": 1, "metrics": [1], "message": "m"}',
        '{"status": "stopped", "epochs": 1, "metrics": {"a": "b"}, "message": "m"}',
        '{"status": "stopped", "epochs": "one", "metrics": {}, "message": "m"}',
        '{"status": "stopped", "epochs": 1, "metrics": {}, "message": {}}',
        '{"status": "stopped", "epochs": 1, "metrics": {}, "more": 1}',
        "[" * 5000 + "]" * 5000,
    ],
)
def test_a_result_of_another_shape_is_named(tmp_path: Path, result: str) -> None:
    run(tmp_path, 1)
    (directory(tmp_path) / "result.json").write_text(result)
    with pytest.raises(InvalidFileError, match=r"result\.json is not .*--resume"):
        run(tmp_path, 2, resume=True)


def with_deep_counters(place: Path) -> None:
    (place / "counters.json").write_text("[" * 5000 + "]" * 5000)


def with_a_pipe_as_counters(place: Path) -> None:
    (place / "counters.json").unlink()
    os.mkfifo(place / "counters.json")


def with_a_pipe_as_state(place: Path) -> None:
    (place / "state.safetensors").unlink()
    os.mkfifo(place / "state.safetensors")


def with_a_list_as_metrics(place: Path) -> None:
    counters = json.loads((place / "counters.json").read_text())
    (place / "counters.json").write_text(json.dumps(counters | {"fit_metrics": []}))


@pytest.mark.parametrize(
    "harm", [with_deep_counters, with_a_pipe_as_counters, with_a_pipe_as_state, with_a_list_as_metrics]
)
def test_a_checkpoint_that_cannot_be_used_is_one_warning(
    tmp_path: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    write_checkpoint(tmp_path, Checkpoint(epoch=1, state={}))
    harm(tmp_path / "epoch_0001")
    assert not is_whole(tmp_path, 1)
    assert len(caplog.messages) == 1
    with pytest.raises(InvalidFileError, match="is damaged"):
        read_checkpoint(tmp_path, 1)


def test_a_table_with_an_endless_cell_or_that_is_a_pipe_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(f"epoch,a\n1,{'9' * 200_000}\n")
    with pytest.raises(InvalidFileError, match="field larger than field limit"):
        read_metrics(tmp_path / "metrics.csv")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidFileError, match="a pipe"):
        read_metrics(tmp_path / "pipe")


def test_a_pipe_as_configuration_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    directory(tmp_path).mkdir(parents=True)
    os.mkfifo(directory(tmp_path) / "config.json")
    with pytest.raises(InvalidFileError, match="a pipe"):
        run(tmp_path, 1)


def test_a_run_that_appears_while_its_folder_is_locked_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "other", 2)

    class Late(FolderLock):
        def __init__(self, folder: Path) -> None:
            shutil.copytree(directory(tmp_path / "other"), folder, dirs_exist_ok=True)
            super().__init__(folder)

    monkeypatch.setattr(run_directory, "FolderLock", Late)
    with pytest.raises(ExistingRunError, match="already holds a run"):
        run(tmp_path, 1)
    assert (directory(tmp_path) / "result.json").read_bytes() == (
        directory(tmp_path / "other") / "result.json"
    ).read_bytes()
