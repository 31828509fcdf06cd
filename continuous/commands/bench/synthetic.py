"""What a training has around it, made up: data that never ends, and evaluations whose episodes all have every step."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ampl.arithmetic import Arithmetic
from continuous.algorithms.surroundings import Surroundings
from continuous.commands.bench.workload import ACTION_SIZE, OBSERVATION_SIZE, Workload
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion.robots import Hopper
from continuous.environments.robot import Flags, Snapshot
from continuous.evaluation.evaluator import Evaluator
from continuous.replay.buffers import TransitionTable
from continuous.tasks.termination import never


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


class EndlessHopper(Hopper):
    """Hopper whose episodes go on after a fall: every episode has all its steps, as those of a good policy."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.episode_limit = steps

    def terminated(self, snapshot: Snapshot) -> Flags:
        """Computed, then ignored."""
        return super().terminated(snapshot) & False


def surroundings(workload: Workload, device: str, arithmetic: Arithmetic) -> Surroundings:
    """What MOPO and DAMO have around them."""
    return Surroundings(
        termination=never,
        evaluator=evaluators(workload, arithmetic.threads),
        score=lambda evaluation: {},
        episode_limit=workload.episode_steps,
        description={},
        arithmetic=arithmetic,
    )


def evaluators(workload: Workload, threads: int) -> Callable[..., Evaluator]:
    """Makes evaluators for a number of episodes, which share one simulator."""
    simulator = BatchSimulator(EndlessHopper(workload.episode_steps), threads)
    return lambda episodes, discount=1.0: Evaluator(simulator, episodes=episodes, discount=discount)
