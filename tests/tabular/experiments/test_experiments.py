"""The records behind the figures: shapes, determinism, and the findings they must show."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from ampl.errors import ForeignFileError, InvalidDiscountError
from ampl.return_bounds import sharp_constant
from tabular.bounds.extremal import _negative_log_ratio, largest_ratio
from tabular.experiments import ampl_theory as experiments
from tabular.experiments import return_gap


def test_the_gradient_of_the_ratio_is_exact() -> None:
    point = np.random.default_rng(0).normal(size=24)
    for nonnegative in (False, True):
        _, gradient = _negative_log_ratio(point, 0.9, nonnegative)
        numerical = approx_fprime(point, lambda x, n=nonnegative: _negative_log_ratio(x, 0.9, n)[0], 1e-7)
        np.testing.assert_allclose(gradient, numerical, atol=1e-6)


@pytest.mark.parametrize("discount", [0.1, 0.5, 0.9])
def test_the_search_reaches_the_sharp_constant_and_never_passes_it(discount: float) -> None:
    """theory.md 4: sqrt(2 (1 - discount)) for signed rewards, half of it for rewards in [0, r_max]."""
    signed = largest_ratio(discount, False, np.random.default_rng(0))
    nonnegative = largest_ratio(discount, True, np.random.default_rng(0))
    assert 0.999 * sharp_constant(discount) < signed <= sharp_constant(discount)
    assert 0.999 * sharp_constant(discount) / 2 < nonnegative <= sharp_constant(discount) / 2


def test_discounts_without_a_ratio_are_refused() -> None:
    with pytest.raises(InvalidDiscountError, match=r"discount is 0\.0"):
        largest_ratio(0.0, False, np.random.default_rng(0))


def test_the_proposition2_record_attains_the_rate_in_l1_and_breaks_the_sup_norm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "_ITERATIONS", 40)
    experiments.proposition2(tmp_path / "record.npz")
    with np.load(tmp_path / "record.npz") as record:
        error, factor, discount = record["error"], record["factor"], record["discount"]
        assert record["norm"].tolist() == ["L1(d_b)", "L2(d_b)", "sup"]
    assert error.shape == (3, 2, 3, 41)
    rate = error[:, :, 0, 1:] / error[:, :, 0, :-1]
    np.testing.assert_allclose(rate, np.broadcast_to(discount[:, None, None], rate.shape), rtol=1e-9)
    assert factor[0, 0, 2] < 1.0 < factor[0, 1, 2]
    assert error[:, 1, 2].max(axis=-1).min() > 1.5  # far from pi_b the sup-norm error grows at first


def test_the_theorem1_record_breaks_only_the_smaller_constant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = (("random", "random", 40), ("fork", "fork", 30), ("FrozenLake", "frozenlake-4x4", 2))
    monkeypatch.setattr(experiments, "_THEOREM1_CASES", few)
    for name in ("first", "second"):
        experiments.theorem1(tmp_path / f"{name}.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    with np.load(tmp_path / "first.npz") as record:
        broken = (record["gap"][:, None] > record["bound"] * (1 + 1e-9) + 1e-15).any(axis=0)
        names = record["bound_name"].tolist()
    assert [name for name, is_broken in zip(names, broken, strict=True) if is_broken] == [names[0]]
    assert "1/√2" in names[0]


def test_a_record_never_replaces_a_foreign_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "_THEOREM1_CASES", (("random", "random", 1),))
    (tmp_path / "mine.npz").write_bytes(b"mine")
    with pytest.raises(ForeignFileError, match="not written by ampl"):
        experiments.theorem1(tmp_path / "mine.npz")


def test_the_return_gap_closes_with_more_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(return_gap, "TASKS", ("gridworld-5x5",))
    monkeypatch.setattr(return_gap, "SIZES", (100, 100_000))
    monkeypatch.setattr(return_gap, "_DATASETS", 3)
    for name in ("first", "second"):
        return_gap.return_gap(tmp_path / f"{name}.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    with np.load(tmp_path / "first.npz") as record:
        gap = record["optimization"] + record["dense"] + record["sparse"]
        assert (gap >= -1e-9).all()
        assert gap[0, 1].mean() < 0.1 * gap[0, 0].mean()
        assert (record["optimization"] <= 1e-9).all()
