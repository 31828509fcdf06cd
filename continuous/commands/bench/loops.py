"""The hot loops of training, each as a function that makes so many steps, on synthetic data that never ends.

The steps are those of the algorithms, on untrained networks: what a step costs does not depend on what was learned.
Sizes are Hopper's and settings the published ones, but for the length of rollouts and the size of what they fill.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch

from continuous.algorithms.ampl.ampl import AMPL
from continuous.algorithms.ampl.config import AMPLConfig
from continuous.algorithms.ampl.policy import ImplicitPolicyConfig
from continuous.algorithms.ampl.schedule import AMPLSchedule
from continuous.algorithms.config import Schedule
from continuous.algorithms.damo.config import DAMOConfig
from continuous.algorithms.damo.damo import DAMO
from continuous.algorithms.damo.learner import DAMOLearnerConfig
from continuous.algorithms.mopo.config import MOPOConfig
from continuous.algorithms.mopo.mopo import MOPO
from continuous.algorithms.mopo.penalties import Penalty
from continuous.algorithms.offline import Surroundings
from continuous.model.ensemble import EnsembleDynamics
from continuous.model.fit import fit_network
from continuous.model.loss import LikelihoodLoss
from continuous.networks.repetition import Repetition
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from continuous.tasks.termination import never, of_next_state
from continuous.weights.q_moment import QMomentConfig

OBSERVATION_SIZE, ACTION_SIZE = 11, 3  # D and A of Hopper

_MODEL_BASED = Schedule(starts_per_step=2)  # about 2,000 paths a rollout; the published buffer takes 700 MB
_AMPL = AMPLSchedule(rollout_length=5, starts_per_step=41)  # likewise

AnyAlgorithm = TypeVar("AnyAlgorithm", AMPL, MOPO, DAMO)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Settings of the algorithms, and counts of what is around them."""

    ampl: AMPLConfig = field(
        default_factory=lambda: AMPLConfig(
            policy=ImplicitPolicyConfig(noise_size=50), weights=QMomentConfig(), schedule=_AMPL
        )
    )
    mopo: MOPOConfig = field(
        default_factory=lambda: MOPOConfig(penalty_weight=1.0, penalty=Penalty.MAX_STD, schedule=_MODEL_BASED)
    )
    damo: DAMOConfig = field(
        default_factory=lambda: DAMOConfig(learner=DAMOLearnerConfig(alpha=1.0), schedule=_MODEL_BASED)
    )
    rows: int = 50_000  # transitions of the data
    model_rows: int = 40_000  # transitions in a model buffer, for each seed
    seeds: tuple[int, ...] = (1, 5)  # how many are stacked


PUBLISHED = Workload()


@dataclass(frozen=True, kw_only=True)
class Loop:
    """One hot loop of K stacked seeds.

    Attributes:
        name: for people.
        unit: what is counted, in the plural.
        seeds: K.
        units: how many of them one step makes for each seed.
        run: makes so many steps, as training does (on a GPU from a recording where training records).
        observed: makes so many eagerly.
        surrounded: whether `run` does more than its steps, once a call.
    """

    name: str
    unit: str
    seeds: int
    units: int
    run: Callable[[int], None]
    observed: Callable[[int], None]
    surrounded: bool = False


def ampl_loops(workload: Workload, seeds: Sequence[int], device: str) -> list[Loop]:
    """AMPL's: iterations, weights, dynamics, rollouts."""
    table = synthetic_table(workload.rows, device)
    ampl = untrained(AMPL(table, workload.ampl, seeds, no_surroundings()), workload.model_rows)
    ampl.begin_epoch(workload.ampl.schedule.epochs)  # after the warm start, with the fewest real rows
    assert ampl.estimator is not None  # a workload's AMPL has weights
    weights = ampl.estimator.start(table, ampl.learner.policy, ampl.learner.critic, ampl.streams["weights"])
    return [
        _recorded("AMPL iteration", "iterations", ampl.update, ampl.streams["updates"], units=ampl.updates_at_once),
        _recorded("AMPL weights (MIW)", "steps", weights, ampl.streams["weights"]),
        _fit("AMPL dynamics", ampl.model, table, ampl.streams["model"]),
        _rollout("AMPL rollout", ampl),
    ]


