"""How many of MOPO's inner steps a second: this project against the usual way of writing them.

    python -m benchmarks.mopo_steps

Updates of soft actor-critic with their batches (also at three hidden layers, as code in JAX has them), steps of the
dynamics model, penalized model transitions in rollouts, and the whole loop: updates with their share of 50,000 paths of
five steps every 1000 updates. DAMO's updates have no yardstick. Hopper's sizes and the published buffer, on one and two
threads, with one seed and with five stacked (whose rate is per seed: steps times seeds). Contestants take turns within
a run, so that only their ratios are to be compared between runs; rates are the best of three rounds. Writes
results/mopo_steps.json.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from benchmarks.ampl_steps import ROUNDS, ROWS, Step, compared, ours, repeated, report, synthetic_data, usual
from benchmarks.plain_mopo import PENALTY_WEIGHT, PlainMOPO
from benchmarks.records import command_line
from continuous.algorithms.damo.config import DAMOConfig
from continuous.algorithms.damo.damo import DAMO
from continuous.algorithms.damo.learner import DAMOLearnerConfig
from continuous.algorithms.mopo.config import MOPO_DYNAMICS, MOPOConfig
from continuous.algorithms.mopo.mopo import MOPO
from continuous.algorithms.sac.learner import SoftActorCriticConfig
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.commands.bench.loops import fit_steps, no_surroundings, synthetic_table
from continuous.model.rollout import roll_out

STARTS = 10_000  # a fifth of an epoch's
FILL = 125_000  # transitions at a time
WHAT = ("updates", "updates, 3 hidden layers", "dynamics steps", "rollout transitions", "whole loop, updates",
        "DAMO updates")  # fmt: skip
CONFIG = MOPOConfig(penalty_weight=PENALTY_WEIGHT)
DEEPER = (256, 256, 256)
LENGTH, STARTS_PER_STEP = CONFIG.schedule.rollout_length, CONFIG.schedule.starts_per_step


def main() -> None:
    """Measures everything and prints the table."""
    command_line(__doc__).parse_args()
    report("mopo_steps", [row for count in (1, 2) for row in measure(count)])


def measure(count: int) -> list[dict[str, Any]]:
    """Rates on `count` threads; ratios are to the usual way, where there is one."""
    contestants = {
        "usual": usual(count, plain_steps()),
        "ours": ours(count, our_steps([0])),
        "ours, 5 seeds": ours(count, our_steps([0, 1, 2, 3, 4]), seeds=5),
    }
    return compared(contestants, WHAT, count, ROUNDS)


def plain_steps() -> dict[str, Step]:
    """The usual way, its model buffer full."""
    torch.manual_seed(0)
    data, capacity = synthetic_data(), CONFIG.schedule.buffer_capacity
    plain, deeper = PlainMOPO(data, capacity), PlainMOPO(data, FILL, DEEPER)
    for owner in (plain, deeper):
        for _ in range(owner.made.capacity // FILL):
            index = owner.generator.integers(ROWS, size=FILL)
            owner.made.add({name: data[name][index] for name in owner.made.columns})

    def loop() -> int:
        plain.roll_out(60 * STARTS_PER_STEP, LENGTH)
        return update()

    update = repeated(lambda: plain.update(plain.mixed()), 60)
    return {
        "updates": update,
        "updates, 3 hidden layers": repeated(lambda: deeper.update(deeper.mixed()), 60),
        "dynamics steps": repeated(plain.fit_step, 30),
        "rollout transitions": lambda: plain.roll_out(STARTS, LENGTH),
        "whole loop, updates": loop,
    }


def our_steps(seeds: list[int]) -> dict[str, Step]:
    """This project's way, for stacked seeds, their model buffers full."""
    table, around = synthetic_table(ROWS, "cpu"), no_surroundings()
    mopo, deeper = MOPO(table, CONFIG, seeds, around), MOPO(table, deeper_config(), seeds, around)
    damo = DAMO(table, DAMOConfig(learner=DAMOLearnerConfig(alpha=1.0)), seeds, around)
    model, shorter, streams = mopo.model, 1 if len(seeds) == 1 else 3, mopo.streams["rollouts"]
    for owner, rows in ((mopo, CONFIG.schedule.buffer_capacity), (deeper, FILL), (damo, FILL)):
        for _ in range(rows // FILL):
            owner.buffer.append(table.sample(FILL, streams))
    rows_of_fit = model.standardization.fit(table, targets=MOPO_DYNAMICS.standardizes_targets)

    def fit(count: int) -> int:
        fit_steps(model, rows_of_fit, mopo.streams["model"], count)
        return count

    def rollouts(paths: int) -> int:
        acting = mopo.rollout_policy()
        roll_out(mopo.rollout_model(), acting, table, mopo.buffer, length=LENGTH, paths=paths, streams=streams)
        return paths * LENGTH

    def loop() -> int:
        rollouts(120 // shorter * STARTS_PER_STEP)
        return update()

    update = repeated(mopo.update, 120 // shorter)
    return {
        "updates": update,
        "updates, 3 hidden layers": repeated(deeper.update, 120 // shorter),
        "dynamics steps": lambda: fit(90 // shorter),  # long enough that what surrounds a fit does not count
        "rollout transitions": lambda: rollouts(STARTS // shorter),
        "whole loop, updates": loop,
        "DAMO updates": repeated(damo.update, 30 // shorter),
    }


def deeper_config() -> MOPOConfig:
    """Three hidden layers of 256 in policy and critics."""
    learner = SoftActorCriticConfig(hidden=DEEPER, policy=SquashedGaussianConfig(hidden=DEEPER))
    return replace(CONFIG, learner=learner)


if __name__ == "__main__":
    main()
