"""Times of hot loops beside those of their matrix products alone, by turns, and what follows from them.

Machines are shared and clocks change, so that a time by itself says little: every round times a loop and then its
products, utilization is the ratio within a round, and the median over rounds is reported with the extremes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from ampl.arithmetic import Arithmetic
from ampl.progress import progress
from continuous.commands.bench.counting import Work, observe_step
from continuous.commands.bench.loops import (
    AMPL_EVALUATION,
    AMPL_ITERATION,
    MOPO_EVALUATION,
    MOPO_UPDATE,
    Loop,
    ampl_loops,
    damo_loops,
    mopo_loops,
)
from continuous.commands.bench.replay import Replay
from continuous.commands.bench.workload import Workload
from continuous.networks.arithmetic import arithmetic_on
from continuous.networks.repetition import Repetition

EPISODE_STEPS, EPOCH_UPDATES = 1000, 1000  # of the published evaluations and epochs
_LOOP_SHARE = 0.6  # of the measuring time; the products take less
_RECORDED = 5  # steps on a GPU until a recording is made and replayed, where steps are recorded


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One loop.  A unit is an iteration, update, step or transition of one seed.

    Attributes:
        loop: its name.
        unit: what is counted, in the plural.
        seeds: how many are stacked.
        per_second: units a second, all seeds together.
        flops: floating-point operations of a unit's matrix products.
        product_bytes: bytes of their operands and results, each product by itself: less cannot be moved, unless
            operations are joined.
        traffic_bytes: bytes that all operations of a unit read and wrote, each by itself.
        operations: how many those are, for all seeds and units of one step.
        needed_seconds: of the unit's products alone; None if it has none.
        seconds: of a unit.
        utilization: needed by measured time; None without products.
        lowest_utilization, highest_utilization: over the rounds.
    """

    loop: str
    unit: str
    seeds: int
    per_second: float
    flops: float
    product_bytes: float
    traffic_bytes: float
    operations: int
    needed_seconds: float | None
    seconds: float
    utilization: float | None
    lowest_utilization: float | None
    highest_utilization: float | None

    @property
    def attainable(self) -> float | None:
        """Floating-point operations a second of the products alone."""
        return self.flops / self.needed_seconds if self.needed_seconds else None

    @property
    def reached(self) -> float | None:
        """And of the loop."""
        return self.flops / self.seconds if self.flops else None


@dataclass(frozen=True, kw_only=True)
class EvaluationShare:
    """How much of an epoch's time goes to its evaluation, where it has one that no worker makes.

    It is of 10 whole episodes a seed, beside 1000 updates.
    """

    algorithm: str
    seeds: int
    evaluation_seconds: float
    update_seconds: float

    @property
    def share(self) -> float:
        """In [0, 1]; rollouts, which the rest of an epoch also has, are left out."""
        return self.evaluation_seconds / (self.evaluation_seconds + self.update_seconds)


def measure_all(
    workload: Workload, device: str, arithmetic: Arithmetic, *, seconds: float, rounds: int
) -> list[Measurement]:
    """Every loop, for each number of stacked seeds.

    Args:
        workload: sizes.
        device: "cpu" or "cuda".
        arithmetic: threads, the simulator's too, and precision.
        seconds: about how long each loop is measured.
        rounds: of which the median is taken.
    """
    makers = (ampl_loops, mopo_loops, damo_loops)
    measured = []
    with progress("bench", None) as bar, arithmetic_on(torch.device(device), arithmetic):
        for maker in makers:
            for count in workload.seeds:
                for loop in maker(workload, range(count), device, arithmetic):
                    bar.show(f"{loop.name}, {count} stacked")
                    measured.append(measure(loop, device, seconds=seconds, rounds=rounds))
                    bar.advance()
    return measured


