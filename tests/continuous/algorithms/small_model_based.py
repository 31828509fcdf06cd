"""Deep model-based algorithms small enough for tests: tiny networks, synthetic data, an evaluator without MuJoCo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from continuous.algorithms.combo.combo import COMBO
from continuous.algorithms.combo.config import VARIANTS as COMBO_VARIANTS
from continuous.algorithms.combo.config import COMBOConfig
from continuous.algorithms.config import Schedule
from continuous.algorithms.cql.learner import ConservativeConfig
from continuous.algorithms.damo.classifier import ClassifierConfig
from continuous.algorithms.damo.config import VARIANTS as DAMO_VARIANTS
from continuous.algorithms.damo.config import DAMOConfig
from continuous.algorithms.damo.damo import DAMO
from continuous.algorithms.damo.learner import DAMOLearnerConfig
from continuous.algorithms.mobile.config import MOBILEConfig
from continuous.algorithms.mobile.learner import MOBILELearnerConfig
from continuous.algorithms.mobile.mobile import MOBILE
from continuous.algorithms.mopo.config import VARIANTS as MOPO_VARIANTS
from continuous.algorithms.mopo.config import MOPOConfig
from continuous.algorithms.mopo.mopo import MOPO
from continuous.algorithms.mopo.penalties import Penalty
from continuous.algorithms.morel.config import VARIANTS as MOREL_VARIANTS
from continuous.algorithms.morel.config import MOReLConfig
from continuous.algorithms.morel.morel import MOReL
from continuous.algorithms.rambo.config import VARIANTS as RAMBO_VARIANTS
from continuous.algorithms.rambo.config import RAMBOConfig
from continuous.algorithms.rambo.rambo import RAMBO
from continuous.algorithms.sac.learner import SoftActorCriticConfig
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.model.ensemble import DynamicsConfig
from continuous.replay.buffers import TransitionTable
from continuous.tasks.find import find_task
from continuous.tasks.registry import TransitionMode
from tests.continuous.algorithms.small_ampl import line_table, surroundings

SAC = SoftActorCriticConfig(hidden=(12,), policy=SquashedGaussianConfig(hidden=(12,)))
DYNAMICS = DynamicsConfig(
    members=3, elites=2, hidden=8, steps_per_look=8, patience=2, batch_size=16, standardizes_targets=False
)
SCHEDULE = Schedule(epochs=10, steps_per_epoch=6, starts_per_step=5, rollout_length=3, retained_epochs=2, batch_size=32)


def mopo_config(variant: str = "main") -> MOPOConfig:
    config = MOPOConfig(
        penalty_weight=0.5,
        penalty=Penalty.MAX_STD,
        learner=SAC,
        transitions=TransitionMode.MODEL,  # as the others, which take its models
        dynamics=DYNAMICS,
        schedule=SCHEDULE,
    )
    changed = MOPO_VARIANTS[variant](config, find_task("hopper-medium-v2"))
    return replace(changed, learner=SAC, schedule=SCHEDULE, dynamics=replace(changed.dynamics, hidden=8))


def damo_config(variant: str = "main") -> DAMOConfig:
    learner = DAMOLearnerConfig(alpha=0.5, classifier=ClassifierConfig(hidden=(12,)), learner=SAC)
    return DAMO_VARIANTS[variant](DAMOConfig(learner=learner, dynamics=DYNAMICS, schedule=SCHEDULE))


def small_mopo(
    seeds: Sequence[int] = (0,), variant: str = "main", table: TransitionTable | None = None, **around: Any
) -> MOPO:
    return MOPO(table or line_table(), mopo_config(variant), seeds, surroundings(**around, true_step=true_line_step))


def true_line_step(state: Tensor, action: Tensor) -> Tensor:
    """How the point of `line_table` moves on average."""
    return state + 0.1 * action


def small_damo(seeds: Sequence[int] = (0,), variant: str = "main") -> DAMO:
    return DAMO(line_table(), damo_config(variant), seeds, surroundings())


def small_combo(seeds: Sequence[int] = (0,), variant: str = "main") -> COMBO:
    learner = ConservativeConfig(conservative_weight=0.5, sampled_actions=2, hidden=SAC.hidden, policy=SAC.policy)
    config = COMBOConfig(learner=learner, dynamics=DYNAMICS, schedule=replace(SCHEDULE, real_fraction=0.5))
    return COMBO(line_table(), COMBO_VARIANTS[variant](config), seeds, surroundings())


def small_rambo(seeds: Sequence[int] = (0,), variant: str = "main") -> RAMBO:
    schedule = replace(SCHEDULE, real_fraction=0.5)
    config = RAMBOConfig(adversary_weight=0.1, cloning_steps=4, learner=SAC, dynamics=DYNAMICS, schedule=schedule)
    return RAMBO(line_table(), RAMBO_VARIANTS[variant](config), seeds, surroundings())


def small_mobile(seeds: Sequence[int] = (0,), variant: str = "main") -> MOBILE:
    learner = MOBILELearnerConfig(**vars(SAC))
    config = MOBILEConfig(penalty_weight=0.5, sampled_states=3, learner=learner, dynamics=DYNAMICS, schedule=SCHEDULE)
    return MOBILE(line_table(), config, seeds, surroundings())


def small_morel(seeds: Sequence[int] = (0,), variant: str = "main") -> MOReL:
    config = MOReLConfig(threshold_coefficient=1.0, halt_cost=2.0, learner=SAC, dynamics=DYNAMICS, schedule=SCHEDULE)
    return MOReL(line_table(), MOREL_VARIANTS[variant](config), seeds, surroundings())


BUILDERS = {
    "mopo": small_mopo,
    "damo": small_damo,
    "combo": small_combo,
    "rambo": small_rambo,
    "mobile": small_mobile,
    "morel": small_morel,
}
"""By name."""
