"""The hot loops of training, each as a function that makes so many steps, on synthetic data that never ends.

The steps are those of the algorithms, on untrained networks: what a step costs does not depend on what was learned.
Sizes are Hopper's and settings the published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch

from continuous.algorithms.ampl.config import AMPLConfig
from continuous.algorithms.ampl.critic import TwinCritic
from continuous.algorithms.ampl.discriminator import Discriminator
from continuous.algorithms.ampl.draws import Sampler
from continuous.algorithms.ampl.policy import ImplicitPolicyConfig
from continuous.algorithms.ampl.schedule import AMPLSchedule
from continuous.algorithms.ampl.update import ActorCritic
from continuous.algorithms.config import Schedule
from continuous.algorithms.damo.config import DAMOConfig
from continuous.algorithms.damo.damo import DAMO
from continuous.algorithms.damo.learner import DAMOLearnerConfig
from continuous.algorithms.mopo.config import MOPOConfig
from continuous.algorithms.mopo.mopo import MOPO
from continuous.algorithms.mopo.penalties import Penalty
from continuous.algorithms.surroundings import Surroundings
from continuous.model.ensemble import EnsembleDynamics
from continuous.model.fit import fit_network
from continuous.model.loss import LikelihoodLoss
from continuous.model.rollout import paths_at_once, roll_out
from continuous.networks.repetition import Repetition
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import ModelBuffer, TransitionTable
from continuous.tasks.termination import never
from continuous.weights.q_moment import QMomentConfig

OBSERVATION_SIZE, ACTION_SIZE = 11, 3  # D and A of Hopper
_SHORT_BUFFER = Schedule(starts_per_step=2)  # the published buffer takes 700 MB and makes nothing slower


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Settings of the algorithms, and counts of what is around them."""

    ampl: AMPLConfig = field(
        default_factory=lambda: AMPLConfig(
            policy=ImplicitPolicyConfig(noise_size=50), weights=QMomentConfig(), schedule=AMPLSchedule(rollout_length=5)
        )
    )
    mopo: MOPOConfig = field(
        default_factory=lambda: MOPOConfig(penalty_weight=1.0, penalty=Penalty.MAX_STD, schedule=_SHORT_BUFFER)
    )
    damo: DAMOConfig = field(
        default_factory=lambda: DAMOConfig(learner=DAMOLearnerConfig(alpha=1.0), schedule=_SHORT_BUFFER)
    )
    rows: int = 50_000  # transitions of the data
    paths: int = 2048  # of a rollout, for each seed
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
    config, table = workload.ampl, synthetic_table(workload.rows, device)
    learner, sampler = untrained_ampl(config, table, seeds, workload.model_rows)
    real_rows = round(config.schedule.real_fraction * config.schedule.batch_size)
    period = config.schedule.policy_period

    def iterations() -> None:
        for index in range(period):
            learner.update(sampler.draw(real_rows), trains_policy=index == 0, imitates=False)

    streams = {name: SeedStreams(seeds, name, device) for name in ("weights", "model", "rollouts")}
    assert config.weights is not None  # a workload's AMPL has weights
    estimator = config.weights.build(OBSERVATION_SIZE, ACTION_SIZE, seeds, learner.model, device)
    weights = estimator.start(table, learner.policy, learner.critic, streams["weights"])

    def rollout() -> None:
        roll_out(
            learner.model,
            learner.policy,
            table,
            sampler.buffer,
            length=config.schedule.rollout_length,
            paths=workload.paths,
            streams=streams["rollouts"],
            chunk=paths_at_once(table.rows.device, len(seeds) * config.dynamics.members),
        )

    units = workload.paths * config.schedule.rollout_length
    return [
        _recorded("AMPL iteration", "iterations", iterations, sampler.streams, units=period),
        _recorded("AMPL weights (MIW)", "steps", weights, streams["weights"]),
        _fit("AMPL dynamics", learner.model, table, streams["model"]),
        _eager("AMPL rollout", "transitions", rollout, len(seeds), units=units),
    ]