def measure(loop: Loop, device: str, *, seconds: float, rounds: int) -> Measurement:
    """One loop and its products, by turns."""
    work = observe_step(loop.observed)
    replay = Repetition(Replay(work.products, device), [], device).run
    times, needed = timed(loop, replay if work.products else None, device, seconds=seconds, rounds=rounds)
    return summary(loop, work, times, needed)


def timed(
    loop: Loop, replay: Callable[[int], None] | None, device: str, *, seconds: float, rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds of a step and of its products, in each round."""
    step = _timer(loop.run, device, seconds * _LOOP_SHARE / rounds, surrounded=loop.surrounded)
    products = None if replay is None else _timer(replay, device, seconds * (1.0 - _LOOP_SHARE) / rounds)
    times, needed = [], []
    for _ in range(rounds):
        times.append(next(step))
        if products is not None:
            needed.append(next(products))
    return times, needed


def summary(loop: Loop, work: Work, times: Sequence[float], needed: Sequence[float]) -> Measurement:
    """From seconds of a step in each round to a unit's numbers.

    Args:
        loop: what was timed.
        work: of a step.
        times: of a step.
        needed: of its products, in the same rounds; empty without products.
    """
    units = loop.units * loop.seeds
    ratios = [least / measured for least, measured in zip(needed, times, strict=bool(needed))]
    return Measurement(
        loop=loop.name,
        unit=loop.unit,
        seeds=loop.seeds,
        per_second=units / median(times),
        flops=work.flops / units,
        product_bytes=work.product_bytes / units,
        traffic_bytes=work.traffic / units,
        operations=work.operations,
        needed_seconds=median(needed) / units if needed else None,
        seconds=median(times) / units,
        utilization=median(ratios) if ratios else None,
        lowest_utilization=min(ratios) if ratios else None,
        highest_utilization=max(ratios) if ratios else None,
    )


def evaluation_shares(measurements: Sequence[Measurement], episodes: int = 10) -> list[EvaluationShare]:
    """Of AMPL's and MOPO's epochs, for each number of stacked seeds."""
    found = {(measurement.loop, measurement.seeds): measurement for measurement in measurements}
    pairs = {"AMPL": (AMPL_EVALUATION, AMPL_ITERATION), "MOPO": (MOPO_EVALUATION, MOPO_UPDATE)}
    return [
        EvaluationShare(
            algorithm=algorithm,
            seeds=seeds,
            evaluation_seconds=found[evaluation, seeds].seconds * seeds * episodes * EPISODE_STEPS,
            update_seconds=found[update, seeds].seconds * seeds * EPOCH_UPDATES,
        )
        for algorithm, (evaluation, update) in pairs.items()
        for seeds in sorted({measurement.seeds for measurement in measurements})
    ]


def _timer(run: Callable[[int], None], device: str, budget: float, *, surrounded: bool = False) -> Iterator[float]:
    """Seconds of a step, again and again, each from as many steps as fit the budget, at least one.

    Where a call does more than its steps, a call with few of them is timed, too, and the difference counts; its steps
    then take at least as long as what surrounds them, whatever the budget.
    """
    least = _RECORDED if device == "cuda" and (surrounded or _records(run)) else 1
    _seconds(run, least, device)  # warms up
    once = _seconds(run, least, device)
    if not surrounded:
        count = max(1, round(budget * least / once))
        while True:
            yield _seconds(run, count, device) / count
    more, longer = least, once
    while longer < 2.0 * once:
        more *= 2
        longer = _seconds(run, least + more, device)
    count = max(more, round(more * (budget - 2.0 * once) / (longer - once)))
    while True:
        around = _seconds(run, least, device)
        yield max(_seconds(run, least + count, device) - around, 1e-9) / count


def _records(run: Callable[[int], None]) -> bool:
    """Whether steps are a `Repetition`'s; whole rollouts and evaluations are not, and need no more than one to warm."""
    return isinstance(getattr(run, "__self__", None), Repetition)


def _seconds(run: Callable[[int], None], count: int, device: str) -> float:
    """Until the device has finished so many steps."""
    start = time.perf_counter()
    run(count)
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
