"""The record of the figure `mopo-tradeoff`: the guarantees it must show, and the same bytes each time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampl.errors import ForeignFileError
from tabular.experiments import mopo_tradeoff as experiment
from tabular.experiments.mopo_tradeoff import FRACTIONS, mopo_tradeoff


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record as the command makes it."""
    path = tmp_path_factory.mktemp("records") / "mopo-tradeoff.npz"
    mopo_tradeoff(path)
    return path


@pytest.fixture
def record(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        return dict(arrays)


def test_theorem_4_4_and_eq_11_hold_in_every_setting(record: dict[str, Any]) -> None:
    guarantee = record["guarantee"]
    assert guarantee.shape == (4,)
    assert (guarantee >= record["supremum"] - 1e-9).all()
    assert (guarantee[:, None] >= record["bound"] - 1e-9).all()
    for point in ("behavior_point", "optimum_point"):
        uncertain, returned = record[point].T
        assert (guarantee >= returned - 2.0 * record["penalty_weight"] * uncertain - 1e-9).all()


def test_the_claimed_return_is_a_lower_bound_from_the_proved_coefficient_on(record: dict[str, Any]) -> None:
    proved = record["fraction"] >= 1.0
    assert (record["claimed_return"] <= record["true_return"] + 1e-9)[:, proved].all()
    assert (record["claimed_return"] > record["true_return"] + 0.05)[:, ~proved].any(axis=1).all()  # else no need of it


def test_the_curves_are_consistent_with_their_points(record: dict[str, Any]) -> None:
    """More uncertainty allows more return; pi* is the most; pi_hat lies below the curve."""
    best = record["best_return"]
    assert (np.diff(best, axis=1) >= 0.0).all()
    np.testing.assert_allclose(best.max(axis=1), record["optimum_point"][:, 1], atol=1e-9)
    for row, (uncertain, returned) in enumerate(record["chosen_point"]):
        allowed = record["delta"][row] >= uncertain
        assert (best[row][allowed] >= returned - 1e-9).all()
    np.testing.assert_array_equal(record["true_return"][:, FRACTIONS.index(1.0)], record["guarantee"])
    assert record["enumerated"].tolist() == [1.0, 1.0, 0.0, 0.0]


def test_without_a_penalty_the_grid_world_earns_nothing_and_claims_most(record: dict[str, Any]) -> None:
    grid = record["mdp"] == "grid world"
    assert (record["true_return"][grid, 0] < 1e-3).all()
    assert (record["claimed_return"][grid, 0] > record["optimum_point"][grid, 1]).all()
    assert (record["guarantee"][grid] > 0.9 * record["optimum_point"][grid, 1]).all()


def test_the_record_is_the_same_each_time(path: Path, tmp_path: Path) -> None:
    mopo_tradeoff(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_the_record_never_replaces_a_foreign_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "_grid_settings", list)
    (tmp_path / "mine.npz").write_bytes(b"mine")
    with pytest.raises(ForeignFileError, match="not written by ampl"):
        mopo_tradeoff(tmp_path / "mine.npz")
