"""From a name to a task: one of the registry, or a linear-Gaussian problem."""

from __future__ import annotations

from ampl.errors import UnknownNameError
from continuous.tasks.registry import TASKS, Family, Task

LINEAR_GAUSSIAN_PREFIX = "lqr-"
LINEAR_GAUSSIAN_NAMES = (  # and lqr-random of other sizes, and all of these with each coverage and reward
    *(
        f"{name}{reward}"
        for name in ("lqr-pointmass", "lqr-pointmass-2d", "lqr-random-4-2")
        for reward in ("", "-bounded")
    ),
    *(f"lqr-pointmass-{coverage}" for coverage in ("near", "far", "narrow")),
)


def find_task(name: str) -> Task:
    """The task of this name.

    Raises:
        UnknownNameError: no such task; the message has the nearest one and all names.
        InvalidArgumentError: a name that begins with lqr- and is no linear-Gaussian task.
    """
    if name.startswith(LINEAR_GAUSSIAN_PREFIX):
        return _linear_gaussian(name)
    if name not in TASKS:
        raise UnknownNameError("task", name, [*TASKS, *LINEAR_GAUSSIAN_NAMES])
    return TASKS[name]


def _linear_gaussian(name: str) -> Task:
    """A linear-Gaussian problem: 0 is the return of its behavior policy, 100 the optimum's, both exact."""
    from continuous.linear_gaussian.tasks import EPISODE_LENGTH, find_linear_gaussian  # which needs scipy: slow to load

    found = find_linear_gaussian(name)
    dynamics, (low, high) = found.mdp.dynamics, found.reference_returns()
    return Task(
        name=name,
        family=Family.LINEAR_GAUSSIAN,
        robot=name,
        dataset="behavior",
        observation_size=dynamics.state_size,
        action_size=dynamics.action_size,
        episode_limit=EPISODE_LENGTH,
        reference_min=low,
        reference_max=high,
        url="",
    )
