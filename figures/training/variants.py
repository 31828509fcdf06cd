"""What the variants of AMPL are called in pictures and tables, and the color each has in all of them."""

from __future__ import annotations

from collections.abc import Mapping

from figures.drawing.style import BLUE, GRAY, GREEN, ORANGE, PURPLE, SKY
from figures.inputs.names import MAIN

LABELS: Mapping[str, str] = {
    "nw": "NW",
    "vpm": "VPM",
    "gendice": "GenDICE",
    "dualdice": "DualDICE",
    "wpr": "WPR",
    MAIN: "Main",
}
COLORS: Mapping[str, str] = {
    "nw": GRAY,
    "vpm": SKY,
    "gendice": ORANGE,
    "dualdice": GREEN,
    "wpr": PURPLE,
    MAIN: BLUE,
}
ESTIMATORS = ("vpm", "gendice", "dualdice", MAIN)  # the panels of Figure 2
