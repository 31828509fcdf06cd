"""What a run directory promises: complete, of one configuration, never overwritten, never half-written."""

import json
import math
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ampl.runs.manifest
from ampl.errors import ExistingRunError, ForeignFileError, InvalidArgumentError, InvalidFileError
from ampl.file_lock import FolderLock
from ampl.files import read_npz
from ampl.runs.checkpoints import Checkpoint, checkpoint_epochs, newest_whole_epoch, read_checkpoint, write_checkpoint
from ampl.runs.metrics_table import MetricsTable, read_metrics
from ampl.scale import Scale
from tests.ampl.fake_algorithm import FakeAlgorithm
from tests.ampl.test_training_driver import directory, run


def test_a_run_directory_holds_everything_that_figures_need(tmp_path: Path) -> None:
    run(tmp_path, 3, FakeAlgorithm(dataset_sha256="abc"))
    place = directory(tmp_path)
    config = json.loads((place / "config.json").read_text())
    assert config["settings"] == {"step_size": 0.1, "model": {"size": 3}}
    assert (config["task"], config["algorithm"], config["variant"], config["seed"]) == ("walk", "fake", "plain", 0)
    manifest = json.loads((place / "manifest.json").read_text())
    assert {"versions", "git", "device", "dataset_sha256", "command", "wall_time_seconds"} <= set(manifest)
    assert manifest["dataset_sha256"] == "abc"
    assert manifest["notes"] == []
    assert {"python", "numpy", "ampl-testbed"} <= set(manifest["versions"])
    assert (place / "weights" / "epoch_0002.npz").exists()
    assert {"metrics.csv", "result.json", "checkpoint"} <= {path.name for path in place.iterdir()}


def test_exact_weights_stand_beside_the_estimated_ones_of_seeds_that_have_them(tmp_path: Path) -> None:
    class Knowing(FakeAlgorithm):
        def exact_weights(self) -> list[Any]:
            return [np.arange(4.0), None]

    run(tmp_path, 3, Knowing([0, 1]))
    files = [tmp_path / "walk/fake/plain" / f"seed{seed}" / "weights" / "epoch_0002.npz" for seed in (0, 1)]
    first, second = (read_npz(path, "weights", ["weights"], ["exact_weights"]) for path in files)
    np.testing.assert_array_equal(first["exact_weights"], np.arange(4.0))
    assert set(second) == {"weights"}


def test_wall_time_and_sessions_add_up_over_resumptions_and_memory_is_the_largest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, 1)
    path = directory(tmp_path) / "manifest.json"
    manifest = json.loads(path.read_text())
    assert 10 < manifest["peak_memory_mib"] < 100_000
    path.write_text(json.dumps(manifest | {"wall_time_seconds": 1000.0, "peak_memory_mib": 10**6}))
    later = {"commit": "later", "dirty": True}
    monkeypatch.setattr(ampl.runs.manifest, "git_state", lambda: later)
    run(tmp_path, 2, resume=True)
    before, manifest = manifest["git"], json.loads(path.read_text())
    assert manifest["wall_time_seconds"] > 1000.0
    assert manifest["peak_memory_mib"] == 10**6
    assert manifest["git"] == later
    assert [(each["first_epoch"], each["git"]) for each in manifest["sessions"]] == [(1, before), (2, later)]


def test_events_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(tmp_path, 2)
    (first,) = directory(tmp_path).glob("events.*")
    first.rename(first.with_name("events.out.tfevents.0000000000"))  # else both sessions may have the same second
    run(tmp_path, 4, resume=True)
    events = EventAccumulator(str(directory(tmp_path)))
    events.Reload()
    scalars = events.Scalars("evaluation/return_raw")
    table = read_metrics(directory(tmp_path) / "metrics.csv")
    assert [scalar.step for scalar in scalars] == [1, 2, 3, 4]
    assert [scalar.value for scalar in scalars] == [np.float32(value) for value in table["evaluation/return_raw"]]


@pytest.mark.parametrize("epochs", [2, 4])  # finished, or with more to do
def test_a_run_that_is_there_is_not_touched_without_resume(tmp_path: Path, epochs: int) -> None:
    run(tmp_path, 2)
    (directory(tmp_path) / "result.json").unlink()
    before = (directory(tmp_path) / "metrics.csv").read_bytes()
    with pytest.raises(ExistingRunError, match="--resume"):
        run(tmp_path, epochs)
    assert (directory(tmp_path) / "metrics.csv").read_bytes() == before


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_of_another_configuration_is_never_reused(tmp_path: Path, resume: bool) -> None:
    run(tmp_path, 2)
    before = (directory(tmp_path) / "metrics.csv").read_bytes()
    with pytest.raises(ExistingRunError, match=r"settings\.step_size is 0\.1 there and 0\.2 here") as error:
        run(tmp_path, 4, FakeAlgorithm(step_size=0.2), resume=resume)
    assert "\n" not in str(error.value)
    assert (directory(tmp_path) / "metrics.csv").read_bytes() == before


