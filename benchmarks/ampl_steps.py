"""How many of AMPL's inner steps a second: this project against the usual way of writing them.

    python -m benchmarks.ampl_steps [--compiled]

Actor-critic iterations, steps of the dynamics model, steps of the weights, and model transitions in rollouts, at
Hopper's sizes, on one and two threads, with one seed and with five stacked (whose rate is per seed: steps times seeds).
Rounds alternate between all contestants; rates are the best of each, so that other work on the machine counts least.
`--compiled` adds the iteration through torch.compile, which takes a minute to compile. Writes results/ampl_steps.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import numpy as np
import torch

from ampl.arithmetic import Arithmetic
from benchmarks.plain_ampl import PlainAMPL
from benchmarks.records import command_line, print_table, write_record
from continuous.algorithms.ampl.ampl import AMPL
from continuous.commands.bench.loops import PUBLISHED, fit_steps, no_surroundings, synthetic_table, untrained
from continuous.model.rollout import paths_at_once, published_paths, published_transitions, roll_out
from continuous.networks.arithmetic import fast_arithmetic, threads
from continuous.networks.repetition import Repetition
from continuous.weights.q_moment import QMomentConfig

STATES, ACTIONS, NOISE, ROWS = 11, 3, 50, 50_000
ROUNDS, LENGTH, TRANSITIONS = 3, 5, 32_000
WHAT = ("iterations", "dynamics steps", "weight steps", "rollout transitions")
Step = Callable[[], int]
"""Does some steps and says how many."""


def main() -> None:
    """Measures everything and prints the table."""
    parser = command_line(__doc__)
    parser.add_argument("--compiled", action="store_true", help="also the iteration through torch.compile")
    compiled = parser.parse_args().compiled
    report("ampl_steps", [row for count in (1, 2) for row in measure(count, compiled=compiled)])


def measure(count: int, *, compiled: bool = False, device: str = "cpu", rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Rates on `count` threads; ratios are to the usual way."""
    contestants = {
        "usual": usual(count, plain_steps()),
        "ours": ours(count, our_steps([0], device)),
        "ours, 5 seeds": ours(count, our_steps([0, 1, 2, 3, 4], device), seeds=5),
    }
    if compiled:
        contestants["ours, compiled"] = ours(count, compiled_steps())
    return compared(contestants, WHAT, count, rounds)


Contestant: TypeAlias = tuple[Callable[[], AbstractContextManager[None]], int, dict[str, Step]]
"""The arithmetic it runs under, how many seeds it trains, and its steps by what they are."""


def usual(count: int, steps: dict[str, Step]) -> Contestant:
    """The usual way of writing the steps, on `count` threads."""
    return lambda: threads(count), 1, steps


def ours(count: int, steps: dict[str, Step], seeds: int = 1) -> Contestant:
    """This project's way, on `count` threads, for stacked seeds."""
    return lambda: fast_arithmetic(Arithmetic(threads=count)), seeds, steps


