"""Which epochs are evaluated, and what the records say where nothing was measured."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampl.errors import ExistingRunError, InvalidArgumentError, InvalidFileError
from ampl.evaluation_schedule import EvaluationRequest, evaluation_schedule
from ampl.interfaces import Metrics
from ampl.runs.metrics_table import MetricsTable, read_curve, read_metrics
from ampl.scale import Scale
from tests.ampl.fake_algorithm import FakeAlgorithm
from tests.ampl.runs.interruption import run_bytes
from tests.ampl.test_training_driver import directory, run

RETURN, PROMISED = "evaluation/return_raw", "certificate/model_return"


def evaluated(scale: Scale, epochs: int, *, certificates: bool = False) -> list[int]:
    schedule = evaluation_schedule(scale, epochs, exact=False)
    requests = [schedule.request(epoch) for epoch in range(1, epochs + 1)]
    return [found.epoch for found in requests if found is not None and (found.certificates or not certificates)]


def test_long_runs_are_evaluated_every_tenth_epoch_and_in_each_of_the_last_ten() -> None:
    assert evaluated(Scale(), 1000) == [*range(10, 990, 10), *range(990, 1001)]
    assert evaluated(Scale(), 1000, certificates=True) == evaluated(Scale(), 1000)
    assert evaluated(Scale(), 99) == list(range(1, 100))
    assert evaluated(Scale(evaluation_period=40), 100) == [40, 80, *range(91, 101)]
    assert evaluated(Scale(evaluation_period=1), 200) == list(range(1, 201))


def test_certificates_are_measured_in_evaluated_epochs_only() -> None:
    scale = Scale(evaluation_period=5, certificate_period=15)
    assert evaluated(scale, 60, certificates=True) == [15, 30, 45, *range(51, 61)]
    with pytest.raises(InvalidArgumentError, match="--certificates-every is 15; expected a multiple of --eval-every"):
        evaluation_schedule(Scale(certificate_period=15), 1000, exact=False)


def test_exact_evaluations_are_made_every_epoch_and_take_no_options() -> None:
    schedule = evaluation_schedule(Scale(), 1000, exact=True)
    assert all(schedule.request(epoch) for epoch in range(1, 1001))
    for option, scale in (
        ("--eval-every", Scale(evaluation_period=2)),
        ("--eval-episodes", Scale(evaluation_episodes=2)),
        ("--certificates-every", Scale(certificate_period=2)),
        ("--common-starts", Scale(common_starts=True)),
    ):
        with pytest.raises(InvalidArgumentError, match=f"{option} is given; on a finite MDP"):
            evaluation_schedule(scale, 10, exact=True)


def test_each_epoch_has_random_streams_of_its_own_unless_starts_are_common() -> None:
    assert EvaluationRequest(epoch=3).stream == "evaluation/epoch 3"
    assert EvaluationRequest(epoch=3, common_starts=True).stream == "evaluation"


@pytest.mark.parametrize("option", ["evaluation_period", "evaluation_episodes", "certificate_period"])
def test_counts_below_one_are_named(option: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^--(eval-every|eval-episodes|certificates-every) is 0"):
        Scale(**{option: 0})


def test_the_table_is_empty_where_nothing_was_measured(tmp_path: Path) -> None:
    scale = Scale(evaluation_period=4, certificate_period=8)
    result = run(tmp_path, 20, FakeAlgorithm(certified=True), scale=scale)[0].result
    path = directory(tmp_path) / "metrics.csv"
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "model/loss_nats", "policy/loss", RETURN, PROMISED]
    assert [int(row["epoch"]) for row in rows if row[RETURN]] == [4, 8, *range(11, 21)]
    assert [int(row["epoch"]) for row in rows if row[PROMISED]] == [8, *range(11, 21)]
    assert all(row["policy/loss"] for row in rows)
    table = read_metrics(path)
    assert np.isnan(table[RETURN][:3]).all()
    curve = read_curve(path, PROMISED)
    assert curve.epochs.tolist() == [8, *range(11, 21)]
    assert curve.values.tolist() == table[PROMISED][curve.epochs - 1].tolist()
    assert dict(result.metrics) == {name: column[-1] for name, column in table.items() if name != "epoch"}
    assert read_curve(path, "evaluation/score_mean").values.size == 0


def test_which_epochs_are_evaluated_changes_nothing_in_the_training(tmp_path: Path) -> None:
    run(tmp_path / "often", 20)
    run(tmp_path / "seldom", 20, scale=Scale(evaluation_period=7))
    often, seldom = (directory(tmp_path / name) for name in ("often", "seldom"))
    assert run_bytes(often, 20)[1:] == run_bytes(seldom, 20)[1:]
    there, here = (read_metrics(path / "metrics.csv") for path in (often, seldom))
    assert there["policy/loss"].tolist() == here["policy/loss"].tolist()
    measured = ~np.isnan(here[RETURN])
    assert there[RETURN][measured].tolist() == here[RETURN][measured].tolist()
    assert 0 < measured.sum() < 20


def test_a_resumed_run_may_be_evaluated_at_other_epochs_but_not_otherwise(tmp_path: Path) -> None:
    run(tmp_path, 20, scale=Scale(evaluation_period=10))
    for other in (Scale(common_starts=True), Scale(evaluation_episodes=3)):
        with pytest.raises(ExistingRunError, match=r"scale\.(common_starts|evaluation_episodes) is"):
            run(tmp_path, 40, scale=other, resume=True)
    manifest = directory(tmp_path) / "manifest.json"
    assert json.loads(manifest.read_text())["evaluation"]["every"] == 10
    run(tmp_path, 40, scale=Scale(evaluation_period=20), resume=True)
    assert json.loads(manifest.read_text())["evaluation"] == {
        "every": 20,
        "certificates_every": 20,
        "last_epochs": 10,
        "episodes": None,
        "common_starts": False,
        "workers": 0,
    }
    curve = read_curve(directory(tmp_path) / "metrics.csv", RETURN)
    assert curve.epochs.tolist() == [*range(10, 21), *range(31, 41)]


def test_a_run_that_is_resumed_before_its_first_evaluation_ends_with_the_same_bytes(tmp_path: Path) -> None:
    class Interrupted(FakeAlgorithm):
        def improve_policy(self, epoch: int) -> Any:
            if epoch == self.last:
                raise KeyboardInterrupt
            return super().improve_policy(epoch)

    scale = Scale(evaluation_period=6)
    for name, last, seconds in (("early", 4, 0.0), ("late", 8, 1e6)):  # the second one goes back before its columns
        algorithm = Interrupted()
        algorithm.last = last  # type: ignore[attr-defined]
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / name, 20, algorithm, scale=scale, checkpoint_seconds=seconds)
        run(tmp_path / name, 20, scale=scale, resume=True)
    run(tmp_path / "whole", 20, scale=scale)
    expected = run_bytes(directory(tmp_path / "whole"), 20)
    assert run_bytes(directory(tmp_path / "early"), 20) == expected == run_bytes(directory(tmp_path / "late"), 20)


def test_a_group_is_measured_as_a_whole_and_other_columns_always(tmp_path: Path) -> None:
    table = MetricsTable(tmp_path / "metrics.csv")
    table.append(1, {"a": 1.0})
    table.append(2, {"a": 1.0, "evaluation/x": 2.0, "evaluation/y": 3.0})
    table.append(3, {"a": 4.0, "certificate/z": 5.0})
    assert table.last() == {"a": 4.0, "certificate/z": 5.0}
    assert table.path.read_text() == (
        "epoch,a,evaluation/x,evaluation/y,certificate/z\n1,1.0,,,\n2,1.0,2.0,3.0,\n3,4.0,,,5.0\n"
    )
    for metrics in ({"a": 1.0, "evaluation/x": 2.0}, {"evaluation/x": 2.0, "evaluation/y": 3.0}, {"a": 1.0, "b": 2.0}):
        with pytest.raises(InvalidArgumentError, match="other names"):
            table.append(4, metrics)
    (tmp_path / "metrics.csv").write_text("epoch,a,evaluation/x\n1,,2.0\n")
    with pytest.raises(InvalidFileError, match="line 2"):
        read_metrics(tmp_path / "metrics.csv")


def test_the_progress_display_keeps_the_newest_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[list[Metrics]] = []
    monkeypatch.setattr("ampl.training.headline", lambda rows, _: shown.append(list(rows)) or "")
    run(tmp_path, 14, FakeAlgorithm([0, 1]), scale=Scale(evaluation_period=3))
    table = read_metrics(directory(tmp_path, seed=1) / "metrics.csv")
    assert RETURN not in shown[1][1]
    assert [rows[1][RETURN] for rows in shown[2:4]] == [table[RETURN][2]] * 2
    assert [rows[1]["policy/loss"] for rows in shown] == table["policy/loss"].tolist()
