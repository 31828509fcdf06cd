"""Updates, dynamics steps and penalized rollouts a second of deep MOPO, against the usual way of writing it.

    python -m benchmarks.mopo_steps

Hopper's sizes, synthetic data that never ends. The usual way is `plain_mopo.py`. Contestants take turns; the rates are
the best of `ROUNDS`, those of five stacked seeds are steps times seeds. Writes results/mopo_steps.json.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from benchmarks.ampl_steps import ACTIONS, ROUNDS, STATES, Contestants, Step, compared, synthetic_data
from benchmarks.plain_mopo import PlainMOPO
from benchmarks.records import print_table, write_record
from continuous.arithmetic import fast_arithmetic, threads
from continuous.damo_learner import DAMODraws, DAMOLearner, DAMOLearnerConfig
from continuous.dynamics import EnsembleDynamics
from continuous.dynamics_fit import LikelihoodLoss, fit_network
from continuous.mixed_sampler import MixedSampler
from continuous.mopo import MOPO_DYNAMICS
from continuous.penalties import PenalizedModel, Penalty
from continuous.repetition import Repetition
from continuous.replay import ModelBuffer, TransitionTable
from continuous.rollout import roll_out
from continuous.soft_actor_critic import SoftActorCritic, SoftActorCriticConfig
from continuous.streams import SeedStreams
from continuous.termination import never

LENGTH, STARTS = 5, 2048
WHAT = ("updates", "dynamics steps", "rollout transitions", "DAMO updates")


def main() -> None:
    """Measures everything and prints the table."""
    rows = [row for count in (1, 2) for row in measure(count)]
    print_table(("threads", "what", "contestant", "per_second", "ratio"), rows)
    print(f"wrote {write_record('mopo_steps', rows).name}")


def measure(count: int) -> list[dict[str, Any]]:
    """Rates on `count` threads; ratios are to the usual way, where there is one."""
    contestants: Contestants = {
        "usual": (lambda: threads(count), 1, plain_steps()),
        "ours": (lambda: fast_arithmetic(count), 1, our_steps([0])),
        "ours, 5 seeds": (lambda: fast_arithmetic(count), 5, our_steps([0, 1, 2, 3, 4])),
    }
    return compared(contestants, WHAT, count, ROUNDS)


def plain_steps() -> dict[str, Step]:
    """The usual way."""
    plain = PlainMOPO(synthetic_data())

    def repeated(step: Callable[[], None], count: int) -> Step:
        def run() -> int:
            for _ in range(count):
                step()
            return count

        return run

    steps = (repeated(plain.update, 60), repeated(plain.fit_step, 30), lambda: plain.roll_out(LENGTH, STARTS))
    return dict(zip(WHAT, steps, strict=False))


def our_steps(seeds: list[int]) -> dict[str, Step]:
    """This project's way, for stacked seeds."""
    table = TransitionTable.from_columns(
        **{name: torch.from_numpy(column) for name, column in synthetic_data().items() if name != "terminal"},
        terminal=torch.zeros(len(synthetic_data()["reward"]), dtype=torch.bool),
    )
    unbounded = torch.full((STATES,), math.inf)
    model = EnsembleDynamics(
        STATES, ACTIONS, MOPO_DYNAMICS, seeds, termination=never, state_bound=unbounded, reward_bound=unbounded[0]
    )
    rows = model.standardization.fit(table, targets=False)
    sac = SoftActorCritic(STATES, ACTIONS, SoftActorCriticConfig(), seeds)
    damo = DAMOLearner(STATES, ACTIONS, DAMOLearnerConfig(alpha=1.0), seeds)
    buffer = ModelBuffer(len(seeds), 5 * LENGTH * STARTS, table.layout)
    streams = {name: SeedStreams(seeds, name) for name in ("model", "rollouts", "updates")}
    updates = streams["updates"]
    penalized = PenalizedModel(model, Penalty.MAX_STD, 1.0)
    shorter = 1 if len(seeds) == 1 else 3

    def rollouts() -> int:
        roll_out(penalized, sac.policy, table, buffer, length=LENGTH, paths=STARTS, streams=streams["rollouts"])
        return LENGTH * STARTS

    rollouts()
    sampler = MixedSampler(table=table, buffer=buffer, streams=updates, batch_size=256, real_rows=12)

    def update() -> None:
        sac.update(sampler.draw(), sac.policy.noise(updates, 256), sac.policy.noise(updates, 256))

    def update_damo() -> None:
        noise = [damo.policy.noise(updates, 256) for _ in range(3)]
        damo.update_all(
            DAMODraws(
                batch=sampler.draw(),
                real=table.sample(128, updates),
                imagined=buffer.sample(128, updates),
                start_state=table.sample_starts(256, updates),
                noise=noise[0],
                next_noise=noise[1],
                start_noise=noise[2],
            )
        )

    def fit(count: int) -> int:
        model.network.config = replace(model.config, steps_per_epoch=count, max_steps=count, holdout_limit=1)
        fit_network(model.network, rows, None, streams["model"], LikelihoodLoss())
        return count

    def repeated(step: Callable[[], None], count: int) -> Step:
        repetition = Repetition(step, [updates], "cpu")

        def run() -> int:
            repetition.run(count)
            return count

        return run

    steps = (
        repeated(update, 120 // shorter),
        lambda: fit(120 // shorter),
        rollouts,
        repeated(update_damo, 30 // shorter),
    )
    return dict(zip(WHAT, steps, strict=True))


if __name__ == "__main__":
    main()
