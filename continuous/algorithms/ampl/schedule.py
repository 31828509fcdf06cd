"""When AMPL does what: the published runs' schedule, and the same shape on a smaller scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from ampl.errors import check_at_least, check_fraction
from continuous.algorithms.config import Schedule
from continuous.model.rollout import published_paths


@dataclass(frozen=True, kw_only=True)
class AMPLSchedule(Schedule):
    """Counts of epochs, steps and transitions; the defaults are the published runs'.

    Epoch n counts from 1; the released code's warm start, annealing and retraining are not in the paper's Algorithm 1.
    """

    starts_per_step: int = 128  # model transitions for each update, and a rollout collects at least that many
    rollout_length: int = 1  # h, model steps
    batch_size: int = 512  # of critics, policy and discriminator
    real_fraction: float = 0.5  # f, where the annealing ends; the paper has it constant
    warm_start_epochs: int = 40  # code: the policy only imitates, by the regularizer alone
    annealing_epochs: int = 5  # code: after the warm start, epochs on each step of the way down from all real rows
    annealing_step: float = 0.1  # code: by how much each step lowers the real fraction
    retrain_period: int = 100  # epochs between two estimations of the weights with a refit
    start_states: int = 100_000  # simulator resets collected at the start
    policy_period: int = 2  # code: the policy is updated on every second step

    rollouts_per_epoch: ClassVar[int] = 4

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        for name in ("warm_start_epochs", "annealing_epochs", "retrain_period", "start_states", "policy_period"):
            check_at_least(name, getattr(self, name), 1)
        check_fraction("annealing_step", self.annealing_step)

    @property
    def rollout_transitions(self) -> int:
        """Model transitions that a rollout collects at least: 32,000 in the published runs."""
        return self.starts_per_step * self.rollout_period

    @property
    def paths(self) -> int:
        """Paths of one rollout that give as many transitions as the released code's loop collects.

        That is up to h times what it should at least collect: its batches of 2048 starts, which all take h steps, do
        not shrink with an epoch.
        """
        return published_paths(self.rollout_length, self.rollout_transitions)

    @property
    def buffer_capacity(self) -> int:
        """Model transitions kept: 640,000 in the published runs."""
        return self.starts_per_step * self.steps_per_epoch * self.retained_epochs

    @property
    def epochs_in_buffer(self) -> float:
        """Of how many epochs it holds the rollouts, at most `retained_epochs`: see `paths`."""
        return self.buffer_capacity / (self.rollouts_per_epoch * self.paths * self.rollout_length)

    def real_rows(self, epoch: int) -> int:
        """How many rows of a batch come from the data in `epoch`; the others come from the model."""
        steps_down = max(0, epoch - 1 - self.warm_start_epochs) // self.annealing_epochs
        fraction = min(1.0, max(self.real_fraction, 1.0 - self.annealing_step * steps_down))
        return int(fraction * self.batch_size + 1e-9)

    def imitates(self, epoch: int) -> bool:
        """Whether the policy is trained by the regularizer alone in `epoch`."""
        return epoch <= self.warm_start_epochs

    def rolls_out(self, epoch: int) -> bool:
        """Whether the model is rolled out in `epoch`: not while its transitions would be replaced before being read."""
        reads = self.warm_start_epochs + self.annealing_epochs  # the last epoch whose batches are all real
        return self.real_fraction < 1.0 and epoch > reads - self.retained_epochs

    def scaled(self, *, epochs: int | None = None, steps_per_epoch: int | None = None) -> Self:
        """The same shape on a smaller scale: what is counted in epochs shrinks with their number, to at least one.

        Raises:
            InvalidArgumentError: a count below one.
        """
        share = 1.0 if epochs is None else epochs / self.epochs

        def shrink(count: int) -> int:
            return max(1, round(count * share))

        return replace(
            self,
            epochs=self.epochs if epochs is None else epochs,
            steps_per_epoch=self.steps_per_epoch if steps_per_epoch is None else steps_per_epoch,
            warm_start_epochs=shrink(self.warm_start_epochs),
            annealing_epochs=shrink(self.annealing_epochs),
            retrain_period=shrink(self.retrain_period),
        )