def test_the_scale_does_not_tell_runs_apart_where_the_settings_are_equal(tmp_path: Path) -> None:
    run(tmp_path, 2, scale=Scale(epochs=2))
    run(tmp_path, 4, scale=Scale(epochs=4), resume=True)
    config = json.loads((directory(tmp_path) / "config.json").read_text())
    assert config["scale"] == asdict(Scale(epochs=4))


def test_a_run_is_not_resumed_on_another_data_set(tmp_path: Path) -> None:
    run(tmp_path, 2, FakeAlgorithm(dataset_sha256="abc"))
    with pytest.raises(ExistingRunError, match="another data set"):
        run(tmp_path, 4, FakeAlgorithm(dataset_sha256="def"), resume=True)


@pytest.mark.parametrize("content", [{"notes.txt": "mine"}, {"config.json": '{"lr": 1}'}])
def test_a_foreign_folder_is_refused(tmp_path: Path, content: dict[str, str]) -> None:
    directory(tmp_path).mkdir(parents=True)
    for name, text in content.items():
        (directory(tmp_path) / name).write_text(text)
    for resume in (False, True):
        with pytest.raises(ForeignFileError, match="not a run directory"):
            run(tmp_path, 2, resume=resume)
    assert {path.name: path.read_text() for path in directory(tmp_path).iterdir()} == content


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InvalidFileError, match="cannot write"):
        run(tmp_path / "out", 1)


def test_two_processes_cannot_train_into_one_directory(tmp_path: Path) -> None:
    lock = FolderLock(directory(tmp_path))
    with pytest.raises(ExistingRunError, match="another process"):
        run(tmp_path, 1)
    lock.release()
    run(tmp_path, 1)


def test_a_result_that_is_not_one_is_named(tmp_path: Path) -> None:
    run(tmp_path, 1)
    (directory(tmp_path) / "result.json").write_text('{"status": "great"}')
    with pytest.raises(InvalidFileError, match=r"result\.json"):
        run(tmp_path, 2, resume=True)


def test_floats_read_back_to_the_same_bits(tmp_path: Path) -> None:
    values = [0.1, 1 / 3, 1e-308, 5e-324, -0.0, 1.7976931348623157e308, math.pi * 1e17]
    table = MetricsTable(tmp_path / "metrics.csv")
    for epoch, value in enumerate(values, 1):
        table.append(epoch, {"a/b": value})
    read = read_metrics(tmp_path / "metrics.csv")["a/b"]
    assert [struct.pack("d", x) for x in read] == [struct.pack("d", x) for x in values]


def test_columns_stay_the_same(tmp_path: Path) -> None:
    table = MetricsTable(tmp_path / "metrics.csv")
    table.append(1, {"a": 1.0, "b": 2.0})
    for metrics in ({"a": 1.0}, {"a": 1.0, "b": 2.0, "c": 3.0}, {"b": 2.0, "a": 1.0}):
        with pytest.raises(InvalidArgumentError, match="other names"):
            table.append(2, metrics)


def test_two_metrics_of_one_name_are_an_error(tmp_path: Path) -> None:
    class Twice(FakeAlgorithm):
        def evaluations(self, request: Any) -> Any:
            return [lambda: {"policy/loss": 0.0}]

    with pytest.raises(InvalidArgumentError, match="'policy/loss' is reported twice"):
        run(tmp_path, 1, Twice())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begin with a column 'epoch'"),
        ("a,b\n1,2\n", "begin with a column 'epoch'"),
        ("epoch,a\n1,2\n2,x\n", "line 3"),
        ("epoch,a\n1\n", "line 2"),
    ],
)
def test_a_table_that_is_not_metrics_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    with pytest.raises(InvalidFileError, match=message):
        read_metrics(path)
    with pytest.raises(InvalidFileError, match="does not exist"):
        read_metrics(tmp_path / "none.csv")


STATE = {
    "scalar": np.float64(0.1),
    "column": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "words": np.array([2**64 - 1], dtype=np.uint64),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3), dtype=np.int32),
}


