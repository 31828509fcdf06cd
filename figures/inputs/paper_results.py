"""Numbers of the AMPL paper, as plain data: Table 1, Figure 1 (appendix Table 2) and Figure 2.

Source: "A Unified Framework for Alternating Offline Model Training and Policy Learning" (NeurIPS 2022), its text
and the vector graphics of its slides and poster.

Table 1 gives mean and standard deviation of the normalized score (0-100) over 5 seeds; means agree with the plotted
markers to 0.1, standard deviations are from the text; one of them (WMOPO on hopper-medium-replay) is hard to read.
Figure 1 gives means only, read from the heights of bars to about 0.1; its column `main` reproduces Table 1. The window
of evaluations behind a score is not stated. Figure 2 gives quartiles and drawn extents of log w, kernel-density tails
included, of seed 2 after 100, 200, ..., 900 epochs; reading error 0.03 (VPM), 0.05 (GenDICE), 0.04 (DualDICE),
0.001 (main).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

FIGURE_2_TASK = "walker2d-medium-replay-v2"
FIGURE_2_EPOCHS = (100, 200, 300, 400, 500, 600, 700, 800, 900)

METHODS = ("AlgaeDICE", "OptiDICE", "CQL", "FisherBRC", "TD3+BC", "MOPO", "COMBO", "WMOPO", "AMPL")
AVERAGES = (-1.4, 55.0, 59.6, 49.7, 61.7, 26.9, 52.1, 44.2, 83.8)  # as printed below Table 1
AVERAGE_RANKS = (8.5, 5.5, 4.1, 4.3, 3.9, 6.4, 4.8, 5.0, 2.6)  # likewise; 1 is best

VARIANTS = ("nw", "vpm", "gendice", "dualdice", "wpr", "main")  # the columns of Figure 1


class Score(NamedTuple):
    """Mean and standard deviation over seeds of a normalized score, 0-100; None where no spread was published."""

    mean: float
    std: float | None = None


class Quartiles(NamedTuple):
    """One violin: quartiles, and where its drawing begins and ends."""

    first: float
    median: float
    third: float
    low: float
    high: float


# Each line: dataset, then mean and standard deviation of each method in the order of METHODS.
_TABLE_1 = """
maze2d-large-v1             -2.2  0.6  101.7 50.7    1.5  6.4    0.9  6.4  107.1 45.9   -0.5  2.6  138.5 82.2    1.8  8.6  180.0 39.3
maze2d-medium-v1             2.5 14.2  119.4 52.3    6.3  9.1   16.1 30.3   61.4 45.5   12.5 18.3  103.9 42.1   12.7 38.3  107.2 45.0
maze2d-umaze-v1            -15.3  0.8  114.0 39.7   37.5 47.2    3.6 16.4   38.6 14.4  -15.4  1.9  112.1 56.8  -11.5  3.1   55.8  3.9
halfcheetah-medium-v2       -0.9  0.7   42.0  3.5   48.6  0.2   47.8  0.3   48.0  0.3   69.2  3.4   73.0  3.6   72.0  4.7   51.7  0.4
walker2d-medium-v2           1.0  2.1   55.7 15.7   81.8  1.7   80.7  2.1   83.0  1.4   -0.1  0.0    0.5  0.9   64.8 30.0   83.1  1.8
hopper-medium-v2             0.9  0.2   57.5  7.5   68.0  6.0   94.2  4.5   59.1  4.5   44.8 41.5   22.6 38.1   99.7  2.9   58.9  7.9
halfcheetah-medium-replay-v2 -3.4  2.3   40.5  3.3   38.7 18.6   34.9 18.2   44.5  0.6   62.7  7.5   66.0  1.8   66.4  4.9   44.6  0.7
walker2d-medium-replay-v2    0.5  0.6   37.3 21.8   80.8  4.0   84.6  6.7   74.7  8.1   53.8 34.6   60.1 18.3   71.9 15.0   81.5  3.0
hopper-medium-replay-v2      1.5  0.7   28.1 12.4   96.0  4.7   94.4  1.9   58.9 19.7   84.8 30.0   53.6 29.5   93.8 38.5   91.1  9.5
halfcheetah-medium-expert-v2 -1.8  2.9   66.7 25.8   53.8 13.6   94.5  0.6   91.4  5.2   64.0 20.8   52.5 32.0   68.8 37.5   90.2  2.0
walker2d-medium-expert-v2   -0.2  0.1   79.4 16.4  110.3  0.6  109.3  0.1  110.4  0.6   -0.2  0.0    1.1  0.6   98.8 16.2  107.7  2.1
hopper-medium-expert-v2      2.2  1.9   52.6  9.3   79.3 20.5  110.0  4.0   98.7  9.6   15.6  7.4   63.7 51.9   62.6 26.4   76.0 15.7
pen-human-v1                -3.0  0.8   -0.9  3.1   -1.5  2.8   -0.1  3.0    1.6 10.2   -1.6  2.6    5.9  8.7   -2.1  1.4   20.6 10.7
pen-cloned-v1               -2.6  1.3   -0.8  3.1   39.5 23.6   -1.2  3.8    6.3  4.6    5.2 10.2   23.2 19.8   -3.0  2.4   57.4 19.2
pen-expert-v1               -1.3  2.4    0.4  7.3  119.3 15.8    2.2  1.1  104.2 40.6   35.4 20.9   57.1 42.6   10.4 20.9  138.3  6.6
door-expert-v1               0.1  0.0   86.1 23.2   94.0 15.8   22.9 28.8   -0.3  0.0   -0.0  0.1   -0.2  0.2   -0.1  0.1   96.3  9.8
"""  # noqa: E501

# Each line: dataset, then the mean of each variant in the order of VARIANTS.
_FIGURE_1 = """
pen-human-v1                  11.4  13.8  15.7  16.4  24.8  20.6
pen-cloned-v1                 35.3  39.5  34.4  37.3  35.5  57.4
pen-expert-v1                129.6  98.1 128.6 130.4 102.0 138.3
door-expert-v1                73.5  39.3  83.1  68.0  20.7  96.3
maze2d-umaze-v1               31.3  57.8  46.2  42.6  14.4  55.8
maze2d-medium-v1              85.4  91.1 101.3  74.8   5.0 107.2
maze2d-large-v1              131.4 150.2 136.1 149.2 104.3 180.0
halfcheetah-medium-v2         51.5  50.8  33.5   3.5  50.1  51.7
walker2d-medium-v2            77.3  63.7  78.7  79.7  41.8  83.1
hopper-medium-v2              55.0  52.3  56.5  51.6  52.5  58.9
halfcheetah-medium-replay-v2  44.6  44.3  43.8  34.9  44.4  44.6
walker2d-medium-replay-v2     74.6  73.5  37.8  66.9  55.8  81.5
hopper-medium-replay-v2       75.4  16.6  87.7  79.7  40.1  91.1
halfcheetah-medium-expert-v2  88.0  54.0  79.0  19.4  80.1  90.2
walker2d-medium-expert-v2     99.1  90.3  68.3 103.9  62.9 107.7
hopper-medium-expert-v2       41.7  69.8  54.7  56.2  11.3  76.0
"""

# Means over the datasets of a domain, as drawn; and over all 16.
DOMAIN_MEANS: Mapping[str, tuple[float, ...]] = {
    "Adroit": (62.4, 47.7, 65.5, 63.0, 45.7, 78.1),
    "Maze2D": (82.7, 99.7, 94.5, 88.9, 41.2, 114.3),
    "MuJoCo": (67.5, 57.3, 60.0, 55.1, 48.8, 76.1),
}
OVERALL_MEANS = (69.1, 62.8, 67.8, 63.4, 46.6, 83.8)


def _rows(text: str) -> dict[str, list[float]]:
    """The numbers of each dataset."""
    lines = [line.split() for line in text.strip().splitlines()]
    return {task: [float(cell) for cell in cells] for task, *cells in lines}


TABLE_1: Mapping[str, Mapping[str, Score]] = {
    task: {method: Score(*cells[2 * i : 2 * i + 2]) for i, method in enumerate(METHODS)}
    for task, cells in _rows(_TABLE_1).items()
}
FIGURE_1: Mapping[str, Mapping[str, float]] = {
    task: dict(zip(VARIANTS, cells, strict=True)) for task, cells in _rows(_FIGURE_1).items()
}
DOMAINS: Mapping[str, tuple[str, ...]] = {
    "Adroit": tuple(task for task in FIGURE_1 if task.startswith(("pen", "door"))),
    "Maze2D": tuple(task for task in FIGURE_1 if task.startswith("maze2d")),
    "MuJoCo": tuple(task for task in FIGURE_1 if task.startswith(("halfcheetah", "walker2d", "hopper"))),
}

_ALL_AT_UPPER_CLIP = Quartiles(0.0, 0.0, 0.0, -24.65, 0.1)  # ln(1e-8 / 500) = -24.64

FIGURE_2: Mapping[str, tuple[Quartiles, ...]] = {
    "vpm": (
        Quartiles(-6.44, -6.43, -3.72, -6.8, 7.2),
        Quartiles(-5.83, -5.83, -4.05, -6.2, 7.3),
        Quartiles(-0.26, 0.03, 0.21, -4.6, 1.3),
        Quartiles(-8.18, -5.32, -2.37, -9.6, 7.2),
        Quartiles(-0.12, 0.04, 0.16, -1.8, 0.8),
        Quartiles(-0.19, 0.05, 0.23, -5.3, 1.0),
        Quartiles(-0.22, 0.04, 0.22, -2.3, 0.9),
        Quartiles(-0.52, -0.01, 0.32, -8.3, 1.4),
        Quartiles(-0.23, -0.02, 0.19, -3.0, 1.5),
    ),
    "gendice": (Quartiles(-17.59, -17.59, -17.59, -17.7, 7.2), *[_ALL_AT_UPPER_CLIP] * 8),
    "dualdice": (
        Quartiles(-6.25, -1.11, 0.54, -19.8, 3.8),
        Quartiles(-4.34, -1.08, 0.31, -19.4, 3.9),
        Quartiles(-17.0, -5.67, -1.24, -19.4, 6.4),
        Quartiles(-8.89, -3.09, -0.20, -19.2, 6.1),
        Quartiles(-8.85, -3.02, 0.02, -19.4, 5.8),
        Quartiles(-8.62, -2.72, 0.18, -19.4, 5.1),
        Quartiles(-15.1, -5.16, -0.49, -19.4, 6.1),
        Quartiles(-18.1, -13.6, -3.46, -19.3, 6.7),
        Quartiles(-18.2, -18.2, -9.5, -19.3, 6.8),
    ),
    "main": (
        Quartiles(-0.057, -0.006, 0.047, -0.17, 0.26),
        Quartiles(-0.005, 0.003, 0.008, -0.06, 0.02),
        Quartiles(-0.004, -0.000, 0.005, -0.04, 0.05),
        Quartiles(-0.024, -0.004, 0.020, -0.08, 0.14),
        Quartiles(-0.020, -0.007, 0.013, -0.06, 0.16),
        Quartiles(-0.013, -0.004, 0.011, -0.06, 0.11),
        Quartiles(-0.008, 0.004, 0.011, -0.12, 0.08),
        Quartiles(-0.011, -0.006, 0.008, -0.03, 0.10),
        Quartiles(-0.017, -0.007, 0.014, -0.09, 0.14),
    ),
}
