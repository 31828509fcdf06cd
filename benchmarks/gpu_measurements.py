"""What is measured on a GPU before trainings are run there: what is fastest, and whether recorded steps may be trusted.

    python -m benchmarks.gpu_measurements probe|differences OUT.json [--device cpu] [--quick]

probe: the batched products of MOPO, AMPL and the model's fit in float32 and TF32 (microseconds and TFLOP/s), and MOPO
updates a second of all trainings together, by how many run side by side (five seeds each).

differences: how far recorded steps (CUDA graphs) are from eager ones, and TF32 from float32, from equal states.
Parameters are compared after the first recorded step, which shows a wrong recording, and after some: rounding that
differs between two runs is enlarged by every step of Adam. The same eager steps, made twice, show how much.

What fails is noted, and the rest goes on. On a CPU nothing is recorded and products have one precision.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import nan
from pathlib import Path
from typing import Any, TypeAlias
from unittest.mock import patch

import torch

from ampl.files import write_json
from benchmarks import ampl_steps
from benchmarks.records import command_line, device_name
from continuous.algorithms.damo.config import DAMOConfig
from continuous.algorithms.damo.damo import DAMO
from continuous.algorithms.damo.learner import DAMOLearnerConfig
from continuous.algorithms.model_based import ModelBased
from continuous.algorithms.mopo.config import MOPOConfig
from continuous.algorithms.mopo.mopo import MOPO
from continuous.algorithms.offline import Surroundings
from continuous.commands.bench.loops import fit_steps, no_surroundings, synthetic_table
from continuous.evaluation.certificates import ModelReturns
from continuous.model import fit_run
from continuous.networks.arithmetic import precision
from continuous.networks.repetition import WARM_UP, Repetition
from continuous.replay.buffers import TransitionTable
from continuous.weights.q_moment import QMomentConfig

FIRST, ALL = WARM_UP + 1, 20  # steps: as many as warm up and one that is recorded; and ten recorded at once besides
TOLERANCE = 1e-4  # between parameters, relative to their largest,
NOISE = 10.0  # or times what eager ones differ by among themselves
PAIR = (0, 1)  # seeds of a comparison
FILL = 125_000  # transitions of the model buffers
TF32_TOLERANCE = 0.05  # of parameters after one step of Adam, whose size does not depend on the slope's
SHAPES = (  # copies, rows, in, out of a batched product
    (10, 256, 256, 256),  # MOPO, five seeds: a critic's hidden layer,
    (10, 256, 256, 1),  # its last layer,
    (10, 256, 14, 256),  # and its first
    (90, 256, 256, 256),  # the same for 45 seeds
    (10, 512, 400, 300),  # AMPL, five seeds: a critic's second layer
    (5, 1024, 400, 300),  # and the policy's
    (5, 3072, 400, 300),  # a weight network's
    (35, 256, 200, 200),  # the model's fit
)
WIDTHS = (1, 2, 4, 6, 8)  # trainings side by side
UPDATES = 300
Row: TypeAlias = dict[str, Any]


def main() -> int:
    """Measures everything and writes it after each item; returns the exit code: 1 if something failed or differs."""
    parser = command_line(__doc__)
    parser.add_argument("what", choices=("probe", "differences"))
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    options = parser.parse_args()
    found: dict[str, Any] = {"torch": torch.__version__, "device": device_name(options.device)}
    if options.what == "probe":
        measure(PARTS, found, found, options)
        return int(any("failed" in found[part] for part in PARTS))
    rows: dict[str, Row] = found.setdefault("rows", {})
    measure({name: partial(compare, make) for name, make in MADE.items()}, rows, found, options)
    print("recorded steps agree" if agrees(found) else "recorded steps DIFFER from eager ones")
    return int(not agrees(found))


def measure(
    parts: Mapping[str, Callable[..., Row]], rows: dict[str, Any], found: Mapping[str, Any], options: argparse.Namespace
) -> None:
    """Puts what each part measures into `rows`, and writes all that was found so far."""
    for name, part in parts.items():
        start = time.perf_counter()
        try:
            rows[name] = part(options.device, quick=options.quick)
        except Exception:  # whatever it is, the other parts go on
            rows[name] = {"failed": traceback.format_exc()[-1500:]}
        rows[name]["seconds"] = time.perf_counter() - start
        print(name, json.dumps(rows[name], indent=1), flush=True)
        write_json(options.out, dict(found))


def compare(make: Callable[..., torch.Tensor], device: str, *, quick: bool) -> Row:
    """How far apart from equal states after the first recorded step and after all.

    recorded_* is recorded to eager, eager_* eager to eager, tf32_* eager in TF32 to eager in float32.
    """
    steps = {"one": FIRST, "all": FIRST if quick else ALL}
    found = {count: differences(make, device, count) for count in dict.fromkeys(steps.values())}
    return {f"{what}_{when}": value for when, count in steps.items() for what, value in found[count].items()}


def differences(make: Callable[..., torch.Tensor], device: str, steps: int) -> Mapping[str, float]:
    """What `compare` lists, after so many steps."""
    eager, again, recorded = (make(PAIR, device, steps, capture=capture) for capture in (False, False, True))
    with precision("high"):
        rounded = make(PAIR, device, steps, capture=False)
    compared = {"recorded": recorded, "eager": again, "tf32": rounded}
    return {what: difference(tensor, eager) for what, tensor in compared.items()}


def agrees(found: Mapping[str, Any]) -> bool:
    """Whether all recorded steps do what eager ones do; what failed or is not a number does not."""
    return bool(found.get("rows")) and all(
        max(TOLERANCE, NOISE * row.get(f"eager_{when}", nan)) >= row.get(f"recorded_{when}", nan)
        for row in found["rows"].values()
        for when in ("one", "all")
    )


def allows_tf32(found: Mapping[str, Any]) -> bool:
    """Whether the first step in TF32 is as float32 to the rounding of its factors, whatever is repeated."""
    rows = found.get("rows", {}).values()
    return agrees(found) and all(row.get("tf32_one", nan) <= TF32_TOLERANCE for row in rows)


def difference(first: torch.Tensor, second: torch.Tensor) -> float:
    """Largest between entries, relative to the largest entry of the second."""
    return float((first - second).abs().max() / second.abs().max())


def trained_iterations(seeds: Sequence[int], device: str, count: int, *, capture: bool) -> torch.Tensor:
    """The policy's and critics' parameters after some iterations."""
    owner = ampl_steps.ampl(seeds, device)
    Repetition(owner.update, [owner.streams["updates"]], device, capture=capture).run(count)
    learner = owner.learner
    return torch.cat((learner.policy.network.values, learner.critic.online.values))


def fitted(seeds: Sequence[int], device: str, count: int, *, capture: bool) -> torch.Tensor:
    """The model's parameters after some steps."""
    owner = ampl_steps.ampl(seeds, device)
    rows = owner.model.standardization.fit(owner.table)
    with patch.object(fit_run, "Repetition", partial(Repetition, capture=capture)):
        fit_steps(owner.model, rows, owner.streams["model"], count)
    return owner.model.network.members.values


