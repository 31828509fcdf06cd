"""When a Dyna-style algorithm (MOPO, MBPO, DAMO) does what: one large rollout an epoch, then its updates."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ampl.errors import check_at_least, check_fraction


@dataclass(frozen=True, kw_only=True)
class BranchedSchedule:
    """Counts of epochs, updates and transitions; the defaults are MOPO's code."""

    epochs: int = 1000
    steps_per_epoch: int = 1000  # updates in an epoch
    starts_per_step: int = 50  # states that rollouts start from, for each update: 50,000 an epoch
    rollout_length: int = 5  # h, model steps
    retained_epochs: int = 5  # of model transitions
    batch_size: int = 256
    real_fraction: float = 0.05  # of a batch; rounded down, 12 rows of 256

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name in ("epochs", "steps_per_epoch", "starts_per_step", "rollout_length", "retained_epochs", "batch_size"):
            check_at_least(name, getattr(self, name), 1)
        check_fraction("real_fraction", self.real_fraction)

    @property
    def rollout_starts(self) -> int:
        """Paths of one epoch."""
        return self.starts_per_step * self.steps_per_epoch

    @property
    def buffer_capacity(self) -> int:
        """Model transitions kept."""
        return self.rollout_starts * self.rollout_length * self.retained_epochs

    @property
    def real_rows(self) -> int:
        """Rows of a batch that come from the data."""
        return int(self.real_fraction * self.batch_size + 1e-9)

    def scaled(self, *, epochs: int | None, steps_per_epoch: int | None) -> BranchedSchedule:
        """The same with other counts of epochs and updates, and as many model transitions for each update.

        Raises:
            InvalidArgumentError: a count below one.
        """
        return replace(
            self,
            epochs=self.epochs if epochs is None else epochs,
            steps_per_epoch=self.steps_per_epoch if steps_per_epoch is None else steps_per_epoch,
        )
