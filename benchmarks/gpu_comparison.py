"""Recorded steps (CUDA graphs) against eager ones: how far apart from equal states, and how much faster.

Parts of `benchmarks.gpu`. On a CPU nothing is recorded: all differences are zero and all ratios about one. Parameters
are compared after the first recorded step, which shows a wrong recording, and after some: rounding that differs between
two runs is enlarged by every step of Adam. How much, the same eager steps show when they are made twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias
from unittest.mock import patch

import torch

from benchmarks.ampl_steps import WHAT, Step, learner_and_sampler, our_steps, synthetic_data
from continuous import dynamics_fit
from continuous.certificates import ModelReturns
from continuous.damo import DAMO, DAMOConfig
from continuous.damo_learner import DAMOLearnerConfig
from continuous.dynamics import EnsembleDynamics
from continuous.evaluation import Evaluator
from continuous.model_based import ModelBased, Surroundings
from continuous.mopo import MOPO, MOPOConfig
from continuous.q_moment import QMomentConfig
from continuous.repetition import WARM_UP, Repetition
from continuous.replay import TransitionTable
from continuous.streams import SeedStreams
from continuous.termination import never

FIRST, ALL = WARM_UP + 1, 20  # steps: as many as warm up and one that is recorded; and ten recorded at once besides
TOLERANCE = 1e-4  # between parameters, relative to their largest,
NOISE = 10.0  # or times what eager ones differ by among themselves
PAIR = (0, 1)  # seeds of a comparison
FILL = 125_000  # transitions of the model buffers
FIT_STEPS = 2000  # of the model in one timing, so that recording them once, as a fit does, counts little
ROUNDS = 3
Row: TypeAlias = dict[str, Any]
Item: TypeAlias = Callable[[], Iterator[Row]]


def differences(device: str, *, quick: bool) -> Mapping[str, Item]:
    """By what is repeated, its comparison; a quick one has fewer steps."""
    made: dict[str, Callable[..., torch.Tensor]] = {
        "iterations": trained_iterations,
        "dynamics steps": fitted,
        "weight steps": trained_weights,
        "MOPO updates": updated_mopo,
        "DAMO updates": updated_damo,
        "returns in the model": returned,
    }
    return {name: partial(compare, name, make, device, FIRST if quick else ALL) for name, make in made.items()}


def compare(name: str, make: Callable[..., torch.Tensor], device: str, count: int = ALL) -> Iterator[Row]:
    """How far apart from equal states, recorded to eager and eager to eager, after the first recorded step and all."""
    row: Row = {"what": name}
    for when, steps in (("one", FIRST), ("all", count)):
        recorded, eager, again = (make(PAIR, device, steps, capture=capture) for capture in (True, False, False))
        row |= {f"after_{when}": difference(recorded, eager), f"eager_after_{when}": difference(again, eager)}
    yield row


def agrees(row: Mapping[str, Any]) -> bool:
    """Whether recorded steps do what eager ones do; what is not a number, or a text instead of it, does not."""
    allowed = (
        max(TOLERANCE, NOISE * row[f"eager_after_{when}"]) >= row[f"after_{when}"]
        for when in ("one", "all")
        if all(isinstance(row[f"{which}after_{when}"], float) for which in ("", "eager_"))
    )
    return list(allowed) == [True, True]


def difference(first: torch.Tensor, second: torch.Tensor) -> float:
    """Largest between entries, relative to the largest entry of the second."""
    return float((first - second).abs().max() / second.abs().max())


def trained_iterations(seeds: Sequence[int], device: str, count: int, *, capture: bool) -> torch.Tensor:
    """The policy's and critics' parameters after some iterations."""
    learner, sampler = learner_and_sampler(list(seeds), device)

    def pair() -> None:
        for index in range(2):
            learner.update(sampler.draw(256), trains_policy=index == 0, imitates=False)

    Repetition(pair, [sampler.streams], device, capture=capture).run(count)
    return torch.cat((learner.policy.parameters.values, learner.critic.online.parameters.values))


def fitted(seeds: Sequence[int], device: str, count: int, *, capture: bool) -> torch.Tensor:
    """The model's parameters after some steps."""
    learner, sampler = learner_and_sampler(list(seeds), device)
    fit_steps(learner.model, sampler.table, seeds, count, capture=capture)
    return learner.model.network.members.parameters.values


