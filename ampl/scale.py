"""What a run was asked to do differently: how much smaller it is, how it is evaluated, which settings it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from ampl.errors import InvalidArgumentError, check_at_least

_LENGTHS = {
    "epochs": "epochs",
    "steps_per_epoch": "steps_per_epoch",
    "weight_steps": "miw_steps",
    "model_steps": "model_steps",
}
_OPTIONS = _LENGTHS | {
    "evaluation_period": "eval_every",
    "evaluation_episodes": "eval_episodes",
    "certificate_period": "certificates_every",
}  # what the counts are called in `ampl train`


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
        for name, option in _OPTIONS.items():
            if (count := getattr(self, name)) is not None:
                hint = "A run of zero epochs or steps trains nothing." if name in _LENGTHS else ""
                check_at_least(f"--{option.replace('_', '-')}", count, 1, hint)
        if not isinstance(self.settings, Mapping):
            raise InvalidArgumentError(f"settings are {self.settings!r}; expected values by key.")

    @classmethod
    def from_options(cls, options: Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> Self:
        """From options of `ampl train` by their names in Python, among them "common_starts"; others do not count."""
        counts = {name: options[option] for name, option in _OPTIONS.items()}
        return cls(**counts, common_starts=options["common_starts"], settings=settings or {})


AS_PUBLISHED = Scale()