def mopo_loops(workload: Workload, seeds: Sequence[int], device: str) -> list[Loop]:
    """MOPO's: updates, dynamics, penalized rollouts."""
    table = synthetic_table(workload.rows, device)
    mopo = untrained(MOPO(table, workload.mopo, seeds, no_surroundings()), workload.model_rows)
    return [
        _recorded("MOPO update", "updates", mopo.update, mopo.streams["updates"]),
        _fit("MOPO dynamics", mopo.model, table, mopo.streams["model"]),
        _rollout("MOPO rollout, penalized", mopo),
    ]


def damo_loops(workload: Workload, seeds: Sequence[int], device: str) -> list[Loop]:
    """DAMO's update; its dynamics are MOPO's."""
    table = synthetic_table(workload.rows, device)
    damo = untrained(DAMO(table, workload.damo, seeds, no_surroundings()), workload.model_rows)
    return [_recorded("DAMO update", "updates", damo.update, damo.streams["updates"])]


def untrained(algorithm: AnyAlgorithm, model_rows: int) -> AnyAlgorithm:
    """The algorithm with so many transitions of the data in its model buffer."""
    algorithm.buffer.append(algorithm.table.sample(model_rows, algorithm.streams["rollouts"]))
    return algorithm


def synthetic_table(rows: int, device: str) -> TransitionTable:
    """Standard normal transitions that never end; every tenth state starts an episode."""
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(rows, OBSERVATION_SIZE, generator=generator).to(device)
    return TransitionTable(
        state=state,
        action=torch.randn(rows, ACTION_SIZE, generator=generator).tanh_().to(device),
        reward=torch.randn(rows, generator=generator).to(device),
        next_state=torch.randn(rows, OBSERVATION_SIZE, generator=generator).to(device),
        terminal=torch.zeros(rows, dtype=torch.bool, device=device),
        start_state=state[::10].clone(),
    )


def no_surroundings() -> Surroundings:
    """What an algorithm needs around it to make steps; it cannot be evaluated, which takes a simulator."""
    return Surroundings(termination=of_next_state(never), description={})


def fit_steps(model: EnsembleDynamics, rows: torch.Tensor, streams: SeedStreams, count: int) -> None:
    """So many steps of a fit of the model, each member on its own batch; rows as `Standardization.fit` gives them."""
    model.network.config = replace(model.config, steps_per_look=count, max_steps=count, holdout_limit=1)
    fit_network(model.network, rows, None, streams, LikelihoodLoss())


def _fit(name: str, model: EnsembleDynamics, table: TransitionTable, streams: SeedStreams) -> Loop:
    rows = model.standardization.fit(table, targets=model.config.standardizes_targets)

    def run(count: int) -> None:
        fit_steps(model, rows, streams, count)

    return Loop(name=name, unit="steps", seeds=len(streams), units=1, run=run, observed=run, surrounded=True)


def _recorded(name: str, unit: str, step: Callable[[], None], streams: SeedStreams, *, units: int = 1) -> Loop:
    """A step that training repeats by a `Repetition`."""
    run = Repetition(step, [streams], streams.device).run
    return replace(_eager(name, unit, step, len(streams), units=units), run=run)


def _rollout(name: str, algorithm: AMPL | MOPO) -> Loop:
    units = algorithm.schedule.paths * algorithm.schedule.rollout_length
    return _eager(name, "transitions", algorithm.roll_out, len(algorithm.seeds), units=units)


def _eager(name: str, unit: str, step: Callable[[], object], seeds: int, *, units: int) -> Loop:
    def run(count: int) -> None:
        for _ in range(count):
            step()

    return Loop(name=name, unit=unit, seeds=seeds, units=units, run=run, observed=run)
