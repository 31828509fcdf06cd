"""Recorded steps (CUDA graphs) against eager ones from equal states: how far parameters drift apart.

Part of `benchmarks.gpu`; on a CPU, where nothing is recorded, all differences are zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import torch

from benchmarks.ampl_steps import learner_and_sampler
from benchmarks.mopo_steps import FILL, synthetic_task
from continuous import dynamics_fit
from continuous.certificates import ModelReturns
from continuous.damo import DAMO, DAMOConfig
from continuous.damo_learner import DAMOLearnerConfig
from continuous.dynamics import EnsembleDynamics
from continuous.model_based import ModelBased
from continuous.mopo import MOPO, MOPOConfig
from continuous.q_moment import QMomentConfig
from continuous.repetition import Repetition
from continuous.replay import TransitionTable
from continuous.streams import SeedStreams

TOLERANCE = 1e-4  # between parameters after `COMPARED` recorded and eager steps, relative to their largest
COMPARED = 20


def agrees(differences: Mapping[str, float]) -> bool:
    """Whether all are within the tolerance; one that is not a number is not."""
    return all(difference <= TOLERANCE for difference in differences.values())


def compare(device: str) -> dict[str, float]:
    """Largest relative difference between recorded and eager steps from equal states."""
    made = {
        "iterations": trained_iterations,
        "dynamics steps": fitted,
        "weight steps": trained_weights,
        "MOPO updates": updated_mopo,
        "DAMO updates": updated_damo,
        "returns in the model": returned,
    }
    return {
        name: _difference(*(make([0, 1], device, capture=capture) for capture in (True, False)))
        for name, make in made.items()
    }


def trained_iterations(seeds: list[int], device: str, *, capture: bool) -> torch.Tensor:
    """The policy's and critics' parameters after some iterations."""
    learner, sampler = learner_and_sampler(seeds, device)

    def pair() -> None:
        for index in range(2):
            learner.update(sampler.draw(256), trains_policy=index == 0, imitates=False)

    Repetition(pair, [sampler.streams], device, capture=capture).run(COMPARED)
    return torch.cat((learner.policy.parameters.values, learner.critic.online.parameters.values))


def fitted(seeds: list[int], device: str, *, capture: bool) -> torch.Tensor:
    """The model's parameters after some steps."""
    learner, sampler = learner_and_sampler(seeds, device)
    fit_steps(learner.model, sampler.table, seeds, COMPARED, capture=capture)
    return learner.model.network.members.parameters.values


def fit_steps(model: EnsembleDynamics, table: TransitionTable, seeds: list[int], count: int, *, capture: bool) -> int:
    """Makes so many steps of the model and returns how many; a fit records them unless its `Repetition` is replaced."""
    config = replace(model.config, steps_per_epoch=count, max_steps=count, holdout_limit=1)
    model.network.config = config
    rows, streams = model.standardization.fit(table), SeedStreams(seeds, "model", table.rows.device)
    with patch.object(dynamics_fit, "Repetition", partial(Repetition, capture=capture)):
        dynamics_fit.fit_network(model.network, rows, None, streams, dynamics_fit.LikelihoodLoss())
    return count


def trained_weights(seeds: list[int], device: str, *, capture: bool) -> torch.Tensor:
    """The weight network's parameters after some steps."""
    learner, sampler = learner_and_sampler(seeds, device)
    table, streams = sampler.table, SeedStreams(seeds, "weights", device)
    estimator = QMomentConfig(learning_rate=1e-3).build(
        table.observation_size, table.action_size, seeds, learner.model, device
    )
    step = estimator.start(table, learner.policy, learner.critic, streams)
    Repetition(step, [streams], device, capture=capture).run(COMPARED)
    return estimator.network.parameters.values


def updated_mopo(seeds: list[int], device: str, *, capture: bool) -> torch.Tensor:
    """MOPO's parameters after some updates."""
    return _updated(mopo(seeds, device), capture)


def updated_damo(seeds: list[int], device: str, *, capture: bool) -> torch.Tensor:
    """DAMO's policy and critics after some updates."""
    table, around = synthetic_task(device)
    damo = DAMO(table, DAMOConfig(learner=DAMOLearnerConfig(alpha=1.0)), seeds, around)
    return _updated(damo, capture)


def returned(seeds: list[int], device: str, *, capture: bool) -> torch.Tensor:
    """Certificates of an untrained MOPO: returns and penalties in its model."""
    owner = mopo(seeds, device)
    returns = ModelReturns(
        owner.charged_step,
        owner.learner.policy.best_action,
        data=owner.table.state,
        discount=owner.learner.discount,
        limit=COMPARED,
        seeds=seeds,
        capture=capture,
    )
    starts = owner.table.state[:10].expand(len(seeds), -1, -1)
    first, again = (torch.stack(list(returns(starts).values())) for _ in range(2))
    return torch.cat((first, again))  # the second time from the same random numbers


def mopo(seeds: list[int], device: str) -> MOPO:
    """Untrained, on synthetic data."""
    table, around = synthetic_task(device)
    owner = MOPO(table, MOPOConfig(penalty_weight=1.0), seeds, around)
    owner.model.standardization.fit(table, targets=False)
    return owner


def _updated(owner: ModelBased, capture: bool) -> torch.Tensor:  # type: ignore[type-arg]
    streams = owner.streams["updates"]
    owner.buffer.append(owner.table.sample(FILL, streams))
    Repetition(owner.update, [streams], streams.device, capture=capture).run(COMPARED)
    return torch.cat((owner.learner.policy.parameters.values, owner.learner.critic_online.parameters.values))


def _difference(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).abs().max() / second.abs().max())
