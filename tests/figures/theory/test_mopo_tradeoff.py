"""Figure `mopo-tradeoff`: what it shows and says of its record."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.figures.drawing.drawn_text import check_text_is_readable, drawn, texts, words
from tests.figures.inputs.synthetic_records import mopo_tradeoff

NAME = "mopo-tradeoff"


def test_each_setting_has_a_trade_off_and_a_coefficient_panel(tmp_path: Path) -> None:
    figure = drawn(tmp_path, NAME)
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
    assert any("keeps its guarantee in 2 of 2 cases, and earns more" in text for text in texts(drawn(tmp_path, NAME)))
    broken = mopo_tradeoff()["bound"]
    broken[1, 3] = 0.5
    found = texts(drawn(tmp_path, NAME, bound=broken))
    assert "MOPO's penalized optimum keeps its guarantee in 1 of 2 cases" in found


def test_the_headline_counts_claims_that_are_lower_bounds(tmp_path: Path) -> None:
    detail = words(drawn(tmp_path, NAME))
    assert "is a lower bound in 4 of 4 cases; with a smaller λ, which no theorem covers, in 2 of 6" in detail


def test_a_record_without_the_coefficient_zero_says_so(tmp_path: Path) -> None:
    found = texts(drawn(tmp_path, NAME, fraction=np.array([0.05, 0.1, 0.5, 1.0, 2.0])))
    assert found.count("at λ = 0.05 γ c: claims 0.7, earns 0.2") == 2
    assert not any("without a penalty" in text for text in found)


def test_one_setting_alone_can_be_read(tmp_path: Path) -> None:
    check_text_is_readable(drawn(tmp_path, NAME, **mopo_tradeoff(1)))
