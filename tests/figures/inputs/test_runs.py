"""Run directories are found, read as they are, and left out with one line if they are damaged."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

from ampl.errors import InvalidFileError
from ampl.files import write_npz
from ampl.training import train
from figures.inputs.runs import SCORE_WINDOW, UNKNOWN, Ending, find_all_runs, find_nested_runs, find_runs
from figures.inputs.weights import read_weights
from tests.ampl.fake_algorithm import FakeAlgorithm
from tests.figures.inputs.synthetic_runs import UMAZE, WALKER, write_run


def test_a_run_says_what_its_files_say(tmp_path: Path) -> None:
    score = list(range(20))
    write_run(tmp_path, seed=3, score=score, weights={4: np.ones(2), 12: np.ones(2)})
    (run,) = find_runs(tmp_path, "ampl")
    assert (run.task, run.variant, run.seed, run.ending, run.epochs) == (UMAZE, "main", 3, Ending.FINISHED, 20)
    assert (run.data, run.steps, run.weight_steps, run.scaled) == ("re-created", 20_000, 2000, True)
    assert (run.device, run.commit) == ("cpu", "0123456")
    assert run.recent_score == np.mean(score[-SCORE_WINDOW:])
    assert run.last_score == 19
    assert [(epoch, path.name) for epoch, path in run.snapshots().items()] == [
        (4, "epoch_0004.npz"),
        (12, "epoch_0012.npz"),
    ]


def test_what_a_run_does_not_say_is_unknown(tmp_path: Path) -> None:
    write_run(tmp_path, settings={}, manifest=None)
    (run,) = find_runs(tmp_path, "ampl")
    assert (run.data, run.steps, run.weight_steps, run.scaled) == (UNKNOWN, None, None, None)
    assert (run.device, run.commit) == (UNKNOWN, UNKNOWN)
    write_run(tmp_path, seed=1, manifest={"device": "cpu", "git": {"commit": "f" * 40, "dirty": True}})
    assert find_runs(tmp_path, "ampl")[1].commit == "fffffff+"


def test_a_run_of_several_sessions_names_all_commits_and_devices(tmp_path: Path) -> None:
    """The newest session's alone would say that a later version trained what an earlier one did."""
    first = {"first_epoch": 1, "git": {"commit": "a" * 40, "dirty": False}, "device": "cpu"}
    second = {"first_epoch": 3, "git": {"commit": "b" * 40, "dirty": True}, "device": "NVIDIA H100"}
    idle = {"first_epoch": 21, "git": {"commit": "c" * 40, "dirty": False}, "device": "another"}  # it trained nothing
    manifest = {"device": "NVIDIA H100", "git": second["git"], "sessions": [first, second, first, idle]}
    write_run(tmp_path, score=list(range(20)), manifest=manifest)
    (run,) = find_runs(tmp_path, "ampl")
    assert (run.device, run.commit) == ("cpu, NVIDIA H100", "aaaaaaa, bbbbbbb+")


def test_the_settings_may_describe_the_weights_and_the_data_themselves(tmp_path: Path) -> None:
    settings = {"data": {"source": "original", "scaled": False}, "weights": {"kind": "VPM", "steps": 500}}
    write_run(tmp_path, settings=settings)
    (run,) = find_runs(tmp_path, "ampl")
    assert (run.data, run.weight_steps, run.scaled) == ("original", 500, False)


def test_runs_that_the_driver_records_can_be_read(tmp_path: Path) -> None:
    train(FakeAlgorithm([0, 10, 2], diverging={10: 3}), task="walk", variant="plain", epochs=5, out=tmp_path)
    runs = find_runs(tmp_path, "fake")
    assert [(run.seed, run.ending, run.epochs) for run in runs] == [
        (0, Ending.FINISHED, 5),
        (2, Ending.FINISHED, 5),
        (10, Ending.STOPPED, 2),
    ]
    assert [run.counts for run in runs] == [True, True, False]
    assert [run.scored for run in runs] == [False] * 3  # it reports no normalized score
    assert "policy/loss" in runs[2].message
    assert list(runs[0].snapshots()) == [2, 4]
    assert read_weights(runs[0].snapshots()[2]).mean() == pytest.approx(1.0)


def test_an_unfinished_run_counts_once_it_has_an_evaluation(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, status=None)
    write_run(tmp_path, seed=1, status=None, score=[])
    first, second = find_runs(tmp_path, "ampl")
    assert (first.ending, first.counts, first.scored) == (Ending.UNFINISHED, True, True)
    assert (second.ending, second.counts, second.scored) == (Ending.UNFINISHED, False, False)


def test_only_what_is_asked_for_is_found(tmp_path: Path) -> None:
    for task, variant in ((UMAZE, "main"), (UMAZE, "nw"), (WALKER, "main")):
        write_run(tmp_path, task, variant)
    (tmp_path / "records").mkdir()
    found = find_runs(tmp_path, "ampl", tasks=[UMAZE], variants=["main", "vpm"])
    assert [(run.task, run.variant) for run in found] == [(UMAZE, "main")]
    assert find_runs(tmp_path, "mopo") == []
    assert find_runs(tmp_path / "nowhere", "ampl") == []


