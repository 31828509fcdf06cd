"""What `ampl bench` prints and writes: a row for each loop and number of seeds, and the share of evaluations."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ampl.arithmetic import Arithmetic
from ampl.files import SIGNATURE, check_output, write_json
from ampl.printing import print_line
from ampl.runs.manifest import git_state
from continuous.commands.bench.measuring import EvaluationShare, Measurement

_CPU_INFORMATION = Path("/proc/cpuinfo")
_HEAD = ("loop", "seeds", "per second", "MFLOP", "MB", "MB all", "ops", "GFLOP/s", "of", "utilization", "range")
_LEGEND = """\
per second: all seeds together. MFLOP, MB: of one iteration, update, step or transition of one seed; MB: operands and
results of its matrix products; MB all: what all its operations read and write, each by itself. ops: operations of a
step of all seeds. GFLOP/s of: reached by the loop, of what its products reach alone. utilization: time of the products
alone by time of the loop, median over rounds; range: over rounds. benchmarks/README.md says how to read it."""


def print_report(measurements: Sequence[Measurement], shares: Sequence[EvaluationShare], where: dict[str, Any]) -> None:
    """Prints the machine, the table, its legend and the shares of evaluations."""
    threads = _counted(where["threads"], "thread")
    print_line(f"{where['device']}, torch {where['torch']}, {threads}, precision '{where['precision']}'")
    rows = [_HEAD, *(_row(measurement) for measurement in measurements)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first, *(cell.strip().rjust(len(cell)) for cell in others)]))
    print(_LEGEND)
    for share in shares:
        print(
            f"{share.algorithm}, {_counted(share.seeds, 'seed')}: an evaluation of 10 whole episodes takes "
            f"{share.evaluation_seconds:.3g} s beside {share.update_seconds:.3g} s for 1000 updates, {share.share:.0%} "
            "of both."
        )


def circumstances(device: str, arithmetic: Arithmetic) -> dict[str, Any]:
    """Where and with what was measured."""
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else cpu_model(),
        "torch": version("torch"),
        **asdict(arithmetic),
    }


def check_place(path: Path) -> None:
    """Raises ForeignFileError or InvalidFileError if the report cannot be written to `path`: see `check_output`."""
    check_output(path, f'"written_by": "{SIGNATURE} bench"')


def write_report(
    path: Path, measurements: Sequence[Measurement], shares: Sequence[EvaluationShare], where: dict[str, Any]
) -> None:
    """Writes everything as one JSON object."""
    check_place(path)
    record = {
        "written_by": f"{SIGNATURE} bench",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        **where,
        "rows": [asdict(measurement) for measurement in measurements],
        "evaluation": [asdict(share) | {"share": share.share} for share in shares],
    }
    write_json(path, record)


def _commit() -> str | None:
    """Of the checkout that this runs from, with a mark if it has changes; None if it is not one."""
    state = git_state()
    return None if state is None else f"{state['commit'][:12]}{'-dirty' if state['dirty'] else ''}"


def cpu_model() -> str:
    """The processor's name."""
    if _CPU_INFORMATION.exists():
        for line in _CPU_INFORMATION.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _row(measurement: Measurement) -> tuple[str, ...]:
    low, high = measurement.lowest_utilization, measurement.highest_utilization
    return (
        measurement.loop,
        str(measurement.seeds),
        f"{measurement.per_second:,.3g}" if measurement.per_second < 1000 else f"{measurement.per_second:,.0f}",
        _scaled(measurement.flops or None, 1e6),
        _scaled(measurement.product_bytes or None, 1e6),
        _scaled(measurement.traffic_bytes, 1e6),
        f"{measurement.operations:,}",
        _scaled(measurement.reached, 1e9),
        _scaled(measurement.attainable, 1e9),
        "-" if measurement.utilization is None else f"{measurement.utilization:.0%}",
        "-" if low is None or high is None else f"{low:.0%} to {high:.0%}",
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _scaled(value: float | None, unit: float) -> str:
    if value is None:
        return "-"
    scaled = value / unit
    return f"{scaled:,.0f}" if scaled >= 100 else f"{scaled:.3g}"