def test_a_checkpoint_reads_back_exactly(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, Checkpoint(epoch=7, state=STATE, fit_metrics={"model/loss": 0.1}))
    read = read_checkpoint(tmp_path, 7)
    assert (read.epoch, dict(read.fit_metrics)) == (7, {"model/loss": 0.1})
    for name, array in STATE.items():
        assert read.state[name].dtype == np.asarray(array).dtype
        assert read.state[name].flags.writeable
        np.testing.assert_array_equal(read.state[name], array, strict=True)


def test_two_checkpoints_are_kept(tmp_path: Path) -> None:
    for epoch in (9_998, 9_999, 10_000):
        write_checkpoint(tmp_path, Checkpoint(epoch=epoch, state=STATE))
    assert checkpoint_epochs(tmp_path) == [10_000, 9_999]


@pytest.mark.parametrize("name", ["state.safetensors", "counters.json"])
@pytest.mark.parametrize("mistake", ["missing", "empty", "truncated", "flipped"])
def test_every_damage_to_a_checkpoint_is_noticed(tmp_path: Path, name: str, mistake: str) -> None:
    for epoch in (1, 2):
        write_checkpoint(tmp_path, Checkpoint(epoch=epoch, state=STATE, fit_metrics={"model/loss": 0.5}))
    path = tmp_path / "epoch_0002" / name
    data = path.read_bytes()
    changed = {"empty": b"", "truncated": data[:-9], "flipped": data.replace(b"0.5", b"0.7")[:-1] + b"\x01"}
    path.unlink() if mistake == "missing" else path.write_bytes(changed[mistake])
    assert newest_whole_epoch(tmp_path) == 1


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    write_checkpoint(tmp_path, Checkpoint(epoch=1, state=STATE))
    monkeypatch.setattr("safetensors.numpy.save_file", full)
    hint = r"Free space, then go on with --resume\.$"
    with pytest.raises(InvalidFileError, match=rf"No space left on device\. The checkpoint before it is kept\. {hint}"):
        write_checkpoint(tmp_path, Checkpoint(epoch=2, state=STATE))
    with pytest.raises(InvalidFileError, match=rf"No space left on device\. {hint}"):  # where there is none before it
        write_checkpoint(tmp_path / "first", Checkpoint(epoch=0, state=STATE))
    assert checkpoint_epochs(tmp_path) == [1]


def test_an_unfinished_checkpoint_does_not_count(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, Checkpoint(epoch=1, state=STATE))
    (tmp_path / ".unfinished-epoch_0002").mkdir()
    assert checkpoint_epochs(tmp_path) == [1]
    write_checkpoint(tmp_path, Checkpoint(epoch=2, state=STATE))
    assert checkpoint_epochs(tmp_path) == [2, 1]


def test_objects_are_not_stored_in_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="'thing' has dtype object"):
        write_checkpoint(tmp_path, Checkpoint(epoch=1, state={"thing": np.array([None])}))


@pytest.mark.parametrize("rows", [None, "garbage", "epoch,loss\n1,0.5\n"])
def test_a_refused_resume_changes_nothing_of_any_seed(tmp_path: Path, rows: str | None) -> None:
    run(tmp_path, 3, FakeAlgorithm(seeds=(0, 1)))
    table = directory(tmp_path, 1) / "metrics.csv"
    table.unlink() if rows is None else table.write_text(rows)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InvalidFileError, match=r"metrics\.csv"):
        run(tmp_path, 5, FakeAlgorithm(seeds=(0, 1)), resume=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("manifest", ["[]", '{"wall_time_seconds": null}', '{"sessions": "two"}'])
def test_a_manifest_that_is_not_one_is_named(tmp_path: Path, manifest: str) -> None:
    run(tmp_path, 1)
    (directory(tmp_path) / "manifest.json").write_text(manifest)
    with pytest.raises(InvalidFileError, match=r"manifest\.json is not the manifest of a run\. Remove it"):
        run(tmp_path, 2, resume=True)


def test_a_copy_beside_the_weights_stays(tmp_path: Path) -> None:
    run(tmp_path, 3)
    copy = directory(tmp_path) / "weights" / "epoch_0002 (copy).npz"
    copy.write_bytes(b"mine")
    run(tmp_path, 4, resume=True)
    assert copy.read_bytes() == b"mine"


def test_weights_of_a_version_without_summaries_are_summarized_when_the_run_is_resumed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(tmp_path, 5)
    kept = directory(tmp_path) / "weights"
    before = (kept / "summary_0002.npz").read_bytes()
    for path in kept.glob("summary_*.npz"):
        path.unlink()
    (kept / "epoch_0004.npz").write_bytes(b"torn")
    run(tmp_path, 5, resume=True)
    assert (kept / "summary_0002.npz").read_bytes() == before
    assert not (kept / "summary_0004.npz").exists()
    assert "epoch_0004.npz" in caplog.text
