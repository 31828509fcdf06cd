"""The experiments behind DAMO's figures and the alternation, on a smaller scale: their records hold what they say."""

from pathlib import Path

import numpy as np
import pytest

from tabular.experiments import alternation
from tabular.experiments import damo_theory as damo_experiments


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (damo_experiments, alternation):
        monkeypatch.setattr(module, "available_cores", lambda: 1)


def test_the_gap_keeps_the_order_that_theory_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(damo_experiments, "_N_MDPS", 2)
    monkeypatch.setattr(damo_experiments, "_ALPHAS", np.array([0.01, 1.0]))
    monkeypatch.setattr(damo_experiments, "_ERRORS", np.array([0.0, 0.5]))
    damo_experiments.damo_gap(tmp_path / "record.npz")
    record = np.load(tmp_path / "record.npz")
    for values in (record["by_alpha"], record["by_error"]):
        true, regularized, surrogate, minimum = (values[:, row] for row in range(4))
        assert (regularized <= true + 1e-12).all()
        assert (surrogate <= regularized + 1e-9).all()
        assert (minimum >= surrogate - 1e-9).all()
    assert record["share_by_alpha"].shape == (3, 2)
    assert (record["by_alpha"][:, 3, 0] > record["by_alpha"][:, 0, 0]).all()  # a small coefficient: D above J


def test_the_maximin_with_the_truth_reaches_the_optimum_at_a_small_coefficient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(damo_experiments, "_MAXIMIN_MDPS", 1)
    monkeypatch.setattr(damo_experiments, "_MAXIMIN_ALPHAS", np.array([0.003]))
    monkeypatch.setattr(damo_experiments, "_INCONSISTENT_STEPS", 5)
    damo_experiments.damo_maximin(tmp_path / "record.npz")
    record = np.load(tmp_path / "record.npz")
    by_name = dict(zip(record["method"], record["earned"][0, :, 0], strict=True))
    assert by_name["max J − α KL (needs the truth)"] == pytest.approx(1.0, abs=0.05)
    assert record["claimed"].shape == (1, len(record["method"]), 1)


def test_the_alternation_records_both_variants_from_the_same_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alternation, "TASKS", ("random-10x3",))
    monkeypatch.setattr(alternation, "SEEDS", (0, 1))
    monkeypatch.setattr(alternation, "EPOCHS", 7)
    alternation.alternation(tmp_path / "record.npz")
    record = np.load(tmp_path / "record.npz")
    returns = record["true_return"]
    assert returns.shape == (1, 2, 2, 7)
    np.testing.assert_array_equal(returns[:, 0, :, :5], returns[:, 1, :, :5])  # until the first refit
    assert not np.array_equal(returns[:, 0, :, 5:], returns[:, 1, :, 5:])
    assert (record["lower_bound"] <= returns).all()
