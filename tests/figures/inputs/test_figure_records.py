"""A file that is not the record a figure needs ends in one line that names the file and the array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ampl.errors import InvalidFileError
from tests.figures.drawing.drawn_text import draw
from tests.figures.inputs.synthetic_records import RECORDS, figure2_truth, theorem1, write_record

BAD = [
    ("proposition2", {"factor": None}, "lacks the array 'factor'"),
    ("proposition2", {"discount": [0.9]}, r"'discount' has shape \[1\]; expected \[M = 3\]"),
    ("proposition2", {"norm": ["L1", "sup"]}, r"'norm' has shape \[2\]; expected \[3\]"),
    ("proposition2", {"mdp": [1, 2, 3]}, "'mdp' has dtype int64; expected text"),
    ("theorem1", {"gap": np.zeros(3)}, r"'gap' has shape \[3\]; expected \[N = 2000\]"),
    ("theorem1", {"bound": np.zeros(2000)}, r"'bound' has shape \[2000\]; expected \[N = 2000, B = 6\]"),
    ("theorem1", {"discount": np.full(2000, np.nan)}, "'discount' holds values that are not finite"),
    ("theorem1", {"bound": np.full((2000, 6), np.nan)}, "'bound' holds values that are not finite"),
    ("theorem1-constant", {"discount": ["a"]}, "'discount' has dtype <U1; expected numbers"),
    ("theorem1-constant", {"discount": np.zeros(0)}, r"'discount' has shape \[0\]; expected \[G\]"),
    ("figure2-truth", {"true_log_weights": np.zeros((5, 7))}, r"'true_log_weights' has shape \[5, 7\]"),
    ("figure2-truth", {"log_weights": -figure2_truth()["log_weights"]}, r"'log_weights' holds \+inf"),
    ("figure2-truth", {"error_l1": np.full((5, 5), np.inf)}, "'error_l1' holds values that are not finite"),
    ("estimation-error", {"size": np.ones(3)}, "'weights_error' has shape"),
    ("mopo-tradeoff", {"bound": np.zeros((2, 29))}, r"'bound' has shape \[2, 29\]; expected \[M = 2, D = 30\]"),
    ("mopo-tradeoff", {"true_return": np.full((2, 5), np.nan)}, "'true_return' holds values that are not finite"),
    ("mopo-tradeoff", {"mdp": np.zeros(2)}, "'mdp' has dtype float64; expected text"),
    ("damo-gap", {"by_alpha": np.zeros((2, 4, 5))}, "'by_alpha'"),
    ("damo-gap", {"mdps": np.zeros(2)}, r"'mdps' has shape \[2\]; expected \[\]"),
    ("damo-maximin", {"earned": np.full((5, 3, 2), np.nan)}, "'earned'"),
    ("alternation", {"task": np.zeros(2)}, "'task'"),
]


@pytest.mark.parametrize(("name", "changed", "message"), BAD)
def test_a_wrong_array_is_named_in_one_line(
    tmp_path: Path, name: str, changed: dict[str, object], message: str
) -> None:
    path = write_record(tmp_path / "record.npz", name, **changed)
    with pytest.raises(InvalidFileError, match=message) as caught:
        draw(name, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_file_of_another_format_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "record.npz"
    path.write_bytes(b"not an archive")
    with pytest.raises(InvalidFileError, match="cannot be read"):
        draw(name, path)


def test_the_record_of_another_figure_is_refused(tmp_path: Path) -> None:
    path = write_record(tmp_path / "record.npz", "theorem1", **theorem1(10))
    with pytest.raises(InvalidFileError, match="lacks the array"):
        draw("proposition2", path)
