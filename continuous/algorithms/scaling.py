"""How a run shorter than published is told of."""

from __future__ import annotations

from typing import Protocol

from ampl.errors import InvalidArgumentError
from ampl.scale import Scale
from continuous.algorithms.branched_schedule import BranchedSchedule
from continuous.model.ensemble import DynamicsConfig


class Scalable(Protocol):
    """The settings of MOPO or DAMO, as far as a scale changes them."""

    @property
    def schedule(self) -> BranchedSchedule:
        """Counts of epochs and updates."""

    @property
    def dynamics(self) -> DynamicsConfig:
        """The model and its fit."""


def check_no_weight_steps(scale: Scale) -> None:
    """Raises InvalidArgumentError if steps are asked for that only the estimation of weights has."""
    if scale.weight_steps is not None:
        raise InvalidArgumentError("--miw-steps is given; only AMPL estimates importance weights. Leave it out.")


def scale_notes(published: Scalable, config: Scalable) -> list[str]:
    """One line if a run is not as long as published."""
    before, after = published.schedule, config.schedule
    if (after, config.dynamics) == (before, published.dynamics):
        return []
    line = (
        f"scaled: {after.epochs} epochs of {after.steps_per_epoch} steps instead of {before.epochs} of "
        f"{before.steps_per_epoch}"
    )
    if config.dynamics != published.dynamics:
        line += f", at most {config.dynamics.max_steps:,} steps in the fit of the model"
    return [line]
