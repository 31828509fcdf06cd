"""DAMO's two figures and the alternation: they draw their records, state what is in them, refuse others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from ampl.errors import InvalidFileError
from ampl.files import write_npz
from figures.drawing.style import look
from figures.theory import alternation, damo_gap, damo_maximin
from tests.figures.drawing.drawn_text import check_text_is_readable


def gap_record(**changed: Any) -> dict[str, Any]:
    alpha, error = np.geomspace(0.01, 10.0, 5), np.linspace(0.0, 0.9, 4)
    values = np.stack([np.full(5, 0.5), 0.5 - alpha, 0.4 - alpha, 0.7 - alpha, np.full(5, 0.6)])
    by_error = np.stack([np.full(4, 0.5), np.full(4, 0.4), 0.4 - error, 0.45 - error / 2, 0.5 - error])
    return {
        "divergence": np.array(["f", "g"]), "value_name": np.array(["J", "J - KL", "S", "D", "model"]),
        "alpha": alpha, "model_error": error,
        "by_alpha": np.stack([values, values]), "by_error": np.stack([by_error, by_error]),
        "share_by_alpha": np.tile([1.0, 0.5, 0.1, 0.0, 0.0], (2, 1)), "share_by_error": np.full((2, 4), 0.25),
        "fixed_alpha": np.float64(0.1), "fixed_error": np.float64(0.3), "mdps": np.float64(7),
    } | changed  # fmt: skip


def maximin_record(**changed: Any) -> dict[str, Any]:
    earned = np.tile(np.array([[0.2, 0.3], [0.6, 0.4], [1.0, 0.9]]), (5, 1, 1))
    return {
        "method": np.array(["model", "DAMO", "best (needs the truth)"]), "alpha": np.array([0.1, 1.0]),
        "earned": earned, "claimed": np.tile(np.array([[0.5, 0.1], [-0.1, -2.0], [0.0, 0.0]]), (5, 1, 1)),
    } | changed  # fmt: skip


def alternation_record(**changed: Any) -> dict[str, Any]:
    curve = np.tile(np.linspace(0.0, 1.0, 6), (2, 2, 3, 1))
    better = curve + np.array([0.1, 0.0])[None, :, None, None]
    return {
        "task": np.array(["one", "two"]), "variant": np.array(["weighted", "unweighted"]),
        "epoch": np.arange(1.0, 7.0), "retraining": np.array([2.0, 4.0]),
        "true_return": better, "lower_bound": better - 3.0, "model_divergence": 2.0 - better,
        "weights_error": curve, "behavior_return": np.zeros(2), "optimal_return": np.full(2, 2.0),
    } | changed  # fmt: skip


CASES: dict[str, tuple[Callable[[Path], Figure], Callable[..., dict[str, Any]]]] = {
    "damo-gap": (damo_gap.draw, gap_record),
    "damo-maximin": (damo_maximin.draw, maximin_record),
    "alternation": (alternation.draw, alternation_record),
}


def _texts(draw: Callable[[Path], Figure], path: Path) -> str:
    with look():
        figure = draw(path)
        figure.canvas.draw()
        return " ".join(text.get_text() for text in figure.texts)


@pytest.mark.parametrize("name", CASES)
def test_a_record_is_drawn_and_its_text_is_readable(name: str, tmp_path: Path) -> None:
    draw, record = CASES[name]
    write_npz(tmp_path / "record.npz", record())
    with look():
        check_text_is_readable(draw(tmp_path / "record.npz"))


def test_the_gap_says_up_to_which_alpha_the_bound_turns(tmp_path: Path) -> None:
    write_npz(tmp_path / "record.npz", gap_record())
    text = _texts(damo_gap.draw, tmp_path / "record.npz")
    assert "up to α = 0.056 for f, 0.056 for g" in text
    assert "25 % of the MDPs" in text
    write_npz(tmp_path / "none.npz", gap_record(share_by_alpha=np.zeros((2, 5))))
    assert "stays below the true return of most" in _texts(damo_gap.draw, tmp_path / "none.npz")


def test_the_maximin_ranks_what_needs_no_truth(tmp_path: Path) -> None:
    write_npz(tmp_path / "record.npz", maximin_record())
    text = _texts(damo_maximin.draw, tmp_path / "record.npz")
    assert "1 of 2 methods overestimate" in text
    assert "Overestimated: model." in text
    assert "0.60 DAMO, 0.30 model" in text


def test_the_alternation_counts_where_weighting_helps(tmp_path: Path) -> None:
    write_npz(tmp_path / "record.npz", alternation_record())
    text = _texts(alternation.draw, tmp_path / "record.npz")
    assert "on 2 of 2 tasks" in text
    assert "lower bound on 2, the true return on 2: it changes by +5 % to +5 % of the way" in " ".join(text.split())
    assert "On 2 the lower bound never reaches the behavior policy's return." in " ".join(text.split())


@pytest.mark.parametrize(
    ("name", "changed", "named"),
    [
        ("damo-gap", {"by_alpha": np.zeros((2, 4, 5))}, "by_alpha"),
        ("damo-maximin", {"earned": np.full((5, 3, 2), np.nan)}, "earned"),
        ("alternation", {"task": np.zeros(2)}, "task"),
    ],
)
def test_another_record_is_refused_by_name(name: str, changed: dict[str, Any], named: str, tmp_path: Path) -> None:
    draw, record = CASES[name]
    write_npz(tmp_path / "record.npz", record(**changed))
    with pytest.raises(InvalidFileError, match=f"'{named}'"):
        draw(tmp_path / "record.npz")