def compared(
    contestants: dict[str, Contestant],
    what: Sequence[str],
    count: int,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> list[dict[str, Any]]:
    """Rates of named contestants by turns, the best of some rounds; ratios are to "usual", where it has the step."""
    rates: dict[tuple[str, str], float] = {}
    for attempt in range(rounds + 1):
        for step in what:
            for name, (context, seeds, steps) in contestants.items():
                if step not in steps:
                    continue
                with context():
                    rate = seeds * timed(steps[step], clock)
                if attempt:  # the first round warms up
                    rates[step, name] = max(rate, rates.get((step, name), 0.0))
    return [
        {
            "threads": count,
            "what": step,
            "contestant": name,
            "per_second": rate,
            "ratio": rate / rates[step, "usual"] if (step, "usual") in rates else None,
        }
        for (step, name), rate in rates.items()
    ]


def report(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints the rates and writes them to results/<name>.json."""
    print_table(("threads", "what", "contestant", "per_second", "ratio"), rows)
    print(f"wrote {write_record(name, rows).name}")


def timed(step: Step, clock: Callable[[], float] = time.perf_counter) -> float:
    """Steps a second, after as many that bring the caches and the allocator back from the contestant before."""
    step()
    start = clock()
    done = step()
    return done / (clock() - start)


def repeated(step: Callable[[], object], count: int) -> Step:
    """That many steps."""

    def run() -> int:
        for _ in range(count):
            step()
        return count

    return run


def synthetic_data() -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """The same transitions as ours, for the usual way."""
    table = synthetic_table(ROWS, "cpu")
    columns = table.layout.unpack(table.rows)._asdict() | {"start_state": table.start_state}
    return {name: column.float().numpy() for name, column in columns.items()}


def plain_steps() -> dict[str, Step]:
    """The usual way."""
    plain, done = PlainAMPL(synthetic_data(), NOISE), [0]

    def iterations() -> int:
        for _ in range(10):
            plain.iterate(done[0])
            done[0] += 1
        return 10

    steps = (iterations, repeated(plain.fit_step, 30), repeated(plain.weight_step, 10), lambda: plain.roll_out(LENGTH))
    return dict(zip(WHAT, steps, strict=True))


def our_steps(seeds: list[int], device: str = "cpu", *, capture: bool = True) -> dict[str, Step]:
    """This project's way, for stacked seeds."""
    owner = ampl(seeds, device)
    model, table, policy = owner.model, owner.table, owner.learner.policy
    shorter = 1 if len(seeds) == 1 else 2
    iterations = Repetition(owner.update, [owner.streams["updates"]], device, capture=capture)
    streams = owner.streams["model"]
    rows = model.standardization.fit(table)

    def fit(count: int) -> int:
        fit_steps(model, rows, streams, count)
        return count

    weight_streams = owner.streams["weights"]
    estimator = QMomentConfig().build(STATES, ACTIONS, seeds, model, device)
    weights = Repetition(
        estimator.start(table, policy, owner.learner.critic, weight_streams), [weight_streams], device, capture=capture
    )

    def rollouts() -> int:
        roll_out(
            model,
            policy,
            table,
            owner.buffer,
            length=LENGTH,
            paths=published_paths(LENGTH, TRANSITIONS // (4 * shorter)),
            streams=owner.streams["rollouts"],
            chunk=paths_at_once(torch.device(device), len(seeds) * model.config.members),
        )
        return published_transitions(LENGTH, TRANSITIONS // (4 * shorter))

    def replayed(repetition: Repetition, count: int, each: int) -> Step:
        def run() -> int:
            repetition.run(count)
            if device != "cpu":
                torch.cuda.synchronize()
            return count * each

        return run

    steps = (
        replayed(iterations, 10 // shorter, 2),
        lambda: fit(200 // (1 if len(seeds) == 1 else 3)),  # long enough that what surrounds a fit does not count
        replayed(weights, 20 // shorter, 1),
        rollouts,
    )
    return dict(zip(WHAT, steps, strict=True))


def compiled_steps() -> dict[str, Step]:
    """The iteration through torch.compile, its gradients included."""
    import torch._dynamo

    torch._dynamo.config.trace_autograd_ops = True  # type: ignore[attr-defined]
    owner = ampl([0], "cpu")
    update = torch.compile(owner.learner.update)

    def iterations() -> int:
        for _ in range(10):
            for index in range(2):
                update(owner.draws(), trains_policy=index == 0, imitates=False)
        return 20

    return {"iterations": iterations}


def ampl(seeds: Sequence[int], device: str) -> AMPL:
    """Untrained, on synthetic data, at an epoch with the fewest real rows."""
    config = PUBLISHED.ampl
    found = untrained(AMPL(synthetic_table(ROWS, device), config, seeds, no_surroundings()), PUBLISHED.model_rows)
    found.begin_epoch(config.schedule.epochs)
    return found


if __name__ == "__main__":
    main()
