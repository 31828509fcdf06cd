"""Where the time of one published epoch goes.

    python -m benchmarks.epoch [ALGORITHM:TASK:VARIANT[:LOOKS] ...]

Builds an algorithm with its published settings, one seed and one thread, on the task's dataset, fits the model until
one look at the hold-out loss, and times each part of an epoch: rollouts, updates, an evaluation, certificates, a
checkpoint, and for AMPL an estimation of the weights. Shares are of an average epoch of the published run: evaluation
and certificates every tenth epoch, a checkpoint every 30 seconds at most, the weights and a refit every hundredth epoch
for AMPL, one fit in all for the others. How many LOOKS a fit takes is known only after one (`model/looks` of a run).
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ampl.arithmetic import DEFAULT
from ampl.catalog import find_algorithm
from ampl.errors import AmplError
from ampl.evaluation_schedule import EvaluationRequest
from ampl.runs.checkpoints import Checkpoint, write_checkpoint
from ampl.scale import AS_PUBLISHED
from benchmarks.records import command_line, print_table, write_record
from continuous.algorithms import model_based
from continuous.algorithms.ampl import ampl as deep_ampl
from continuous.model.fit import holdout_size
from continuous.tasks.find import find_task

USUAL = ("mopo:halfcheetah-medium-v2:kit", "damo:halfcheetah-medium-v2:main", "ampl:maze2d-umaze-v1:main")
FIT_LOOKS = 60
EVALUATION_PERIOD = 10  # epochs, in full-length runs
CHECKPOINT_SECONDS, CHECKPOINT_SHARE = 30.0, 0.05
WEIGHT_STEPS = 50  # of an estimation, that are timed


def main() -> int:
    """Measures, prints and records; returns the exit code."""
    parser = command_line(__doc__)
    parser.add_argument("what", nargs="*", default=USUAL, metavar="ALGORITHM:TASK:VARIANT[:LOOKS]")
    rows = []
    try:
        for what in parser.parse_args().what:
            algorithm, task, variant, *looks = what.split(":")
            found = profile(algorithm, task, variant, int(looks[0]) if looks else FIT_LOOKS)
            print(f"\n{algorithm} {variant} on {task}")
            print_table(("part", "seconds", "a", "seconds_per_epoch", "share"), found)
            rows += [{"algorithm": algorithm, "task": task, "variant": variant, **row} for row in found]
    except AmplError as error:
        print(f"epoch: error: {error}", file=sys.stderr)
        return 2
    write_record("epoch", rows)
    return 0


def profile(name: str, task: str, variant: str, fit_looks: int) -> list[dict[str, Any]]:
    """One row a part: its seconds, of what, and of an average epoch."""
    factory, problem = find_algorithm(name, "continuous"), find_task(task)
    algorithm: Any = factory.build(problem, variant, (0,), "cpu", AS_PUBLISHED, DEFAULT)
    epochs = factory.default_epochs(problem, variant)
    period = algorithm.retrain_period
    spent: dict[str, float] = defaultdict(float)
    with fit_of_one_look(algorithm):
        spent["fit"] = timed(lambda: algorithm.fit_model(None))
    epoch = epochs // 2  # past AMPL's warm start and annealing
    with ExitStack() as stack:
        for module in (deep_ampl, model_based):
            stack.enter_context(timing(module, "roll_out", spent, "rollouts"))
        whole = timed(lambda: algorithm.improve_policy(epoch))
    for certificates in (False, True):
        request = EvaluationRequest(epoch=epoch, certificates=certificates)
        spent["certificates" if certificates else "evaluation"] = timed(
            lambda request=request: [measure() for measure in algorithm.evaluations(request)]
        )
    spent["certificates"] -= spent["evaluation"]
    with tempfile.TemporaryDirectory() as folder:
        spent["checkpoint"] = timed(
            lambda: write_checkpoint(Path(folder), Checkpoint(epoch=1, state=algorithm.state(0)))
        )
    if period is not None:
        spent["weights"] = weight_seconds(algorithm)
    fits = epochs / period if period else 1
    parts = {
        "updates": (whole - spent["rollouts"], "epoch", whole - spent["rollouts"]),
        "rollouts": (spent["rollouts"], "epoch", spent["rollouts"]),
        "fit": (spent["fit"], f"look, {fit_looks} a fit", spent["fit"] * fit_looks * fits / epochs),
        "weights": (spent["weights"], "estimation", spent["weights"] / (period or epochs)),
        "evaluation": (spent["evaluation"], f"time, every {EVALUATION_PERIOD} epochs", spent["evaluation"] / 10),
        "certificates": (spent["certificates"], "time, likewise", spent["certificates"] / EVALUATION_PERIOD),
    }
    apart = max(CHECKPOINT_SECONDS, spent["checkpoint"] * (1.0 / CHECKPOINT_SHARE - 1.0))
    training = sum(each for _, _, each in parts.values())
    saving = spent["checkpoint"] * training / max(apart, whole)
    parts["checkpoint"] = (spent["checkpoint"], f"time, every {max(apart, whole):.0f} s", saving)
    total = training + saving
    return [
        {"part": part, "seconds": seconds, "a": unit, "seconds_per_epoch": each, "share": each / total}
        for part, (seconds, unit, each) in parts.items()
        if each > 0.0
    ]


def timed(action: Any) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@contextmanager
def timing(module: Any, function: str, spent: dict[str, float], part: str) -> Iterator[None]:
    """Inside, calls of a module's function add their seconds to `spent[part]`."""
    original = getattr(module, function)

    def measured(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return original(*arguments, **named)
        finally:
            spent[part] += time.perf_counter() - start

    with patch.object(module, function, measured):
        yield


@contextmanager
def fit_of_one_look(algorithm: Any) -> Iterator[None]:
    """Inside, a fit ends after its first look."""
    network, rows = algorithm.model.network, algorithm.table.n_transitions
    config = network.config
    each = config.steps_per_look or -(-(rows - holdout_size(rows, config)) // config.batch_size)
    network.config = replace(config, max_steps=each)
    try:
        yield
    finally:
        network.config = config


def weight_seconds(algorithm: Any) -> float:
    """Of a whole estimation of the weights, by two short ones that differ in the number of updates."""
    estimator = algorithm.estimator
    config, seconds = estimator.config, []
    for steps in (WEIGHT_STEPS, 2 * WEIGHT_STEPS):
        estimator.config = replace(config, steps=steps)
        seconds.append(timed(algorithm.estimate_weights))
    estimator.config = config
    return seconds[0] + (seconds[1] - seconds[0]) * (config.steps / WEIGHT_STEPS - 1.0)


if __name__ == "__main__":
    sys.exit(main())