def fit_steps(
    model: EnsembleDynamics, table: TransitionTable, seeds: Sequence[int], count: int, *, capture: bool
) -> int:
    """Makes so many steps of the model and returns how many; a fit records them unless its `Repetition` is replaced."""
    config = replace(model.config, steps_per_look=count, max_steps=count, holdout_limit=1)
    model.network.config = config
    rows, streams = model.standardization.fit(table), SeedStreams(seeds, "model", table.rows.device)
    with patch.object(dynamics_fit, "Repetition", partial(Repetition, capture=capture)):
        dynamics_fit.fit_network(model.network, rows, None, streams, dynamics_fit.LikelihoodLoss())
    return count


def trained_weights(seeds: Sequence[int], device: str, count: int, *, capture: bool) -> torch.Tensor:
    """The weight network's parameters after some steps."""
    learner, sampler = learner_and_sampler(list(seeds), device)
    table, streams = sampler.table, SeedStreams(seeds, "weights", device)
    estimator = QMomentConfig(learning_rate=1e-3).build(
        table.observation_size, table.action_size, seeds, learner.model, device
    )
    step = estimator.start(table, learner.policy, learner.critic, streams)
    Repetition(step, [streams], device, capture=capture).run(count)
    return estimator.network.parameters.values


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
        owner.learner.policy.best_action,
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

    def evaluator(episodes: int, discount: float) -> Evaluator:
        raise AssertionError("a comparison of steps evaluates nothing")

    columns = {name: torch.from_numpy(column).to(device) for name, column in synthetic_data().items()}
    columns["terminal"] = columns["terminal"] > 0.0
    surroundings = Surroundings(
        termination=never, evaluator=evaluator, score=lambda evaluation: {}, episode_limit=1000, description={}
    )
    return TransitionTable.from_columns(**columns), surroundings


def rates(device: str, *, quick: bool) -> Mapping[str, Item]:
    """By the number of stacked seeds, the rates of AMPL's inner steps; quick ones are of one seed and few steps."""
    stacks, rounds, count = ((1,), 1, 20) if quick else ((1, 5), ROUNDS, FIT_STEPS)
    return {f"{seeds} stacked": partial(rates_of, range(seeds), device, rounds, count) for seeds in stacks}


def rates_of(seeds: Sequence[int], device: str, rounds: int, fit_count: int) -> Iterator[Row]:
    """Steps a second, times seeds; ratios are of recorded to eager. Rollouts are never recorded."""
    eager: dict[str, float] = {}
    for capture in (False, True):
        learner, sampler = learner_and_sampler(list(seeds), device)
        count = fit_count if capture else max(1, fit_count // 8)  # eager ones have nothing to record
        fit = partial(fit_steps, learner.model, sampler.table, seeds, count, capture=capture)
        steps = our_steps(list(seeds), device, capture=capture) | {"dynamics steps": fit}
        for what in WHAT:
            if capture and what == "rollout transitions":
                continue
            best = len(seeds) * max([_per_second(steps[what], device) for _ in range(rounds + 1)][1:])
            ratio = {"ratio": best / eager[what]} if capture else {}
            yield {"what": what, "seeds": len(seeds), "recorded": capture, "per_second": best, **ratio}
            eager.setdefault(what, best)


def _per_second(step: Step, device: str) -> float:
    """Steps a second, until the device has finished them."""
    start = time.perf_counter()
    done = step()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return done / (time.perf_counter() - start)


def _updated(owner: ModelBased[Any], count: int, capture: bool) -> torch.Tensor:
    streams = owner.streams["updates"]
    owner.buffer.append(owner.table.sample(FILL, streams))
    Repetition(owner.update, [streams], streams.device, capture=capture).run(count)
    return torch.cat((owner.learner.policy.parameters.values, owner.learner.critic_online.parameters.values))
