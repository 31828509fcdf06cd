"""`ampl bench`: how fast the hot loops run here, and how fast they could."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ampl.arithmetic import Device, Precision
from ampl.errors import InvalidArgumentError

if TYPE_CHECKING:
    from continuous.commands.bench.measuring import Measurement

_SHORTEST, _LONGEST = 0.01, 3600.0
_ROUNDS, _QUICK_ROUNDS = 7, 3
_QUICK_SHARE = 0.2
_HEAD = ("loop", "seeds", "per second", "MFLOP", "GFLOP/s", "of", "utilization", "range")
_LEGEND = """\
per second: all seeds together. MFLOP: of the matrix products of one iteration, update, step or transition of one seed.
GFLOP/s, of: reached by the loop, of what its products reach alone. utilization: time of the products alone by time of
the loop, median over rounds; range: over rounds. benchmarks/README.md says how to read it."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Measures every hot loop of training against its own matrix products, on whatever device is here."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Also write the numbers to this file."""
    device: Device = "auto"
    """Where to measure; auto takes a GPU where there is one."""
    threads: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Threads on a CPU; 1, as in training, if not given."""
    precision: Precision = "highest"
    """Of matrix products, as in training."""
    seconds: Annotated[float, tyro.conf.arg(metavar="S")] = 5.0
    """About how long each of the sixteen measurements takes."""
    quick: bool = False
    """A fifth of the time and fewer rounds."""

    def run(self) -> int:
        """Measures, prints the table and writes the file.

        Returns:
            The exit code, 0.

        Raises:
            InvalidArgumentError: an option is out of its range, or there is no GPU for --device cuda.
            ForeignFileError: the file holds something else.
        """
        if not _SHORTEST <= self.seconds <= _LONGEST:  # not a number is neither
            raise InvalidArgumentError(
                f"--seconds is {self.seconds:g}; expected {_SHORTEST:g} to {_LONGEST:g}, for each measurement."
            )
        from ampl.files import SIGNATURE, check_output, write_json

        written_by = f"{SIGNATURE} bench"
        if self.json is not None:
            check_output(self.json, f'"written_by": "{written_by}"')  # before the work starts

        import torch

        from ampl.arithmetic import DEFAULT
        from ampl.printing import print_line
        from ampl.progress import progress
        from ampl.runs.manifest import describe_session
        from continuous.algorithms.factory import choose_device
        from continuous.commands.bench import loops
        from continuous.commands.bench.measuring import advice, measure_all
        from continuous.networks.arithmetic import arithmetic_on

        device = choose_device(self.device)
        arithmetic = DEFAULT.changed(self.threads, self.precision)
        advised = advice(device)
        measured = []
        seconds, rounds = (self.seconds * _QUICK_SHARE, _QUICK_ROUNDS) if self.quick else (self.seconds, _ROUNDS)
        with progress("bench", None) as bar, arithmetic_on(torch.device(device), arithmetic):
            for measurement in measure_all(loops.PUBLISHED, device, seconds=seconds, rounds=rounds):
                measured.append(measurement)
                bar.show(f"{measurement.loop}, {measurement.seeds} stacked")
                bar.advance()
        name = torch.cuda.get_device_name() if device == "cuda" else cpu_model()
        print_line(f"{name}, torch {torch.__version__}, {arithmetic}")
        print_table(measured)
        print("\n".join([_LEGEND, *advised]))
        if self.json is not None:
            where = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **describe_session(name, None)}
            rows = [asdict(measurement) for measurement in measured]
            write_json(self.json, {"written_by": written_by, **where, **asdict(arithmetic), "rows": rows})
        return 0


def print_table(measured: Sequence[Measurement]) -> None:
    """A row for each loop and number of seeds."""
    rows = [_HEAD, *map(_row, measured)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]))


def cpu_model() -> str:
    """The processor's name."""
    import platform

    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, platform.processor() or "unknown")


def _row(found: Measurement) -> tuple[str, ...]:
    return (
        found.loop,
        str(found.seeds),
        _number(found.per_second),
        _number(found.flops / 1e6),
        _number(found.flops / found.seconds / 1e9),
        _number(found.flops / found.needed_seconds / 1e9),
        f"{found.utilization:.0%}",
        f"{found.lowest_utilization:.0%} to {found.highest_utilization:.0%}",
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
