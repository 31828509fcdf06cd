"""What the settings of every model-based algorithm have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from ampl.errors import InvalidArgumentError, check_at_least
from ampl.scale import Scale
from continuous.algorithms.schedule import Schedule
from continuous.data.transitions import TransitionMode
from continuous.model.network import DynamicsConfig


@dataclass(frozen=True, kw_only=True)
class ModelBasedConfig:
    """Hyperparameters of a model-based algorithm."""

    dynamics: DynamicsConfig = field(default_factory=DynamicsConfig)
    schedule: Schedule = field(default_factory=Schedule)
    transitions: TransitionMode = TransitionMode.EXACT  # which rows of the data; see continuous.data.transitions
    largest_state: float | None = None  # paths of the model end where any |s'_i| reaches it; OfflineRL-Kit: 100
    evaluation_episodes: int = 10

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_at_least("evaluation_episodes", self.evaluation_episodes, 1)

    def scaled(self, scale: Scale) -> Self:
        """The same settings with other counts of epochs and updates.

        Raises:
            InvalidArgumentError: a scale that the schedule cannot take, or steps of an estimation that is never made.
        """
        if scale.weight_steps is not None:
            raise InvalidArgumentError("--miw-steps is given; only AMPL estimates importance weights. Leave it out.")
        schedule = self.schedule.scaled(epochs=scale.epochs, steps_per_epoch=scale.steps_per_epoch)
        return replace(self, schedule=schedule, dynamics=self.dynamics.limited(scale.model_steps))

    def scale_note(self, published: Self) -> str:
        """How much shorter than published a run is."""
        before, after = published.schedule, self.schedule
        line = (
            f"scaled: {after.epochs} epochs of {after.steps_per_epoch} steps instead of {before.epochs} of "
            f"{before.steps_per_epoch}"
        )
        if self.dynamics.max_steps < published.dynamics.max_steps:
            line += f", at most {self.dynamics.max_steps:,} steps in each fit of the model"
        return line
