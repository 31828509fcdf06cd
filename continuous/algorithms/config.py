"""What the settings of every model-based algorithm have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from ampl.errors import InvalidArgumentError, check_at_least
from ampl.interfaces import Algorithm
from ampl.scale import Scale
from continuous.algorithms.schedule import Schedule
from continuous.algorithms.surroundings import Surroundings
from continuous.data.transitions import TransitionMode
from continuous.model.network import DynamicsConfig
from continuous.replay.buffers import TransitionTable

if TYPE_CHECKING:
    from continuous.data.dataset import DeviceDataset
    from continuous.tasks.registry import Task


@dataclass(frozen=True, kw_only=True)
class ModelBasedConfig(ABC):
    """Hyperparameters of a model-based algorithm."""

    dynamics: DynamicsConfig = field(default_factory=DynamicsConfig)
    schedule: Schedule = field(default_factory=Schedule)
    transitions: TransitionMode = TransitionMode.EXACT  # which rows of the data; see continuous.data.transitions
    largest_state: float | None = None  # paths of the model end where any |s'_i| reaches it; OfflineRL-Kit: 100
    evaluation_episodes: int = 10

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_at_least("evaluation_episodes", self.evaluation_episodes, 1)

    @abstractmethod
    def build(self, dataset: DeviceDataset, task: Task, seeds: Sequence[int], surroundings: Surroundings) -> Algorithm:
        """The algorithm with these settings, a `continuous.algorithms.model_based.ModelBased`.

        Args:
            dataset: of the task, on the device that trains.
            task: what it is trained on.
            seeds: trained side by side.
            surroundings: of the task and the machine.
        """

    def check_task(self, task: Task) -> None:  # noqa: B027
        """Raises InvalidArgumentError where these settings need what the task does not have."""

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


def table_of(dataset: DeviceDataset, *, episode_starts: bool = False) -> TransitionTable:
    """The data with its own rewards.

    Args:
        dataset: N transitions.
        episode_starts: whether start states are where the data's episodes begin, or all of its states.
    """
    return TransitionTable.from_columns(
        state=dataset.state,
        action=dataset.action,
        reward=dataset.reward,
        next_state=dataset.next_state,
        terminal=dataset.terminal,
        start_state=dataset.start_state if episode_starts else dataset.state,
    )
