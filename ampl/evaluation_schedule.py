"""Which epochs of a run are evaluated, and how.

Evaluations take time and change nothing in the training. In runs of a hundred epochs and more every tenth epoch is
evaluated, in shorter ones every epoch, and in both each of the last ten, whose mean is a run's score. What is exact
costs nothing: it is evaluated in every epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ampl.errors import InvalidArgumentError
from ampl.scale import Scale

LAST = 10  # epochs at the end that are all evaluated
_LONG, _LONG_PERIOD = 100, 10  # epochs of a run that is not evaluated in every one, and how often it is


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """What is to be measured of the policies as they are now.

    Attributes:
        epoch: epochs completed, >= 0; part of the names of the evaluation's random streams.
        episodes: how many to score each policy over, >= 1; None: as many as the algorithm's settings say. An
            algorithm whose evaluation is exact has no use for it.
        certificates: whether certificates are measured too, by algorithms that have some.
        common_starts: whether episodes start and act as in every other epoch; otherwise each epoch has its own.
    """

    epoch: int
    episodes: int | None = None
    certificates: bool = True
    common_starts: bool = False

    @property
    def stream(self) -> str:
        """How the names of the evaluation's random streams begin."""
        return "evaluation" if self.common_starts else f"evaluation/epoch {self.epoch}"

    @property
    def starts(self) -> str:
        """Where its episodes start, in words."""
        return "common to all epochs" if self.common_starts else f"of epoch {self.epoch}"


@dataclass(frozen=True, kw_only=True)
class EvaluationSchedule:
    """The epochs of a run that are evaluated.

    Attributes:
        epochs: of the whole run.
        period: every so many epochs, and each of the last ten.
        certificate_period: likewise for certificates; a multiple of `period`.
        episodes, common_starts: see `EvaluationRequest`.
    """

    epochs: int
    period: int
    certificate_period: int
    episodes: int | None = None
    common_starts: bool = False

    def request(self, epoch: int) -> EvaluationRequest | None:
        """What is to be measured after `epoch` epochs; None: nothing."""
        if not self._is_due(epoch, self.period):
            return None
        return EvaluationRequest(
            epoch=epoch,
            episodes=self.episodes,
            certificates=self._is_due(epoch, self.certificate_period),
            common_starts=self.common_starts,
        )

    def as_json(self) -> Mapping[str, Any]:
        """What stands in manifest.json."""
        return {
            "every": self.period,
            "certificates_every": self.certificate_period,
            "last_epochs": LAST,
            "episodes": self.episodes,
            "common_starts": self.common_starts,
        }

    def _is_due(self, epoch: int, period: int) -> bool:
        return epoch % period == 0 or epoch > self.epochs - LAST


def evaluation_schedule(scale: Scale, epochs: int, *, exact: bool) -> EvaluationSchedule:
    """The schedule that was asked for, or the usual one.

    Args:
        scale: what was asked for.
        epochs: of the whole run, >= 1.
        exact: whether the algorithm's evaluation is exact.

    Raises:
        InvalidArgumentError: options that an exact evaluation has no use for, or certificates without evaluations.
    """
    if exact:
        _check_nothing_asked(scale)
        return EvaluationSchedule(epochs=epochs, period=1, certificate_period=1)
    period = scale.evaluation_period or (_LONG_PERIOD if epochs >= _LONG else 1)
    certificate_period = scale.certificate_period or period
    if certificate_period % period:
        raise InvalidArgumentError(
            f"--certificates-every is {certificate_period}; expected a multiple of --eval-every, which is {period}: "
            "certificates start where an evaluation's episodes do."
        )
    return EvaluationSchedule(
        epochs=epochs,
        period=period,
        certificate_period=certificate_period,
        episodes=scale.evaluation_episodes,
        common_starts=scale.common_starts,
    )


def _check_nothing_asked(scale: Scale) -> None:
    asked = {
        "--eval-every": scale.evaluation_period,
        "--eval-episodes": scale.evaluation_episodes,
        "--certificates-every": scale.certificate_period,
        "--common-starts": scale.common_starts or None,
    }
    option = next((option for option, value in asked.items() if value is not None), None)
    if option is not None:
        raise nothing_to_ask(option)


def nothing_to_ask(option: str) -> InvalidArgumentError:
    """The error for an option of evaluation on a finite MDP."""
    return InvalidArgumentError(
        f"{option} is given; on a finite MDP evaluation is exact, runs no episodes, and every epoch has it. "
        "Leave the option out."
    )
