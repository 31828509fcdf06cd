"""The hot loops of training, each as a function that makes so many steps, on synthetic data that never ends.

The steps are those of the algorithms, on untrained networks: what a step costs does not depend on what was learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch

from ampl.arithmetic import Arithmetic
from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Metrics
from continuous.algorithms.ampl.ampl import AMPL
from continuous.algorithms.ampl.critic import TwinCritic
from continuous.algorithms.ampl.discriminator import Discriminator
from continuous.algorithms.ampl.draws import Sampler
from continuous.algorithms.ampl.policy import StackedPolicy
from continuous.algorithms.ampl.update import ActorCritic
from continuous.algorithms.damo.damo import DAMO
from continuous.algorithms.mopo.mopo import MOPO
from continuous.commands.bench.synthetic import evaluators, surroundings, synthetic_table
from continuous.commands.bench.workload import ACTION_SIZE, OBSERVATION_SIZE, Workload
from continuous.model.ensemble import EnsembleDynamics
from continuous.model.fit import fit_network
from continuous.model.loss import LikelihoodLoss
from continuous.model.rollout import Model, paths_at_once, roll_out
from continuous.networks.repetition import Repetition
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import ModelBuffer, TransitionTable
from continuous.tasks.termination import never

AMPL_ITERATION, MOPO_UPDATE = "AMPL iteration", "MOPO update"
AMPL_EVALUATION, MOPO_EVALUATION = "AMPL evaluation", "MOPO evaluation"


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


def ampl_loops(workload: Workload, seeds: Sequence[int], device: str, arithmetic: Arithmetic) -> list[Loop]:
    """AMPL's: iterations, weights, dynamics, rollouts, evaluation."""
    config, table = workload.ampl, synthetic_table(workload.rows, device)
    learner, sampler = _ampl_learner(workload, table, seeds)
    real_rows = round(config.schedule.real_fraction * config.batch_size)
    period = config.schedule.policy_period

    def iterations() -> None:
        for index in range(period):
            learner.update(sampler.draw(real_rows), trains_policy=index == 0, imitates=False)

    loops = [_repeated(AMPL_ITERATION, "iterations", iterations, sampler.streams, units=period)]
    estimator = config.build_estimator(OBSERVATION_SIZE, ACTION_SIZE, seeds, learner.model, device)
    if estimator is not None:
        streams = SeedStreams(seeds, "weights", device)
        step = estimator.start(table, learner.policy, learner.critic, streams)
        loops.append(_repeated("AMPL weights (MIW)", "steps", step, streams))
    streams = SeedStreams(seeds, "rollouts", device)

    def evaluation(where: str) -> Callable[[], object]:
        algorithm = AMPL(
            synthetic_table(workload.rows, where),
            config,
            seeds,
            termination=never,
            evaluator=evaluators(workload, arithmetic.threads),
            score=lambda evaluation: {},
            description={},
            arithmetic=arithmetic,
        )
        return partial(_evaluated, algorithm)

    return [
        *loops,
        _fit("AMPL dynamics", learner.model, table, seeds),
        _rollout(
            "AMPL rollout",
            workload,
            config.rollout_length,
            learner.model,
            learner.policy,
            table,
            sampler.buffer,
            streams,
            config.dynamics.members,
        ),
        _evaluation(AMPL_EVALUATION, workload, config.evaluation_episodes, seeds, device, evaluation),
    ]


def mopo_loops(workload: Workload, seeds: Sequence[int], device: str, arithmetic: Arithmetic) -> list[Loop]:
    """MOPO's: updates, dynamics, penalized rollouts, evaluation."""
    table = synthetic_table(workload.rows, device)

    def made(table: TransitionTable, where: str) -> MOPO:
        return MOPO(table, workload.mopo, seeds, surroundings(workload, where, arithmetic))

    def evaluation(where: str) -> Callable[[], object]:
        return partial(_evaluated, made(synthetic_table(workload.rows, where), where))

    mopo = made(table, device)
    model, policy, streams = mopo.rollout_model(), mopo.learner.policy, mopo.streams["rollouts"]
    length = workload.mopo.schedule.rollout_length
    roll_out(model, policy, table, mopo.buffer, length=length, paths=workload.paths, streams=streams)
    return [
        _repeated(MOPO_UPDATE, "updates", mopo.update, mopo.streams["updates"]),
        _fit("MOPO dynamics", mopo.model, table, seeds),
        _rollout(
            "MOPO rollout, penalized",
            workload,
            length,
            model,
            policy,
            table,
            mopo.buffer,
            streams,
            workload.mopo.dynamics.members,
        ),
        _evaluation(MOPO_EVALUATION, workload, workload.mopo.evaluation_episodes, seeds, device, evaluation),
    ]