def trained_weights(seeds: Sequence[int], device: str, count: int, *, capture: bool) -> torch.Tensor:
    """The weight network's parameters after some steps."""
    owner = ampl_steps.ampl(seeds, device)
    table, streams = owner.table, owner.streams["weights"]
    estimator = QMomentConfig(learning_rate=1e-3).build(
        table.observation_size, table.action_size, seeds, owner.model, device
    )
    step = estimator.start(table, owner.learner.policy, owner.learner.critic, streams)
    Repetition(step, [streams], device, capture=capture).run(count)
    return estimator.network.values


def updated_mopo(seeds: Sequence[int], device: str, count: int, *, capture: bool) -> torch.Tensor:
    """MOPO's parameters after some updates."""
    return _updated(mopo(seeds, device, MOPOConfig(penalty_weight=1.0)), count, capture)


def updated_damo(seeds: Sequence[int], device: str, count: int, *, capture: bool) -> torch.Tensor:
    """DAMO's policy and critics after some updates."""
    table, around = synthetic_task(device)
    damo = DAMO(table, DAMOConfig(learner=DAMOLearnerConfig(alpha=1.0)), seeds, around)
    return _updated(damo, count, capture)


def returned(seeds: Sequence[int], device: str, count: int, *, capture: bool) -> torch.Tensor:
    """Certificates of an untrained MOPO: returns and penalties in its model, over paths of so many steps."""
    owner = mopo(seeds, device, MOPOConfig(penalty_weight=1.0))
    returns = ModelReturns(
        owner.charged_step,
        owner.best_action,
        data=owner.table.state,
        discount=owner.learner.discount,
        limit=count,
        seeds=seeds,
        capture=capture,
    )
    starts = owner.table.state[:10].expand(len(seeds), -1, -1)
    first, again = (torch.stack(list(returns(starts).values())) for _ in range(2))
    return torch.cat((first, again))  # the second time from the same random numbers


