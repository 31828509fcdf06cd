"""The settings that every algorithm has: how many updates on which data; and those of every model-based one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from ampl.errors import InvalidArgumentError, check_at_least, check_fraction, check_positive
from ampl.scale import Scale
from continuous.model.network import DynamicsConfig
from continuous.tasks.registry import Family, Task, TransitionMode


@dataclass(frozen=True, kw_only=True)
class UpdateSchedule:
    """How many updates there are."""

    epochs: int = 1000  # after each, metrics are recorded
    steps_per_epoch: int = 1000  # updates in an epoch
    batch_size: int = 256  # rows of an update

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("epochs", "steps_per_epoch", "batch_size"):
            check_at_least(name, getattr(self, name), 1)

    def scaled(self, *, epochs: int | None = None, steps_per_epoch: int | None = None) -> Self:
        """The same with other counts of epochs and updates.

        Raises:
            InvalidArgumentError: a count below one.
        """
        return replace(
            self,
            epochs=self.epochs if epochs is None else epochs,
            steps_per_epoch=self.steps_per_epoch if steps_per_epoch is None else steps_per_epoch,
        )


@dataclass(frozen=True, kw_only=True)
class OfflineConfig:
    """Hyperparameters of any algorithm; as they are here, of one without a model."""

    schedule: UpdateSchedule = field(default_factory=UpdateSchedule)
    transitions: TransitionMode = TransitionMode.EXACT  # exact: as D4RL's loader; model: only steps that were made
    evaluation_episodes: int = 10  # of each evaluation

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_at_least("evaluation_episodes", self.evaluation_episodes, 1)

    @property
    def steps_unit(self) -> int:
        """What an epoch's updates are a multiple of."""
        return 1

    def check_whole_epochs(self) -> None:
        """Raises:
        InvalidArgumentError: an epoch's updates are no multiple of `steps_unit`. Both can be asked for, one after the
            other, so that neither alone is refused.
        """
        steps, unit = self.schedule.steps_per_epoch, self.steps_unit
        if steps % unit:
            raise InvalidArgumentError(
                f"steps_per_epoch is {steps}; expected a multiple of {unit}, so that rollouts and updates of the "
                f"policy divide an epoch evenly. Use --steps-per-epoch {max(1, round(steps / unit)) * unit}."
            )

    @property
    def needs_true_step(self) -> bool:
        """Whether training asks the simulator for next states, as an ablation of MOPO does."""
        return False

    def scaled(self, scale: Scale) -> Self:
        """The same settings with other counts of epochs and updates.

        Raises:
            InvalidArgumentError: a scale that the schedule cannot take, or steps of what is never done.
        """
        if scale.weight_steps is not None:
            raise InvalidArgumentError("--miw-steps is given; only AMPL estimates importance weights. Leave it out.")
        if scale.model_steps is not None:
            raise InvalidArgumentError("--model-steps is given to an algorithm that fits no model. Leave it out.")
        return replace(self, schedule=self.schedule.scaled(epochs=scale.epochs, steps_per_epoch=scale.steps_per_epoch))

    def scale_note(self, published: Self) -> str:
        """How much shorter than published a run is."""
        before, after = published.schedule, self.schedule
        epochs = "epoch" if after.epochs == 1 else "epochs"
        return (
            f"scaled: {after.epochs} {epochs} of {after.steps_per_epoch} steps instead of {before.epochs} of "
            f"{before.steps_per_epoch}"
        )


@dataclass(frozen=True, kw_only=True)
class Schedule(UpdateSchedule):
    """When a model-based algorithm does what: in every epoch rollouts, each followed by its share of the updates.

    The defaults are MOPO's code.
    """

    starts_per_step: int = 50  # states that rollouts start from, for each update: 50,000 an epoch
    rollout_length: int = 5  # h, model steps
    retained_epochs: int = 5  # of model transitions
    real_fraction: float = 0.05  # f: share of a batch that comes from the data, rounded down to rows

    rollouts_per_epoch: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        for name in ("starts_per_step", "rollout_length", "retained_epochs"):
            check_at_least(name, getattr(self, name), 1)
        check_fraction("real_fraction", self.real_fraction)

    @property
    def rollout_period(self) -> int:
        """Updates between two rollouts."""
        return self.steps_per_epoch // self.rollouts_per_epoch

    @property
    def paths(self) -> int:
        """Paths of one rollout."""
        return self.starts_per_step * self.rollout_period

    @property
    def buffer_capacity(self) -> int:
        """Model transitions kept."""
        return self.starts_per_step * self.steps_per_epoch * self.rollout_length * self.retained_epochs

    def real_rows(self, epoch: int) -> int:
        """How many rows of a batch come from the data in `epoch`, which counts from 1; the others are the model's."""
        return int(self.real_fraction * self.batch_size + 1e-9)

    def rolls_out(self, epoch: int) -> bool:
        """Whether the model is rolled out in `epoch`."""
        return True


@dataclass(frozen=True, kw_only=True)
class ModelBasedConfig(OfflineConfig):
    """Hyperparameters of a model-based algorithm."""

    dynamics: DynamicsConfig = field(default_factory=DynamicsConfig)
    schedule: Schedule = field(default_factory=Schedule)
    largest_state: float | None = None  # paths of the model end where any |s'_i| reaches it; OfflineRL-Kit: 100

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        if self.largest_state is not None:
            check_positive("largest_state", self.largest_state, "None: no bound.")

    def scaled(self, scale: Scale) -> Self:
        """The same settings with other counts of epochs and updates, of the model's fits, too."""
        scaled = super().scaled(replace(scale, model_steps=None))
        return replace(scaled, dynamics=self.dynamics.limited(scale.model_steps))

    def scale_note(self, published: Self) -> str:
        """How much shorter than published a run is, the model's fits included."""
        line = super().scale_note(published)
        if self.dynamics.max_steps < published.dynamics.max_steps:
            line += f", at most {self.dynamics.max_steps:,} steps in each fit of the model"
        return line


def published_transitions(task: Task) -> TransitionMode:
    """For codes that read data by D4RL's loader: as it does, but every step of data of a user's own."""
    return TransitionMode.MODEL if task.family is Family.OWN else TransitionMode.EXACT


def small_settings(config: OfflineConfig, steps_per_epoch: int = 100) -> dict[str, Any]:
    """Our own settings for the tasks lqr-...: small models, short epochs, exact next states, many cheap episodes."""
    small: dict[str, Any] = {
        "schedule": replace(config.schedule, epochs=20, steps_per_epoch=steps_per_epoch),
        "transitions": TransitionMode.MODEL,
        "evaluation_episodes": 100,
    }
    if isinstance(config, ModelBasedConfig):
        small["dynamics"] = replace(
            config.dynamics, hidden=64, layers=2, weight_decay=(0.0, 0.0), head_weight_decay=0.0, max_steps=1500
        )
    return small


def recorded_fields(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a dataclass without others in it, from what config.json has of it."""
    values = {name: value for name, value in recorded.items() if name != "kind"}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


OWN_SETTINGS = "{task} is this project's own task, and so are its settings"
"""The note of a run on a task lqr-..."""


def unchanged_settings(**values: tuple[float, float]) -> str:
    """Those of a task's settings that the user left as they are, for a note: "h = 5 and beta = 0.5 are"; or nothing.

    Args:
        values: by name, what a setting is and what it would be.
    """
    kept = [f"{name} = {value:g}" for name, (value, ours) in values.items() if value == ours]
    return f"{' and '.join(kept)} {'are' if len(kept) > 1 else 'is'}" if kept else ""
