"""What a run was asked to do differently: how much smaller than published it is, and how it is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

from ampl.errors import check_at_least


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The counts of a run that a small machine may want smaller, and of its evaluations; None: as published, or usual.

    Attributes:
        epochs: epochs of the whole run, >= 1; a schedule in epochs (warm start, retraining) shrinks in proportion.
        steps_per_epoch: updates of critics and policy in an epoch, >= 1.
        weight_steps: updates in each estimation of the weights, >= 1.
        model_steps: updates in each fit of the model at most, >= 1.
        evaluation_period: epochs from one evaluation to the next, >= 1; see `ampl.evaluation_schedule`.
        evaluation_episodes: of each evaluation, >= 1.
        certificate_period: epochs from one set of certificates to the next, >= 1.
        common_starts: whether evaluations of all epochs start their episodes alike.
    """

    epochs: int | None = None
    steps_per_epoch: int | None = None
    weight_steps: int | None = None
    model_steps: int | None = None
    evaluation_period: int | None = None
    evaluation_episodes: int | None = None
    certificate_period: int | None = None
    common_starts: bool = False

    def __post_init__(self) -> None:
        """Raises InvalidArgumentError, in the words of the command line, for a count below one."""
        for option, count in (
            ("--epochs", self.epochs),
            ("--steps-per-epoch", self.steps_per_epoch),
            ("--miw-steps", self.weight_steps),
            ("--model-steps", self.model_steps),
        ):
            if count is not None:
                check_at_least(option, count, 1, "A run of zero epochs or steps trains nothing.")
        for option, count in (
            ("--eval-every", self.evaluation_period),
            ("--eval-episodes", self.evaluation_episodes),
            ("--certificates-every", self.certificate_period),
        ):
            if count is not None:
                check_at_least(option, count, 1)


AS_PUBLISHED = Scale()
