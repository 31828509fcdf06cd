"""How much smaller than published a run is."""

from __future__ import annotations

from dataclasses import dataclass

from ampl.errors import check_at_least


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The counts of a run that a small machine may want smaller; None: as published.

    Attributes:
        epochs: epochs of the whole run, >= 1; a schedule in epochs (warm start, retraining) shrinks in proportion.
        steps_per_epoch: updates of critics and policy in an epoch, >= 1.
        weight_steps: updates in each estimation of the weights, >= 1.
    """

    epochs: int | None = None
    steps_per_epoch: int | None = None
    weight_steps: int | None = None

    def __post_init__(self) -> None:
        """Raises InvalidArgumentError, in the words of the command line, for a count below one."""
        for option, count in (
            ("--epochs", self.epochs),
            ("--steps-per-epoch", self.steps_per_epoch),
            ("--miw-steps", self.weight_steps),
        ):
            if count is not None:
                check_at_least(option, count, 1, "A run of zero epochs or steps trains nothing.")


AS_PUBLISHED = Scale()
