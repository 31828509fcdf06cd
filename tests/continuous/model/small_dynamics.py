"""A small ensemble, and transitions that it can learn."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from continuous.model.ensemble import DynamicsConfig, EnsembleDynamics, reward_bound, state_bound
from continuous.model.network import DynamicsNetwork, Standardization
from continuous.networks.streams import cpu_generator
from continuous.replay.buffers import TransitionTable
from continuous.tasks.termination import never, of_next_state

SMALL = DynamicsConfig(
    members=4, elites=3, hidden=8, layers=2, weight_decay=(1e-5, 1e-4), batch_size=16, steps_per_look=10, patience=2
)


def linear_table(n_transitions: int = 300, size: int = 3, actions: int = 2) -> TransitionTable:
    """Transitions of s' = s + 0.1 a_1 with noise, of reward a_1."""
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(n_transitions, size, generator=generator)
    action = torch.rand(n_transitions, actions, generator=generator) * 2.0 - 1.0
    noise = 0.01 * torch.randn(n_transitions, size, generator=generator)
    return TransitionTable(
        state=state,
        action=action,
        reward=action[:, 0],
        next_state=state + 0.1 * action[:, :1] + noise,
        terminal=torch.zeros(n_transitions, dtype=torch.bool),
        start_state=state[:5],
    )


def build(
    seeds: Sequence[int], config: DynamicsConfig = SMALL, table: TransitionTable | None = None
) -> EnsembleDynamics:
    table = table or linear_table()
    return EnsembleDynamics(
        table.observation_size,
        table.action_size,
        config,
        seeds,
        termination=of_next_state(never),
        state_bound=state_bound(table),
        reward_bound=reward_bound(table),
    )


ROWS = Standardization(3, 2).fit(linear_table())  # [300, 5 + 4]


def small(**changes: object) -> DynamicsConfig:
    return DynamicsConfig(**{**vars(SMALL), **changes})  # type: ignore[arg-type]


def make_network(seeds: Sequence[int], config: DynamicsConfig = SMALL) -> DynamicsNetwork:
    generators = [cpu_generator(seed, f"test/{member}") for seed in seeds for member in range(config.members)]
    return DynamicsNetwork(3, 2, config, generators)
