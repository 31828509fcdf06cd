"""`ampl bench`: how fast the hot loops run here, and how fast they could."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ampl.errors import InvalidArgumentError

_SHORTEST, _LONGEST = 0.01, 3600.0
_ROUNDS, _QUICK_ROUNDS = 7, 3
_QUICK_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Measures every hot loop of training against its own matrix products, on whatever device is here."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Also write the numbers to this file."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to measure; auto takes a GPU where there is one."""
    threads: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Threads on a CPU; 1, as in training, if not given."""
    precision: Literal["highest", "high", "medium"] = "highest"
    """Of matrix products, as in training."""
    seconds: Annotated[float, tyro.conf.arg(metavar="S")] = 5.0
    """About how long each of the twenty measurements takes."""
    quick: bool = False
    """A fifth of the time, fewer rounds, shorter evaluations; the same sizes otherwise."""

    def run(self) -> int:
        """Measures, prints the table and writes the file.

        Returns:
            The exit code, 0.

        Raises:
            InvalidArgumentError: an option is out of its range, or there is no GPU for --device cuda.
            ForeignFileError: the file holds something else.
        """
        self._check()
        from continuous.commands.bench.report import check_place

        if self.json is not None:
            check_place(self.json)  # before the work starts

        import torch

        from ampl.arithmetic import DEFAULT
        from continuous.commands.bench import workload
        from continuous.commands.bench.advice import precision_advice
        from continuous.commands.bench.measuring import evaluation_shares, measure_all
        from continuous.commands.bench.report import circumstances, print_report, write_report
        from continuous.networks.arithmetic import arithmetic_on
        from continuous.wing import choose_device

        device = choose_device(self.device)
        arithmetic = DEFAULT.changed(self.threads, self.precision)
        sizes = workload.PUBLISHED.quick() if self.quick else workload.PUBLISHED
        seconds = self.seconds * (_QUICK_SHARE if self.quick else 1.0)
        with arithmetic_on(torch.device(device), DEFAULT):
            advice = precision_advice(device)
        where = circumstances(device, arithmetic)
        rounds = _QUICK_ROUNDS if self.quick else _ROUNDS
        measurements = measure_all(sizes, device, arithmetic, seconds=seconds, rounds=rounds)
        shares = evaluation_shares(measurements)
        print_report(measurements, shares, where)
        print("\n".join(advice), end="\n" if advice else "")
        if self.json is not None:
            write_report(self.json, measurements, shares, where)
        return 0

    def _check(self) -> None:
        if not _SHORTEST <= self.seconds <= _LONGEST:  # not a number is neither
            raise InvalidArgumentError(
                f"--seconds is {self.seconds:g}; expected {_SHORTEST:g} to {_LONGEST:g}, for each measurement."
            )