def mopo_loops(workload: Workload, seeds: Sequence[int], device: str) -> list[Loop]:
    """MOPO's: updates, dynamics, penalized rollouts."""
    table, schedule = synthetic_table(workload.rows, device), workload.mopo.schedule
    mopo = MOPO(table, workload.mopo, seeds, no_surroundings())
    mopo.buffer.append(table.sample(workload.model_rows, mopo.streams["rollouts"]))

    def rollout() -> None:
        roll_out(
            mopo.rollout_model(),
            mopo.learner.policy,
            table,
            mopo.buffer,
            length=schedule.rollout_length,
            paths=workload.paths,
            streams=mopo.streams["rollouts"],
            chunk=paths_at_once(table.rows.device, len(seeds) * workload.mopo.dynamics.members),
        )

    units = workload.paths * schedule.rollout_length
    return [
        _recorded("MOPO update", "updates", mopo.update, mopo.streams["updates"]),
        _fit("MOPO dynamics", mopo.model, table, mopo.streams["model"]),
        _eager("MOPO rollout, penalized", "transitions", rollout, len(seeds), units=units),
    ]


def damo_loops(workload: Workload, seeds: Sequence[int], device: str) -> list[Loop]:
    """DAMO's update; its dynamics are MOPO's."""
    table = synthetic_table(workload.rows, device)
    damo = DAMO(table, workload.damo, seeds, no_surroundings())
    damo.buffer.append(table.sample(workload.model_rows, damo.streams["rollouts"]))
    return [_recorded("DAMO update", "updates", damo.update, damo.streams["updates"])]


def synthetic_table(rows: int, device: str) -> TransitionTable:
    """Standard normal transitions that never end; every tenth state starts an episode."""
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(rows, OBSERVATION_SIZE, generator=generator).to(device)
    return TransitionTable.from_columns(
        state=state,
        action=torch.randn(rows, ACTION_SIZE, generator=generator).tanh_().to(device),
        reward=torch.randn(rows, generator=generator).to(device),
        next_state=torch.randn(rows, OBSERVATION_SIZE, generator=generator).to(device),
        terminal=torch.zeros(rows, dtype=torch.bool, device=device),
        start_state=state[::10].clone(),
    )


def no_surroundings() -> Surroundings:
    """What an algorithm needs around it to make steps; it cannot be evaluated, which takes a simulator."""
    return Surroundings(termination=never, description={})


def untrained_ampl(
    config: AMPLConfig, table: TransitionTable, seeds: Sequence[int], model_rows: int
) -> tuple[ActorCritic, Sampler]:
    """AMPL's networks, their bounds far away, and what draws their batches, its model buffer full."""
    sizes, device = (table.observation_size, table.action_size), table.rows.device
    far = torch.tensor(1e6, device=device)
    model = EnsembleDynamics(
        *sizes,
        config.dynamics,
        seeds,
        termination=never,
        state_bound=far.expand(table.observation_size),
        reward_bound=far,
        device=device,
    )
    learner = ActorCritic(
        config.policy.build(*sizes, seeds, device),
        TwinCritic(*sizes, config.critic, seeds, device),
        Discriminator(*sizes, config.regularizer, seeds, device),
        model,
        config.policy_update,
    )
    streams = SeedStreams(seeds, "updates", device)
    buffer = ModelBuffer(len(seeds), model_rows, table.layout, device)
    buffer.append(table.sample(model_rows, streams))
    return learner, Sampler(
        table=table,
        buffer=buffer,
        policy=learner.policy,
        streams=streams,
        batch_size=config.schedule.batch_size,
        elites=config.dynamics.elites,
        second_pair_only=config.regularizer.second_pair_only,
    )


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


def _eager(name: str, unit: str, step: Callable[[], None], seeds: int, *, units: int) -> Loop:
    def run(count: int) -> None:
        for _ in range(count):
            step()

    return Loop(name=name, unit=unit, seeds=seeds, units=units, run=run, observed=run)
