"""Recorded steps (CUDA graphs) against eager ones, and TF32 against float32: how far apart from equal states.

    python -m benchmarks.gpu_comparison OUT.json [--device cpu] [--quick]

On a CPU nothing is recorded and products have one precision: all differences are zero. Parameters are compared after
the first recorded step, which shows a wrong recording, and after some: rounding that differs between two runs is
enlarged by every step of Adam. How much, the same eager steps show when they are made twice. What fails is noted, and
the rest goes on.
"""

from __future__ import annotations

import sys
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
from continuous.algorithms.model_based import ModelBased, Surroundings
from continuous.algorithms.mopo.config import MOPOConfig
from continuous.algorithms.mopo.mopo import MOPO
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
Row: TypeAlias = dict[str, Any]


def main() -> int:
    """Compares everything and writes it after each comparison; returns the exit code: 1 if something failed."""
    parser = command_line(__doc__)
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    options = parser.parse_args()
    found: dict[str, Any] = {"torch": torch.__version__, "device": device_name(options.device), "rows": {}}
    for name, make in MADE.items():
        try:
            found["rows"][name] = compare(make, options.device, FIRST if options.quick else ALL)
        except Exception:  # whatever it is, the other comparisons go on
            found["rows"][name] = {"failed": traceback.format_exc()[-1500:]}
        print(name, found["rows"][name], flush=True)
        write_json(options.out, found)
    print("recorded steps agree" if agrees(found) else "recorded steps DIFFER from eager ones")
    return int(not agrees(found))


def compare(make: Callable[..., torch.Tensor], device: str, count: int) -> Row:
    """How far apart from equal states after the first recorded step and after all.

    recorded_* is recorded to eager, eager_* eager to eager, tf32_* eager in TF32 to eager in float32.
    """
    found = {steps: differences(make, device, steps) for steps in dict.fromkeys((FIRST, count))}
    each = (("one", FIRST), ("all", count))
    return {f"{what}_{when}": value for when, steps in each for what, value in found[steps].items()}


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


if __name__ == "__main__":
    sys.exit(main())
