"""A deep AMPL small enough for tests: tiny networks, synthetic data on a line, an evaluator without MuJoCo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ampl.arithmetic import DEFAULT, Arithmetic
from continuous.algorithms.ampl.ampl import AMPL
from continuous.algorithms.ampl.config import VARIANTS, AMPLConfig
from continuous.algorithms.ampl.critic import CriticConfig
from continuous.algorithms.ampl.discriminator import RegularizerConfig
from continuous.algorithms.ampl.policy import ImplicitPolicyConfig
from continuous.algorithms.ampl.schedule import AMPLSchedule
from continuous.algorithms.evaluation import TaskEvaluation
from continuous.algorithms.mopo.penalties import TrueStep
from continuous.algorithms.offline import Surroundings
from continuous.model.ensemble import DynamicsConfig
from continuous.replay.buffers import TransitionTable
from continuous.tasks.termination import Termination, never, of_next_state
from continuous.weights.q_moment import QMomentConfig
from tests.continuous.algorithms.line_task import line_evaluator, line_score

HIDDEN = (16, 12)
SCHEDULE = AMPLSchedule(start_states=50, batch_size=32, rollout_length=2).scaled(epochs=10, steps_per_epoch=8)


def line_table(rows: int = 400) -> TransitionTable:
    """A point on a line with two observed coordinates: it moves by its action and is paid for being near zero."""
    generator = torch.Generator().manual_seed(0)
    state = torch.rand(rows, 2, generator=generator) * 2.0 - 1.0
    action = torch.rand(rows, 1, generator=generator) * 2.0 - 1.0
    next_state = state + 0.1 * action + 0.01 * torch.randn(rows, 2, generator=generator)
    reward = (1.0 - state.abs().mean(1)).clamp(0.001, 1.0)
    return TransitionTable(
        state=state,
        action=action,
        reward=reward,
        next_state=next_state,
        terminal=torch.zeros(rows, dtype=torch.bool),
        start_state=torch.rand(50, 2, generator=generator) * 2.0 - 1.0,
        episode_return=reward.view(-1, 10).sum(1).repeat_interleave(10),
    )


def small_config(variant: str = "main", **changes: Any) -> AMPLConfig:
    config = AMPLConfig(
        policy=ImplicitPolicyConfig(noise_size=2, hidden=HIDDEN),
        critic=CriticConfig(hidden=HIDDEN),
        regularizer=RegularizerConfig(hidden=HIDDEN),
        dynamics=DynamicsConfig(hidden=8, steps_per_look=8, patience=2, batch_size=16, max_steps=24),
        weights=QMomentConfig(weight_power=0.5, steps=6, batch_size=32, start_batch_size=16, hidden=HIDDEN),
        schedule=SCHEDULE,
    )
    config = VARIANTS[variant](config)
    if config.weights is not None:
        config = replace(
            config, weights=replace(config.weights, steps=6, batch_size=32, start_batch_size=16, hidden=HIDDEN)
        )
    return replace(config, **changes)


def small_ampl(seeds: Sequence[int] = (0,), variant: str = "main", **changes: Any) -> AMPL:
    return AMPL(
        line_table(),
        small_config(variant, **changes),
        seeds,
        surroundings(),
    )


def surroundings(
    termination: Termination = never, arithmetic: Arithmetic = DEFAULT, true_step: TrueStep | None = None
) -> Surroundings:
    return Surroundings(
        true_step=true_step,
        termination=of_next_state(termination),
        evaluation=TaskEvaluation(line_evaluator, line_score, 20),
        description={"source": "synthetic"},
        arithmetic=arithmetic,
    )
