"""How long behavior policies take to train here, by the learning curves that ship with the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from continuous.data.durations import about
from continuous.recreate.locomotion.levels import LEVEL_RETURNS, Evaluation, Level, is_reached, read_curve

CURVES = Path(__file__).parent / "curves"
ALL_STEPS = 1_000_000  # of `ampl data train-behavior` where the user does not say


def training_time(robot: str, until: Level | None = None, steps: int = ALL_STEPS) -> str:
    """Such as "about 10 minutes", or "up to about 2 hours" for a level that no recorded run has reached.

    Args:
        robot: whose policy; for those without a curve the slowest recorded pace counts.
        until: the level that ends the training; None: all `steps`.
        steps: environment steps.
    """
    curves = _curves()
    seconds_a_step = {name: 60.0 * curve[-1].minutes / curve[-1].steps for name, curve in curves.items()}
    pace = seconds_a_step.get(robot, max(seconds_a_step.values()))
    if until is None:
        return about(steps * pace)
    curve = curves.get(robot, [])
    if is_reached(curve, LEVEL_RETURNS[robot][until]):
        return about(curve[-1].steps * pace)
    return f"up to {about(steps * pace)}"


@cache
def _curves() -> Mapping[str, Sequence[Evaluation]]:
    """The shipped learning curves, by robot."""
    return {path.stem.partition("-")[0]: read_curve(path) for path in sorted(CURVES.glob("*.csv"))}
