"""Where panels of returns end whose first policies earn far less than the later ones."""

import pytest
from matplotlib.figure import Figure

from figures.drawing.seed_curves import leave_out_low_returns


@pytest.mark.parametrize(("later", "limits"), [([-10.0, -10.0], (-20.0, 0.0)), ([-10.0, -6.0], (-14.0, -2.0))])
def test_low_first_returns_are_left_out_whether_the_later_ones_differ_or_not(
    later: list[float], limits: tuple[float, float]
) -> None:
    axes = Figure().subplots()
    axes.plot([-1000.0, -900.0, *later])
    assert leave_out_low_returns(axes)
    assert axes.get_ylim() == pytest.approx(limits)
