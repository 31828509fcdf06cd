"""Times of hot loops beside those of their matrix products alone, and of products under other settings.

Machines are shared and clocks change, so that a time by itself says little: every round times a loop and then its
products, utilization is the ratio within a round, and the median over rounds is reported with the extremes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from ampl.arithmetic import Arithmetic
from ampl.processes import available_cores
from continuous.commands.bench.loops import Loop, Workload, ampl_loops, damo_loops, mopo_loops
from continuous.commands.bench.products import Product, observe_step, replay
from continuous.networks.arithmetic import arithmetic_on
from continuous.networks.repetition import TOGETHER, WARM_UP, Repetition

_LOOP_SHARE = 0.6  # of the measuring time; the products take less
_WORTH_IT = 0.8  # of the time: less is gained by noise
_SIZES = {"cpu": 256, "cuda": 2048}  # rows and columns of products for advice; a GPU needs larger ones to be busy


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One loop.  A unit is an iteration, update, step or transition of one seed.

    Attributes:
        loop: its name.
        unit: what is counted, in the plural.
        seeds: how many are stacked.
        per_second: units a second, all seeds together.
        flops: floating-point operations of a unit's matrix products.
        needed_seconds: of the unit's products alone.
        seconds: of a unit.
        utilization: needed by measured time.
        lowest_utilization, highest_utilization: over the rounds.
    """

    loop: str
    unit: str
    seeds: int
    per_second: float
    flops: float
    needed_seconds: float
    seconds: float
    utilization: float
    lowest_utilization: float
    highest_utilization: float


def measure_all(workload: Workload, device: str, *, seconds: float, rounds: int) -> Iterator[Measurement]:
    """Every loop, for each number of stacked seeds; each takes about so many seconds."""
    for make_loops in (ampl_loops, mopo_loops, damo_loops):
        for count in workload.seeds:
            for loop in make_loops(workload, range(count), device):
                yield measure(loop, device, seconds=seconds, rounds=rounds)


def measure(loop: Loop, device: str, *, seconds: float, rounds: int) -> Measurement:
    """One loop and its products, by turns."""
    products = observe_step(loop.observed)
    alone = Repetition(replay(products, device), [], device).run
    step = Timer(loop.run, device, seconds * _LOOP_SHARE / rounds, surrounded=loop.surrounded)
    needed = Timer(alone, device, seconds * (1.0 - _LOOP_SHARE) / rounds)
    return summary(loop, products, [(step.seconds(), needed.seconds()) for _ in range(rounds)])


def summary(loop: Loop, products: Sequence[Product], times: Sequence[tuple[float, float]]) -> Measurement:
    """From seconds of a step and of its products, in each round, to a unit's numbers."""
    units, ratios = loop.units * loop.seeds, [needed / step for step, needed in times]
    seconds = median(step for step, _ in times) / units
    return Measurement(
        loop=loop.name,
        unit=loop.unit,
        seeds=loop.seeds,
        per_second=1.0 / seconds,
        flops=sum(product.flops for product in products) / units,
        needed_seconds=median(needed for _, needed in times) / units,
        seconds=seconds,
        utilization=median(ratios),
        lowest_utilization=min(ratios),
        highest_utilization=max(ratios),
    )


class Timer:
    """Times a step, each time from as many as take the budget, in seconds.

    Where a call does more than its steps, a call with few of them is timed as well, and the difference counts.
    """

    def __init__(self, run: Callable[[int], None], device: str, budget: float, *, surrounded: bool = False) -> None:
        self._run, self._device = run, device
        self._few = WARM_UP + TOGETHER + 1 if device == "cuda" else 1  # until all recordings are made
        self._surrounded, self._count = surrounded, 1
        run(self._few)  # warms up
        while self._count * self.seconds() < budget:
            self._count *= 2

    def seconds(self) -> float:
        """Of a step."""
        if not self._surrounded:
            return self._of(self._count) / self._count
        around = self._of(self._few)
        return max(self._of(self._few + self._count) - around, 1e-9) / self._count

    def _of(self, count: int) -> float:
        """Until the device has finished so many steps."""
        start = time.perf_counter()
        self._run(count)
        if self._device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def advice(device: str) -> list[str]:
    """A line for every precision, and for all cores as threads, that makes products clearly faster here."""
    size = _SIZES[device]
    factors = torch.randn(2, 4, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    plain, plain_error = _products(factors, Arithmetic())
    others = {f"--precision {name}": Arithmetic(precision=name) for name in ("high", "medium")}
    if device == "cpu" and available_cores() > 1:
        others[f"--threads {available_cores()}"] = Arithmetic(threads=available_cores())
    lines = []
    for option, arithmetic in others.items():
        seconds, error = _products(factors, arithmetic)
        if seconds <= _WORTH_IT * plain:
            faster = f"{option}: products take {seconds / plain:.2f} times as long"
            lines.append(f"{faster} and err by {error:.0e}, without it by {plain_error:.0e}.")
    return lines


def _products(factors: Tensor, arithmetic: Arithmetic) -> tuple[float, float]:
    """Seconds of a batched product and its error, relative to the root mean square of the result; [2, B, N, N]."""
    left, right = factors
    exact = left.double() @ right.double()

    def multiply(count: int) -> None:
        for _ in range(count):
            torch.bmm(left, right)

    with arithmetic_on(factors.device, arithmetic):
        timer = Timer(multiply, factors.device.type, 0.0)
        seconds = min(timer.seconds() for _ in range(20))
        error = (torch.bmm(left, right) - exact).square().mean() / exact.square().mean()
    return seconds, float(error.sqrt())
