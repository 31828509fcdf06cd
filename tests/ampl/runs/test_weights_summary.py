"""A summary of weights counts and measures them as they are, in a few kB."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampl.errors import InvalidFileError
from ampl.files import write_npz
from ampl.runs.weights_summary import LEVELS, N_BINS, WeightsSummary


def test_weights_are_counted_in_equal_bins_of_their_log_and_zeros_apart() -> None:
    edges = np.exp(np.arange(N_BINS + 1) / 64.0)
    inside = np.sqrt(edges[:-1] * edges[1:])
    found = WeightsSummary.of(np.concatenate([inside, edges[[0, -1]], np.repeat(inside[7], 3), np.zeros(4)]))
    expected = np.ones(N_BINS)
    expected[[0, 7, -1]] = 2, 4, 2  # the last bin holds its upper edge
    np.testing.assert_array_equal(found.counts, expected)
    assert (found.zeros, found.number) == (4, N_BINS + 2 + 3 + 4)
    assert found.quantiles[[0, -1]].tolist() == pytest.approx([0.0, N_BINS / 64.0])


def test_quantiles_and_deviation_are_those_of_all_logs() -> None:
    weights = np.random.default_rng(0).lognormal(size=10_001).astype(np.float32)
    found, logs = WeightsSummary.of(weights), np.log(weights.astype(np.float64))
    np.testing.assert_array_equal(found.quantiles, np.quantile(logs, LEVELS))
    assert found.deviation == logs.std()


@pytest.mark.parametrize(
    "weights",
    [np.ones(3), np.zeros(3), np.array([0.0, 2.0]), np.array([1e-45, 3e38], np.float32), np.array([1.0, 1.0 + 2e-16])],
)
def test_no_weight_is_lost_however_small_or_large_and_a_file_gives_the_same_back(
    tmp_path: Path, weights: np.ndarray
) -> None:
    summary = WeightsSummary.of(weights)
    assert summary.counts.sum() == np.count_nonzero(weights)
    summary.write(tmp_path / "summary_0001.npz")
    read = WeightsSummary.read(tmp_path / "summary_0001.npz")
    for name, value in vars(summary).items():
        np.testing.assert_array_equal(getattr(read, name), value)


def test_the_file_of_a_million_weights_has_a_few_kilobytes(tmp_path: Path) -> None:
    WeightsSummary.of(np.random.default_rng(0).lognormal(size=1_000_000)).write(tmp_path / "summary_0001.npz")
    assert (tmp_path / "summary_0001.npz").stat().st_size < 4096


@pytest.mark.parametrize(
    "wrong",
    [
        {"counts": np.zeros(3, int)},
        {"counts": np.full(N_BINS, -1)},
        {"counts": np.zeros(N_BINS, int)},
        {"quantiles": np.full(len(LEVELS), np.nan)},
        {"deviation": np.array("wide")},
        {"zeros": np.array(-1)},
    ],
)
def test_what_is_not_a_summary_is_named(tmp_path: Path, wrong: dict[str, Any]) -> None:
    write_npz(tmp_path / "summary_0001.npz", vars(WeightsSummary.of(np.arange(9.0))) | wrong)
    with pytest.raises(InvalidFileError, match=r"summary_0001\.npz does not hold the summary"):
        WeightsSummary.read(tmp_path / "summary_0001.npz")
