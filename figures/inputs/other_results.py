"""Published scores on D4RL besides AMPL's: DAMO's Table 2, OfflineRL-Kit, CORL, and MOPO's Table 1.

DAMO: arXiv 2502.00850, Table 2 (v2 data), whose text has lost cells; those are missing, and so are the ones whose
column is uncertain. OfflineRL-Kit: its README (v2 data, 4 seeds, full length, mean of the last ten evaluations).
CORL: its README (tinkoff-ai/CORL: v2 data, v1 of maze2d, 4 seeds, full length, last evaluation); "10% BC" takes the
best tenth of the data.
MOPO: its Table 1 (v0 data, 6 seeds, last iteration).
"""

from __future__ import annotations

from collections.abc import Mapping

from figures.inputs.paper_results import Score

_ROBOTS = ("halfcheetah", "hopper", "walker2d")
_KINDS = ("random", "medium", "medium-replay", "medium-expert")
TASKS = tuple(f"{robot}-{kind}-v2" for kind in _KINDS for robot in _ROBOTS)

_Columns = Mapping[str, Mapping[str, Score]]


def _by_task(methods: tuple[str, ...], text: str) -> _Columns:
    """A table whose lines are a dataset and a cell for each method: "72.4", "72.4~4.2", or a dash."""
    table = {}
    for task, *cells in (line.split() for line in text.strip().splitlines()):
        scores = zip(methods, cells, strict=True)
        table[task] = {name: Score(*map(float, cell.split("~"))) for name, cell in scores if cell != "-"}
    return table


DAMO_TABLE_2: _Columns = _by_task(
    ("AlgaeDICE", "OptiDICE", "O-DICE", "MOPO", "COMBO", "RAMBO", "MOBILE", "DAMO"),
    """
halfcheetah-random-v2        -0.3  11.6     -  38.5  38.8     -     -         -
hopper-random-v2              0.9  11.2     -     -  17.9  25.4  25.5  31.5~0.4
walker2d-random-v2            0.5   9.9     -   7.4   7.0   0.0     -         -
halfcheetah-medium-v2        -2.2  38.2  47.4  72.4  54.2     -     -  71.3~0.5
hopper-medium-v2              1.2  94.1  86.1  62.8  97.2     -     -         -
walker2d-medium-v2            0.3  21.8  84.9  84.1  81.9     -     -         -
halfcheetah-medium-replay-v2 -2.1  39.8  44.0     -  55.1  68.7  71.4  61.6~3.0
hopper-medium-replay-v2       1.1  36.4     -  92.7  89.5  99.5  57.7         -
walker2d-medium-replay-v2     0.6  21.6  83.6  85.9  56.0  89.2  80.5      89.4
halfcheetah-medium-expert-v2 -0.8  91.1  93.2  83.6  90.0  95.4 101.4 103.1~0.9
hopper-medium-expert-v2       1.1 111.5 110.8  74.6 111.0  88.2 107.7     112.3
walker2d-medium-expert-v2     0.4  74.8 110.8 108.2 103.3  56.7     - 109.4~0.8
""",
)

OFFLINERL_KIT: _Columns = _by_task(
    ("TD3+BC", "IQL", "CQL", "MOPO", "COMBO", "RAMBO", "MOBILE"),
    """
halfcheetah-medium-v2         48.2  47.4  49.4  72.4~4.2  71.9 78.7  75.8
hopper-medium-v2              60.8  65.7  59.1 62.8~38.1  84.7 82.1 103.6
walker2d-medium-v2            84.4  81.1  83.6  84.1~3.2  83.9 86.1  88.3
halfcheetah-medium-replay-v2  45.0  44.2  47.0  72.1~3.8  66.5 68.5  71.9
hopper-medium-replay-v2       67.3  94.8  98.6 92.7~20.7  90.1 93.4 105.1
walker2d-medium-replay-v2     83.4  77.3  71.3  85.9~5.3  89.4 73.7  90.5
halfcheetah-medium-expert-v2  90.7  88.0  93.0 83.6~12.5  98.2 98.8 100.9
hopper-medium-expert-v2       91.4 106.2 111.4 74.6~44.2 108.8 85.0 112.5
walker2d-medium-expert-v2    110.2 108.3 109.8 108.2~4.3 110.0 78.4 114.5
""",
)

CORL: _Columns = _by_task(
    ("BC", "10% BC", "TD3+BC", "IQL", "CQL"),
    """
halfcheetah-medium-v2         42.40~0.19  42.46~0.70  48.10~0.18  48.31~0.22  47.04~0.22
hopper-medium-v2              53.51~1.76  55.48~7.30  60.37~3.49  67.53~3.78  59.08~3.77
walker2d-medium-v2           63.23~16.24  67.34~5.17  82.71~4.78  80.91~3.17  80.75~3.28
halfcheetah-medium-replay-v2  35.66~2.33  23.59~6.95  44.84~0.59  44.46~0.22  45.04~0.27
hopper-medium-replay-v2       29.81~2.07  70.42~8.66 64.42~21.52  97.43~6.39  95.11~5.27
walker2d-medium-replay-v2    21.80~10.15  54.35~6.34  85.62~4.01  82.15~3.03 73.09~13.22
halfcheetah-medium-expert-v2  55.95~7.35  90.10~2.45  90.78~6.04  94.74~0.52  95.63~0.42
hopper-medium-expert-v2       52.30~4.01 111.16~1.03 101.17~9.07 107.42~7.80 99.26~10.91
walker2d-medium-expert-v2    98.96~15.98 108.70~0.25 110.03~0.36 111.72~0.86 109.56~0.39
maze2d-umaze-v1                0.36~8.69  12.18~4.29 29.41~12.31  42.11~0.58  -8.90~6.11
maze2d-medium-v1               0.79~3.25  14.25~2.33 59.45~36.25  34.85~2.72  86.11~9.68
maze2d-large-v1                2.26~4.39  11.32~5.10 97.10~25.41  61.72~3.50 23.75~36.70
""",
)

MOPO_TABLE_1: _Columns = _by_task(
    ("MOPO", "MBPO"),
    """
halfcheetah-random-v2         35.4~2.5   30.7~3.9
hopper-random-v2              11.7~0.4    4.5~6.0
walker2d-random-v2            13.6~2.6    8.6~8.1
halfcheetah-medium-v2         42.3~1.6  28.3~22.7
hopper-medium-v2             28.0~12.4    4.9~3.3
walker2d-medium-v2           17.8~19.3   12.7~7.6
halfcheetah-medium-replay-v2  53.1~2.0  47.3~12.6
hopper-medium-replay-v2      67.5~24.7  49.8~30.4
walker2d-medium-replay-v2     39.0~9.6  22.2~12.7
halfcheetah-medium-expert-v2 63.3~38.0    9.7~9.5
hopper-medium-expert-v2       23.7~6.0  56.0~34.5
walker2d-medium-expert-v2    44.6~12.9    7.6~3.7
""",
)
"""By the v2 dataset of the same name; "mixed" is medium-replay."""