def test_runs_with_other_settings_are_the_variants_under_another_label_and_never_its_own(tmp_path: Path) -> None:
    changed = {"regularizer.betas": [0.5, 0.9], "rollout_length": 3, "critic.huber_delta": 1.5}
    write_run(tmp_path, changed=changed)
    write_run(tmp_path)
    own, other = find_runs(tmp_path, "ampl")
    assert (own.variant, own.settings, own.label) == ("main", {}, "main")
    assert (other.variant, other.settings, other.seed) == ("main", changed, 0)
    assert other.label == "main, critic.huber_delta=1.5, regularizer.betas=0.5,0.9, rollout_length=3"
    assert [run.label for run in find_runs(tmp_path, "ampl", variants=["main"])] == ["main"]


def test_a_run_whose_place_says_other_settings_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_run(tmp_path, changed={"rollout_length": 3})
    path.parent.rename(path.parent.with_name("main,rollout_length=4"))
    write_run(tmp_path, changed={"rollout_length": 5}).parent.rename(path.parent.with_name("main"))
    assert find_runs(tmp_path, "ampl") == []
    assert "has the settings of 'main,rollout_length=3'; its place says 'main,rollout_length=4'" in caplog.text
    assert "has the settings of 'main,rollout_length=5'; its place says 'main'" in caplog.text


def test_runs_are_found_below_the_folder_of_all_of_a_task_or_of_an_algorithm(tmp_path: Path) -> None:
    for algorithm in ("mopo", "bc"):
        write_run(tmp_path, algorithm=algorithm)
    assert [run.algorithm for run in find_all_runs(tmp_path / UMAZE / "bc")] == ["bc"]
    for folder in (tmp_path, tmp_path / UMAZE):
        assert [(run.algorithm, run.task) for run in find_all_runs(folder)] == [("bc", UMAZE), ("mopo", UMAZE)]


def test_a_path_with_two_dots_leads_to_the_same_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_run(tmp_path)
    for below, folders in (
        (path, "../.. ../../.. ../../../.."),
        (path.parent, ".. ../.. ../../.."),
        (path / "x", ".."),
    ):
        below.mkdir(exist_ok=True)
        monkeypatch.chdir(below)
        for folder in folders.split():
            (run,) = find_nested_runs([Path(folder)])
            assert (run.task, run.variant, run.seed, run.folder) == (UMAZE, "main", 0, tmp_path)
    monkeypatch.chdir(path.parent)
    assert [run.task for run in find_all_runs(Path("..")) + find_runs(Path("../.."), "ampl", [UMAZE])] == [UMAZE] * 2


def test_links_to_runs_keep_their_names(tmp_path: Path) -> None:
    stored = write_run(tmp_path / "there").rename(tmp_path / "stored")
    link = tmp_path / "here" / UMAZE / "ampl" / "main" / "seed0"
    link.parent.mkdir(parents=True)
    link.symlink_to(stored)
    assert len(find_nested_runs([tmp_path / "there" / ".." / "here"])) == len(find_all_runs(tmp_path / "here")) == 1


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", None, "does not exist"),
        ("config.json", "{", "is not JSON"),
        ("config.json", "[]", "does not hold an object"),
        ("config.json", '{"task": "elsewhere"}', "config.json says task 'elsewhere'"),
        ("result.json", '{"status": "lost"}', "status 'lost'"),
        ("metrics.csv", "epoch,a\n1,x\n", "line 2"),
        ("metrics.csv", "epoch,evaluation/score_mean\n1,2\n", "has 1 epochs; its result.json says 3"),
        ("metrics.csv", "epoch,evaluation/score_mean\n1,2\n1,3\n", "line 3: the epoch is 1; expected 2"),
        ("metrics.csv", "epoch,evaluation/score_mean\n1,2\n5e23,3\n", "line 3: the epoch is 5e23; expected 2"),
        ("metrics.csv", "epoch,evaluation/score_mean\n1,nan\n", "not finite"),
        ("manifest.json", "\x00", "is not JSON"),
    ],
)
def test_a_damaged_run_is_left_out_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, text: str | None, message: str
) -> None:
    damaged = write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1)
    (damaged / file).unlink()
    if text is not None:
        (damaged / file).write_text(text)
    with caplog.at_level(logging.WARNING):
        assert [run.seed for run in find_runs(tmp_path, "ampl")] == [1]
    (record,) = caplog.records
    assert message in record.getMessage()
    assert str(damaged) in record.getMessage()
    assert "\n" not in record.getMessage()


def test_settings_of_a_strange_shape_are_unknown_not_an_error(tmp_path: Path) -> None:
    path = write_run(tmp_path, settings={"data": "file", "schedule": [1], "scaled": "yes"})
    assert json.loads((path / "config.json").read_text())["settings"]["data"] == "file"
    (run,) = find_runs(tmp_path, "ampl")
    assert (run.data, run.steps, run.scaled) == (UNKNOWN, None, None)


@pytest.mark.parametrize(
    "weights",
    [np.full(4, 2.0), np.array([-1.0, 3.0]), np.array([np.nan, 1.0]), np.ones((2, 2)), np.ones(0), np.ones(3, int)],
)
def test_weights_must_be_weights(tmp_path: Path, weights: np.ndarray) -> None:
    write_npz(tmp_path / "epoch_0001.npz", {"weights": weights})
    with pytest.raises(InvalidFileError, match="does not hold weights"):
        read_weights(tmp_path / "epoch_0001.npz")
