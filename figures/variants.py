"""What the variants of AMPL are called in pictures and tables, and the color each has in all of them."""

from __future__ import annotations

from collections.abc import Mapping

from figures.style import BLUE, GRAY, GREEN, ORANGE, PURPLE, SKY

ALGORITHM = "ampl"
MAIN = "main"

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


def train_command(task: str, variant: str, seed: int | None = None, algorithm: str = ALGORITHM) -> str:
    """The command that makes a run."""
    command = f"ampl train {algorithm} {task} --variant {variant}"
    return command if seed is None else f"{command} --seeds {seed}"
