"""HIV treatment with continuous doses: what a step costs, what is seen, and where episodes start.

Two tasks. `HivConfig()` is that of Ernst et al. 2006 (steps of 5 days, costs 0.1, 20000, 2000 and reward 1000, start at
the unhealthy steady state), with doses in between. `HivConfig.mopo()` is what MOPO's experiment most likely ran: its
text says only that whynot's simulator was slightly modified, but the public code of one of its authors has such an
environment beside MOPO's other tasks. There a step is 1 day, an episode 400 steps from an early infection without
randomness, the second drug costs 20000 (as in whynot), doses are continuous, the observation is the logarithm of all
six concentrations, and the reward is multiplied by 1e-6.

Reconstructed, where no source has a value: the spread of the start states around the unhealthy one, its horizon of 200
steps (1000 days), and the scale 1e-6 of the reward also there. The model of the infection is that of Adams et al. in
both tasks; an early version of whynot had the sign of one term of the immune response reversed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import Any

import numpy as np

from ampl.errors import InvalidArgumentError, InvalidShapeError, check_at_least
from continuous.environments.hiv.dynamics import (
    EARLY_INFECTION,
    MAX_EFFICACY,
    UNHEALTHY,
    Floats,
    HivParameters,
    IntegrationConfig,
    check_positive,
)

OBSERVATION_SIZE, ACTION_SIZE = 6, 2


class Observation(Enum):
    """What the agent sees of T1, T2, T1*, T2*, V, E; logarithms are natural."""

    LOG_ALL = "logarithms of all six"  # what the public code does; entries within about -10 to 15
    LOG_CELLS = "logarithms of the four cell counts, then V and E as they are"  # MOPO's text, read literally


@dataclass(frozen=True, kw_only=True)
class HivConfig:
    """The task; the defaults are explained at the top of this file.

    `reward_scale` changes no policy's rank. Drugs cost their squared efficacy.
    """

    parameters: HivParameters = field(default_factory=HivParameters)
    integration: IntegrationConfig = field(default_factory=IntegrationConfig)
    step_days: float = 5.0  # > 0, days between decisions
    horizon: int = 200  # >= 1, steps until an episode is cut
    start: tuple[float, ...] = UNHEALTHY  # middle of the start states, six concentrations > 0
    start_spread: float = 0.1  # >= 0; each concentration is multiplied by exp(uniform(-spread, spread))
    virus_cost: float = 0.1  # Q, per copy / ml
    first_drug_cost: float = 20000.0  # R1, at efficacy 1
    second_drug_cost: float = 2000.0  # R2, at efficacy 1; 20000 in whynot
    immune_reward: float = 1000.0  # S, per cell / ml
    reward_scale: float = 1e-6  # > 0; Ernst et al.: 1
    observation: Observation = Observation.LOG_ALL

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("step_days", "reward_scale"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0.0):
                raise InvalidArgumentError(f"{name} is {value!r}; expected a finite number > 0.")
        for name in ("start_spread", "virus_cost", "first_drug_cost", "second_drug_cost", "immune_reward"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0.0):
                raise InvalidArgumentError(f"{name} is {value!r}; expected a finite number >= 0.")
        check_at_least("horizon", self.horizon, 1, "An episode needs steps.")
        check_positive(self.start, "start")

    @classmethod
    def mopo(cls) -> HivConfig:
        """The task MOPO most likely ran; its text does not confirm it.

        Source: public code of an author of MOPO, gwthomas/force, env/whynot/hiv.py and env/util.py (400 steps); whynot,
        simulators/hiv (the start state).
        """
        return cls(step_days=1.0, horizon=400, start=EARLY_INFECTION, start_spread=0.0, second_drug_cost=20000.0)


def treatment_reward(state: Sequence[float] | Floats, efficacy: Sequence[float] | Floats, config: HivConfig) -> Any:
    """-(Q V + R1 efficacy_1^2 + R2 efficacy_2^2 - S E), times the scale: [...], or one number.

    Args:
        state: concentrations after the step, [..., 6].
        efficacy: of the drugs during the step, [..., 2].
        config: costs and scale.

    Source: Ernst et al. 2006, the reward; Adams et al. 2004, the cost functional.
    """
    concentrations, drugs = np.asarray(state), np.asarray(efficacy)
    virus, immune = concentrations[..., 4], concentrations[..., 5]
    first, second = drugs[..., 0], drugs[..., 1]
    cost = config.virus_cost * virus + config.first_drug_cost * first**2 + config.second_drug_cost * second**2
    return -config.reward_scale * (cost - config.immune_reward * immune)


def draw_start(config: HivConfig, generator: np.random.Generator) -> Floats:
    """A start state near `config.start`, [6]."""
    spread = config.start_spread
    start: Floats = np.array(config.start) * np.exp(generator.uniform(-spread, spread, size=OBSERVATION_SIZE))
    return start


def action_to_efficacy(action: Any) -> Floats:
    """Efficacies of the drugs, [2], for an action, [2]; entries outside [-1, 1] are clipped.

    Raises:
        InvalidShapeError: not two numbers.
        InvalidArgumentError: not finite.
    """
    doses = np.asarray(action, dtype=np.float64)
    if doses.shape != (ACTION_SIZE,):
        raise InvalidShapeError(f"action has shape {list(doses.shape)}; expected [{ACTION_SIZE}].")
    if not np.isfinite(doses).all():
        raise InvalidArgumentError(f"action is {doses.tolist()}; expected finite numbers.")
    return clipped_efficacy(doses)


def clipped_efficacy(actions: Floats) -> Floats:
    """The same for many actions of doubles, [..., 2], unchecked."""
    efficacy: Floats = (np.clip(actions, -1.0, 1.0) + 1.0) / 2.0 * np.array(MAX_EFFICACY)
    return efficacy


def observe(state: Floats, observation: Observation) -> Floats:
    """What the agent sees of states, [..., 6]; a concentration below 1e-12 counts as 1e-12 in its logarithm."""
    seen: Floats = np.log(np.maximum(state, 1e-12))
    if observation is Observation.LOG_CELLS:
        seen[..., 4:] = state[..., 4:]
    return seen
