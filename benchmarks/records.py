"""What every benchmark shares: its command line, and one JSON file with the machine, versions, commit and date."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("numpy", "scipy", "quantecon", "numba", "torch", "gymnasium", "mujoco", "h5py")


def command_line(description: str | None) -> argparse.ArgumentParser:
    """A parser for a benchmark's own options; --help prints its docstring, an unknown option is exit code 2."""
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks.{Path(sys.argv[0]).stem}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def write_record(name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Writes `results/<name>.json` over the previous one and returns its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {"cpu": _cpu_model(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        "rows": list(rows),
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def device_name(device: str) -> str:
    """The name of the GPU for "cuda", else the device itself."""
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else device


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints the named columns as a Markdown table; a missing entry is a dash, a float has three digits."""
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = [list(columns), ["-" * width for width in widths], *cells]
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    result = subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "none"


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
