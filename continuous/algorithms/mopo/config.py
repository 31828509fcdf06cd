"""MOPO's settings: what there is, what each dataset has, and the variants.

Source: MOPO, Table 6 (for v0 data; "mixed" is medium-replay), MBPO's column of the same table, and the suggestions of
OfflineRL-Kit for v2 data. Tasks that neither names get h = 5 and lambda = 1, the commonest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ampl.errors import check_at_least
from continuous.algorithms.config import OWN_SETTINGS, ModelBasedConfig, small_settings, unchanged_settings
from continuous.algorithms.mopo.penalties import Penalty
from continuous.algorithms.sac.learner import KIT_LEARNER, SoftActorCriticConfig, small_learner
from continuous.model.network import DynamicsConfig, HoldoutCriterion
from continuous.tasks.registry import LOCOMOTION, Family, Task, TransitionMode

MOPO_DYNAMICS = DynamicsConfig(
    batch_size=256,
    holdout_limit=1000,
    fixed_bootstrap=True,
    steps_per_look=None,
    holdout_criterion=HoldoutCriterion.SQUARED_ERROR,
    patience=6,
    standardizes_targets=False,
)
"""MOPO's code, whose fit ends when more than five looks in a row found no improvement."""

KIT_DYNAMICS = replace(MOPO_DYNAMICS, patience=5)
"""OfflineRL-Kit's."""


@dataclass(frozen=True, kw_only=True)
class MOPOConfig(ModelBasedConfig):
    """Hyperparameters of deep MOPO."""

    penalty_weight: float  # lambda, by dataset; 0: MBPO
    penalty: Penalty = Penalty.MAX_STD  # u
    random_rollout_actions: bool = False  # uniform actions in rollouts, as for the out-of-distribution tasks
    learner: SoftActorCriticConfig = field(default_factory=SoftActorCriticConfig)
    dynamics: DynamicsConfig = MOPO_DYNAMICS

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        check_at_least("penalty_weight", self.penalty_weight, 0.0, "0 is MBPO.")

    @property
    def needs_true_step(self) -> bool:
        """For the penalty by the true error."""
        return self.penalty is Penalty.TRUE_ERROR


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What differs between datasets."""

    rollout_length: int  # h, model steps
    penalty_weight: float  # lambda


def _preset(rollout_length: int, penalty_weight: float) -> Preset:
    return Preset(rollout_length=rollout_length, penalty_weight=penalty_weight)


PAPER: Mapping[str, Preset] = {
    "halfcheetah-random": _preset(5, 0.5),
    "hopper-random": _preset(5, 1.0),
    "walker2d-random": _preset(1, 1.0),
    "halfcheetah-medium": _preset(1, 1.0),
    "hopper-medium": _preset(5, 5.0),
    "walker2d-medium": _preset(5, 5.0),
    "halfcheetah-medium-replay": _preset(5, 1.0),
    "hopper-medium-replay": _preset(5, 1.0),
    "walker2d-medium-replay": _preset(1, 1.0),
    "halfcheetah-medium-expert": _preset(5, 1.0),  # the released configuration has lambda 5
    "hopper-medium-expert": _preset(5, 1.0),
    "walker2d-medium-expert": _preset(1, 2.0),
    "halfcheetah-jump": _preset(5, 1.0),
    "ant-angle": _preset(25, 2.0),
}
"""MOPO, Table 6, and section 5.3 for the last two."""

KIT: Mapping[str, Preset] = {
    "halfcheetah-medium-v2": _preset(5, 0.5),
    "hopper-medium-v2": _preset(5, 5.0),
    "walker2d-medium-v2": _preset(5, 0.5),
    "halfcheetah-medium-replay-v2": _preset(5, 0.5),
    "hopper-medium-replay-v2": _preset(5, 2.5),
    "walker2d-medium-replay-v2": _preset(1, 2.5),
    "halfcheetah-medium-expert-v2": _preset(5, 2.5),
    "hopper-medium-expert-v2": _preset(5, 5.0),
    "walker2d-medium-expert-v2": _preset(1, 2.5),
}
"""OfflineRL-Kit's suggestions for v2 data."""

_UNIFORM = ("halfcheetah-jump", "ant-angle")
_WITHOUT_D4RL = ("hiv-treatment",)
_MBPO_LENGTHS: Mapping[str, int] = {
    name: 1 if name in ("walker2d-medium-replay", "walker2d-medium-expert") else 5
    for name in PAPER
    if name not in _UNIFORM
}
_COMMON = _preset(5, 1.0)


