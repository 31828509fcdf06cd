"""D4RL's normalized scores, 0 to 100: 0 is a random policy's return, 100 the reference policy's.

D4RL's own function returns a fraction; papers print it times 100, and so does everything here. A task without
reference returns (`Task.has_scores`) has no scores: both functions give nan. Source: D4RL 1.1.
"""

from __future__ import annotations

from typing import Any, TypeVar

from continuous.tasks.registry import Task

Number = TypeVar("Number", float, Any)  # a number, an array or a tensor


def normalize_score(task: Task, returns: Number) -> Number:
    """Undiscounted evaluation returns on the task's scale from 0 to 100.

    Args:
        task: whose reference returns to use.
        returns: sums of rewards over evaluation episodes, any shape.
    """
    return (returns - task.reference_min) * (100.0 / (task.reference_max - task.reference_min))


def normalize_spread(task: Task, spread: Number) -> Number:
    """A standard deviation, interval width or other difference of returns, in points of score.

    A spread is scaled by the same factor as a return and never shifted: the spread of equal returns is zero.
    """
    return spread * (100.0 / (task.reference_max - task.reference_min))
