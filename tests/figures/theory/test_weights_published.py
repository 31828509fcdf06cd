"""The figure `weights-published` says how many exact weights lie below its panels."""

from pathlib import Path

import numpy as np

from tests.figures.drawing.drawn_text import drawn, words
from tests.figures.inputs.synthetic_records import weights_published


def test_panels_begin_where_the_record_does_and_what_lies_below_is_counted(tmp_path: Path) -> None:
    exact = weights_published()["exact_weights"]
    estimated = np.ones((2, len(exact)))
    for scale in (1e-6, 1.0):
        figure = drawn(tmp_path, "weights-published", exact_weights=scale * exact, weights=estimated)
        low = figure.axes[-1].get_xlim()[0]
        below = np.mean(scale * exact < low)
        assert 0.03 < below < 0.05
        assert f"{below:.1%} of the rows have smaller exact weights" in words(figure)
    assert drawn(tmp_path, "weights-published", weights=1e-9 * estimated).axes[-1].get_ylim()[0] < 1e-9
