"""How throughput grows with the number of stacked seeds, from 1 to 64: AMPL's iterations and MOPO's updates.

Part of `benchmarks.gpu`; the picture needs matplotlib.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from continuous.bench.loops import AMPL_ITERATION, MOPO_UPDATE, Loop, ampl_loops, mopo_loops
from continuous.bench.workload import PUBLISHED, Workload

STACKS = (1, 2, 4, 8, 16, 32, 64)
SECONDS = 0.5  # that each is timed for, about


def scaling(
    device: str,
    deadline: float,
    stacks: Sequence[int] = STACKS,
    workload: Workload = PUBLISHED,
    seconds: float = SECONDS,
) -> list[dict[str, Any]]:
    """Units a second, all seeds together, for as many stacks as are measured by the deadline (`time.monotonic`)."""
    rows: list[dict[str, Any]] = []
    for count in stacks:
        for make, name in ((ampl_loops, AMPL_ITERATION), (mopo_loops, MOPO_UPDATE)):
            if time.monotonic() > deadline:
                return rows
            loop = next(found for found in make(workload, range(count), device, 1) if found.name == name)
            rows.append({"what": name, "seeds": count, "per_second": _per_second(loop, device, seconds)})
    return rows


def draw(rows: Sequence[Mapping[str, Any]], device: str, path: Path) -> bool:
    """Draws the rows; returns whether it could."""
    if importlib.util.find_spec("matplotlib") is None or not rows:
        return False
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(row["what"] for row in rows):
        points = [(row["seeds"], row["per_second"]) for row in rows if row["what"] == name]
        (line,) = axes.loglog(*zip(*points, strict=True), marker="o", label=f"{name}s")
        first_seeds, first = points[0]
        linear = [first * seeds / first_seeds for seeds, _ in points]
        axes.loglog([seeds for seeds, _ in points], linear, color=line.get_color(), linestyle=":", linewidth=1.0)
    axes.set_xticks(list(dict.fromkeys(row["seeds"] for row in rows)))
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()
    axes.set_xlabel("stacked seeds")
    axes.set_ylabel("a second, all seeds together")
    axes.set_title(f"{device}   (dotted: as many times one seed)", fontsize=10)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    return True


def _per_second(loop: Loop, device: str, seconds: float) -> float:
    def timed(count: int) -> float:
        start = time.perf_counter()
        loop.run(count)
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    timed(5)  # warms up, and records on a GPU
    count = max(1, round(5 * seconds / timed(5)))
    return loop.units * loop.seeds * count / timed(count)
