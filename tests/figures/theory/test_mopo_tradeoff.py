"""Figure `mopo-tradeoff`: what it shows and says of its record, and that wrong records are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from ampl.errors import InvalidFileError
from ampl.files import write_npz
from figures.drawing.render import render
from figures.drawing.style import look
from figures.theory.mopo_tradeoff import draw
from tests.figures.drawing.drawn_text import check_text_is_readable, texts


def synthetic(n_rows: int = 2) -> dict[str, Any]:
    """Two settings whose guarantee holds: returns rise with delta, claims fall with the coefficient."""
    delta = np.linspace(0.1, 0.9, 30)
    best = 0.3 + 0.4 * np.floor(5.0 * delta) / 5.0
    return {
        "mdp": np.array(["random MDP", "grid world"][:n_rows]),
        "metric": np.array(["total variation (L1)", "Wasserstein-1"][:n_rows]),
        "delta": np.tile(delta, (n_rows, 1)),
        "best_return": np.tile(best, (n_rows, 1)),
        "bound": np.tile(best - 0.8 * delta, (n_rows, 1)),
        "guarantee": np.full(n_rows, 0.45),
        "supremum": np.full(n_rows, 0.25),
        "penalty_weight": np.full(n_rows, 0.4),
        "behavior_point": np.tile([0.2, 0.3], (n_rows, 1)),
        "optimum_point": np.tile([0.85, 0.62], (n_rows, 1)),
        "chosen_point": np.tile([0.3, 0.45], (n_rows, 1)),
        "fraction": np.array([0.0, 0.1, 0.5, 1.0, 2.0]),
        "true_return": np.tile([0.2, 0.3, 0.5, 0.45, 0.3], (n_rows, 1)),
        "claimed_return": np.tile([0.7, 0.6, 0.45, 0.3, 0.1], (n_rows, 1)),
        "enumerated": np.array([1.0, 0.0][:n_rows]),
    }


def written(folder: Path, **changed: object) -> Path:
    path = folder / "mopo-tradeoff.npz"
    write_npz(path, {**synthetic(), **changed})
    return path


def drawn(folder: Path, **changed: object) -> Figure:
    with look():
        return draw(written(folder, **changed))


def test_each_setting_has_a_trade_off_and_a_coefficient_panel(tmp_path: Path) -> None:
    figure = drawn(tmp_path)
    assert len(figure.axes) == 4
    assert figure.axes[0].get_title(loc="left") == "random MDP, total variation (L1)"
    assert figure.axes[2].get_title(loc="left") == "grid world, Wasserstein-1"
    found = texts(figure)
    assert "γ c = 0.4; all deterministic policies" in found
    assert "γ c = 0.4; traced numerically" in found
    assert found.count("guaranteed 0.25, earned 0.45") == 2
    assert found.count("earns most, 0.5, at λ = 0.5 γ c") == 2
    assert found.count("without a penalty: claims 0.7, earns 0.2") == 2


def test_the_headline_counts_kept_guarantees(tmp_path: Path) -> None:
    assert any("keeps its guarantee in 2 of 2 cases, and earns more" in text for text in texts(drawn(tmp_path)))
    broken = synthetic()["bound"]
    broken[1, 3] = 0.5
    found = texts(drawn(tmp_path, bound=broken))
    assert "MOPO's penalized optimum keeps its guarantee in 1 of 2 cases" in found


def test_the_headline_counts_claims_that_are_lower_bounds(tmp_path: Path) -> None:
    detail = " ".join(" ".join(texts(drawn(tmp_path))).split())
    assert "is a lower bound in 4 of 4 cases; with a smaller λ, which no theorem covers, in 2 of 6" in detail


def test_a_record_without_the_coefficient_zero_says_so(tmp_path: Path) -> None:
    found = texts(drawn(tmp_path, fraction=np.array([0.05, 0.1, 0.5, 1.0, 2.0])))
    assert found.count("at λ = 0.05 γ c: claims 0.7, earns 0.2") == 2
    assert not any("without a penalty" in text for text in found)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_all_text_can_be_read(tmp_path: Path, n_rows: int) -> None:
    check_text_is_readable(drawn(tmp_path, **synthetic(n_rows)))


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert render(lambda: draw(path), [".svg"]) == render(lambda: draw(path), [".svg"])


BAD = [
    ({"bound": np.zeros((2, 29))}, r"'bound' has shape \[2, 29\]; expected \[M = 2, D = 30\]"),
    ({"true_return": np.full((2, 5), np.nan)}, "'true_return' holds values that are not finite"),
    ({"mdp": np.zeros(2)}, "'mdp' has dtype float64; expected text"),
]


@pytest.mark.parametrize(("changed", "message"), BAD)
def test_a_wrong_array_is_named(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidFileError, match=message):
        draw(written(tmp_path, **changed))
