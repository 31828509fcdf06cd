"""What a run was asked to do differently: how much smaller it is, how it is evaluated, which settings it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ampl.errors import InvalidArgumentError, check_at_least


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
        settings: what differs from the variant's own settings, from `ampl.settings.changed_settings`. They come first:
            the other fields scale what results.
    """

    epochs: int | None = None
    steps_per_epoch: int | None = None
    weight_steps: int | None = None
    model_steps: int | None = None
    evaluation_period: int | None = None
    evaluation_episodes: int | None = None
    certificate_period: int | None = None
    common_starts: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

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
        if not isinstance(self.settings, Mapping):
            raise InvalidArgumentError(f"settings are {self.settings!r}; expected values by key.")


AS_PUBLISHED = Scale()
