"""DAMO's two figures and the alternation state what is in their records."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.figures.drawing.drawn_text import drawn, words


def test_the_gap_says_up_to_which_alpha_the_bound_turns(tmp_path: Path) -> None:
    text = words(drawn(tmp_path, "damo-gap"))
    assert "up to α = 0.056 for f, 0.056 for g" in text
    assert "25 % of the MDPs" in text
    assert "stays below the true return of most" in words(drawn(tmp_path, "damo-gap", share_by_alpha=np.zeros((2, 5))))


def test_the_maximin_ranks_what_needs_no_truth(tmp_path: Path) -> None:
    text = words(drawn(tmp_path, "damo-maximin"))
    assert "1 of 2 methods overestimate" in text
    assert "Overestimated: model." in text
    assert "0.60 DAMO, 0.30 model" in text


def test_the_alternation_counts_where_weighting_helps(tmp_path: Path) -> None:
    text = words(drawn(tmp_path, "alternation"))
    assert "on 2 of 2 tasks" in text
    assert "lower bound on 2, the true return on 2: it changes by +5 % to +5 % of the way" in text
    assert "On 2 the lower bound never reaches the behavior policy's return." in text