def mopo(seeds: Sequence[int], device: str, config: MOPOConfig) -> MOPO:
    """Untrained, on synthetic data."""
    table, around = synthetic_task(device)
    owner = MOPO(table, config, seeds, around)
    owner.model.standardization.fit(table, targets=False)
    return owner


def synthetic_task(device: str) -> tuple[TransitionTable, Surroundings]:
    """Synthetic data, and surroundings that cannot evaluate: nothing here needs a simulator."""
    return synthetic_table(ampl_steps.ROWS, device), no_surroundings()


def _updated(owner: ModelBased[Any], count: int, capture: bool) -> torch.Tensor:
    streams = owner.streams["updates"]
    owner.buffer.append(owner.table.sample(FILL, streams))
    Repetition(owner.update, [streams], streams.device, capture=capture).run(count)
    return torch.cat((owner.learner.policy.network.values, owner.learner.critic_online.values))


MADE: Mapping[str, Callable[..., torch.Tensor]] = {
    "iterations": trained_iterations,
    "dynamics steps": fitted,
    "weight steps": trained_weights,
    "MOPO updates": updated_mopo,
    "DAMO updates": updated_damo,
    "returns in the model": returned,
}


def products(device: str, *, quick: bool) -> dict[str, dict[str, float]]:
    """Microseconds and TFLOP/s of every shape and precision."""
    found = {}
    for name in ("highest", "high"):
        for copies, rows, inputs, outputs in SHAPES:
            left = torch.randn(copies, rows, inputs, device=device)
            right = torch.randn(copies, inputs, outputs, device=device)
            with precision(name):
                spent = microseconds(partial(_multiply, left, right), device, quick=quick)
            teraflops = 2e-6 * copies * rows * inputs * outputs / spent
            found[f"{name} {copies}x{rows}x{inputs}x{outputs}"] = {"us": spent, "tflops": teraflops}
    return found


def trainings(device: str, *, quick: bool) -> dict[str, float]:
    """MOPO updates a second of all trainings together, by how many there are, each on a stream of its own."""
    made = []
    for number in range(1 if quick else max(WIDTHS)):
        owner = mopo(range(5 * number, 5 * number + (1 if quick else 5)), device, MOPOConfig(penalty_weight=1.0))
        owner.buffer.append(owner.table.sample(10_000, owner.streams["updates"]))
        made.append(Repetition(owner.update, [owner.streams["updates"]], device))
    beside = [torch.cuda.Stream() if device == "cuda" else None for _ in made]
    found = {}
    for width in WIDTHS[:1] if quick else WIDTHS:
        for count in (20, 2 if quick else UPDATES):  # the first ones record
            start = time.perf_counter()
            for _ in range(max(1, count // 10)):
                for repetition, stream in zip(made[:width], beside, strict=False):
                    with torch.cuda.stream(stream):  # nothing on a CPU
                        repetition.run(2 if quick else 10)
            _wait(device)
        done = max(1, count // 10) * (2 if quick else 10) * width
        found[f"{width} side by side"] = done / (time.perf_counter() - start)
    return found


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "products": products,
    "trainings": trainings,
}


def microseconds(step: Callable[[], None], device: str, *, quick: bool) -> float:
    """Of one step, recorded where the device can."""
    repetition, count = Repetition(step, [], device), 2 if quick else 500
    repetition.run(20)
    _wait(device)
    start = time.perf_counter()
    repetition.run(count)
    _wait(device)
    return (time.perf_counter() - start) / count * 1e6


def widest(found: dict[str, Any]) -> int:
    """How many trainings side by side gave the most updates a second; one if that was not measured."""
    rates = {int(name.split()[0]): rate for name, rate in found.get("trainings", {}).items() if "side by side" in name}
    return max(rates, key=rates.__getitem__, default=1)


def _multiply(left: torch.Tensor, right: torch.Tensor) -> None:
    torch.bmm(left, right)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    sys.exit(main())