def main_config(task: Task) -> MOPOConfig:
    """The paper's settings of a task; transitions as D4RL's loader gives them on D4RL's tasks only."""
    name = _key(task)
    own = name in _UNIFORM or name in _WITHOUT_D4RL or task.family is Family.OWN
    config = MOPOConfig(
        penalty_weight=0.0,
        random_rollout_actions=name in _UNIFORM,
        transitions=TransitionMode.MODEL if own else TransitionMode.EXACT,
    )
    if task.family is Family.LINEAR_GAUSSIAN:
        return _small(config)
    return _with(config, _paper_preset(name))


def _small(config: MOPOConfig) -> MOPOConfig:
    """Our own, for the tasks lqr-...: a run of minutes, with small networks."""
    return replace(config, penalty_weight=1.0, learner=small_learner(config.learner), **small_settings(config))


def published_config(task: Task, variant: str) -> MOPOConfig:
    """The settings of a variant on a task, as published."""
    return VARIANTS[variant](main_config(task), task)


def preset_notes(task: Task, variant: str, config: MOPOConfig) -> list[str]:
    """One line if no source gives h and lambda of a task, on those that were not changed."""
    if task.family is Family.LINEAR_GAUSSIAN:
        return [OWN_SETTINGS.format(task=task.name)]
    source, known = ("OfflineRL-Kit", task.name in KIT) if variant == "kit" else ("MOPO", _key(task) in PAPER)
    if known:
        return []
    ours = published_config(task, variant)
    kept = unchanged_settings(
        h=(config.schedule.rollout_length, ours.schedule.rollout_length),
        **{"lambda": (config.penalty_weight, ours.penalty_weight)},
    )
    if not kept:
        return []
    origin = f"MOPO's {kept} taken" if _key(task) in PAPER else f"{kept} reconstructed"
    return [f"{source} gives no settings for {task.name}: {origin}"]


def _kit(config: MOPOConfig, task: Task) -> MOPOConfig:
    """OfflineRL-Kit's h and lambda, learner, transitions, length, and end of the model's paths.

    Tasks lqr-... keep main's h, lambda, sizes, length and learning rates.
    """
    kit = replace(
        config,
        learner=KIT_LEARNER,
        dynamics=replace(config.dynamics, patience=KIT_DYNAMICS.patience),
        transitions=TransitionMode.MODEL,
        largest_state=largest_state(task),
    )
    if task.family is Family.LINEAR_GAUSSIAN:
        rate = config.learner.temperature_learning_rate
        return replace(kit, learner=replace(small_learner(KIT_LEARNER), temperature_learning_rate=rate))
    kit = replace(kit, schedule=replace(config.schedule, epochs=3000))
    return _with(kit, KIT.get(task.name, _paper_preset(_key(task))))


def largest_state(task: Task) -> float | None:
    """Where OfflineRL-Kit ends a path of the model, whatever the robot's rule; hopper's has the bound already."""
    return 100.0 if task.family in LOCOMOTION and task.robot in ("halfcheetah", "walker2d") else None


def _mbpo(config: MOPOConfig, task: Task) -> MOPOConfig:
    """Table 6 has MBPO's h; elsewhere it takes MOPO's."""
    length = _MBPO_LENGTHS.get(_key(task), config.schedule.rollout_length)
    schedule = replace(config.schedule, rollout_length=length)
    return replace(config, penalty=Penalty.NONE, penalty_weight=0.0, schedule=schedule)


def _without_ensemble(config: MOPOConfig, task: Task) -> MOPOConfig:
    """MBPO with a single model."""
    return replace(_mbpo(config, task), dynamics=replace(config.dynamics, members=1, elites=1))


Change = Callable[[MOPOConfig, Task], MOPOConfig]
VARIANTS: Mapping[str, Change] = {
    "main": lambda config, task: config,
    "kit": _kit,
    "mbpo": _mbpo,
    "no-ensemble": _without_ensemble,
    "no-penalty": lambda config, task: replace(config, penalty=Penalty.NONE, penalty_weight=0.0),
    "mean-std": lambda config, task: replace(config, penalty=Penalty.MEAN_STD),
    "disagreement": lambda config, task: replace(config, penalty=Penalty.DISAGREEMENT),
    "true-error": lambda config, task: replace(config, penalty=Penalty.TRUE_ERROR),
}
"""The published algorithm, OfflineRL-Kit's, MBPO, and the ablations of MOPO's Table 3."""


def _with(config: MOPOConfig, preset: Preset) -> MOPOConfig:
    schedule = replace(config.schedule, rollout_length=preset.rollout_length)
    return replace(config, penalty_weight=preset.penalty_weight, schedule=schedule)


def _paper_preset(name: str) -> Preset:
    return PAPER.get(name, _COMMON)


def _key(task: Task) -> str:
    """The task's name without its version, and ant-angle without its angle."""
    if task.name.startswith("ant-angle"):
        return "ant-angle"
    stem, _, version = task.name.rpartition("-")
    return stem if version[:1] == "v" and version[1:].isdigit() else task.name