def damo_loops(workload: Workload, seeds: Sequence[int], device: str, arithmetic: Arithmetic) -> list[Loop]:
    """DAMO's update; its dynamics and evaluation are MOPO's."""
    table = synthetic_table(workload.rows, device)
    damo = DAMO(table, workload.damo, seeds, surroundings(workload, device, arithmetic))
    roll_out(
        damo.rollout_model(),
        damo.rollout_policy(),
        table,
        damo.buffer,
        length=workload.damo.schedule.rollout_length,
        paths=workload.paths,
        streams=damo.streams["rollouts"],
    )
    return [_repeated("DAMO update", "updates", damo.update, damo.streams["updates"])]


def _evaluated(algorithm: AMPL | MOPO) -> list[Metrics]:
    """A whole evaluation, certificates included."""
    return [evaluation() for evaluation in algorithm.evaluations(EvaluationRequest(epoch=1))]


def _ampl_learner(workload: Workload, table: TransitionTable, seeds: Sequence[int]) -> tuple[ActorCritic, Sampler]:
    """Untrained networks, bounds far away, a full model buffer."""
    config, device = workload.ampl, table.rows.device
    sizes = (OBSERVATION_SIZE, ACTION_SIZE)
    far = torch.tensor(1e6, device=device)
    model = EnsembleDynamics(
        *sizes,
        config.dynamics,
        seeds,
        termination=never,
        state_bound=far.expand(OBSERVATION_SIZE),
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
    buffer = ModelBuffer(len(seeds), workload.model_rows, table.layout, device)
    buffer.append(table.sample(workload.model_rows, streams))
    sampler = Sampler(
        table=table,
        buffer=buffer,
        policy=learner.policy,
        streams=streams,
        batch_size=config.batch_size,
        elites=config.dynamics.elites,
        second_pair_only=config.regularizer.second_pair_only,
    )
    return learner, sampler


def _repeated(name: str, unit: str, step: Callable[[], None], streams: SeedStreams, *, units: int = 1) -> Loop:
    """A step that training repeats by a `Repetition`."""

    def observed(count: int) -> None:
        for _ in range(count):
            step()

    repetition = Repetition(step, [streams], streams.device)
    return Loop(name=name, unit=unit, seeds=len(streams), units=units, run=repetition.run, observed=observed)


def _fit(name: str, model: EnsembleDynamics, table: TransitionTable, seeds: Sequence[int]) -> Loop:
    """Steps of a fit of the model, each member on its own batch."""
    rows = model.standardization.fit(table, targets=model.config.standardizes_targets)
    streams = SeedStreams(seeds, "model", table.rows.device)

    def run(count: int) -> None:
        model.network.config = replace(model.config, steps_per_look=count, max_steps=count, holdout_limit=1)
        fit_network(model.network, rows, None, streams, LikelihoodLoss())

    return Loop(name=name, unit="steps", seeds=len(seeds), units=1, run=run, observed=run, surrounded=True)


def _rollout(
    name: str,
    workload: Workload,
    length: int,
    model: Model,
    policy: StackedPolicy,
    table: TransitionTable,
    buffer: ModelBuffer,
    streams: SeedStreams,
    members: int,
) -> Loop:
    """Whole rollouts of a model with so many members, of which an epoch has one or more."""
    chunk = paths_at_once(streams.device, len(streams) * members)

    def run(count: int) -> None:
        for _ in range(count):
            roll_out(model, policy, table, buffer, length=length, paths=workload.paths, streams=streams, chunk=chunk)

    units = workload.paths * length
    return Loop(name=name, unit="transitions", seeds=len(streams), units=units, run=run, observed=run)


def _evaluation(
    name: str,
    workload: Workload,
    episodes: int,
    seeds: Sequence[int],
    device: str,
    make: Callable[[str], Callable[[], object]],
) -> Loop:
    """Whole evaluations; the simulator and the policies, which act in numpy, have products that are not counted.

    Part of an evaluation may be recorded on a GPU and would be seen there only once: a second one on the CPU, where
    nothing is, is observed instead.

    Args:
        name: for people.
        workload: counts.
        episodes: of a seed.
        seeds: stacked.
        device: where it is timed.
        make: an evaluation on a device.
    """
    timed = make(device)
    watched = timed if device == "cpu" else make("cpu")

    def repeated(evaluate: Callable[[], object]) -> Callable[[int], None]:
        def run(count: int) -> None:
            for _ in range(count):
                evaluate()

        return run

    return Loop(
        name=name,
        unit="simulator steps",
        seeds=len(seeds),
        units=episodes * workload.episode_steps,
        run=repeated(timed),
        observed=repeated(watched),
    )
