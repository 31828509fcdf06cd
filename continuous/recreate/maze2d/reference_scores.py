"""What D4RL's two reference policies score in a maze, and what they should score.

A score of 0 is a uniform random policy, 100 the waypoint controller in D4RL's protocol: one controller object for all
episodes, which plans in the first only (see `controller.py`). A controller that plans in every episode scores far more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from math import sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError, check_at_least
from ampl.statistics import spread
from continuous.environments.maze2d.layouts import Layout, find_layout
from continuous.environments.maze2d.point_mass import PointMass, State, draw_start
from continuous.environments.maze2d.rewards import Reward
from continuous.recreate.maze2d.controller import Point, WaypointController
from continuous.recreate.maze2d.planner import GridPlanner
from continuous.tasks.registry import Family, Task
from continuous.tasks.scores import normalize_score, normalize_spread

Act: TypeAlias = Callable[[State], Point]


class ReferencePolicy(StrEnum):
    """The policies that anchor the scale, and the controller as it would be with a plan for each episode."""

    RANDOM = "uniform random"
    ONE_CONTROLLER = "controller, planned once"
    NEW_CONTROLLER = "controller, planned each episode"


_BAND_WIDTH = 2.0  # spreads on each side


@dataclass(frozen=True, kw_only=True)
class _Anchor:
    """Returns of one policy."""

    mean: float  # of many episodes
    spread: float  # standard deviation of the mean of 100 episodes


def _anchors(*pairs: tuple[float, float]) -> Mapping[ReferencePolicy, _Anchor]:
    return {p: _Anchor(mean=mean, spread=spread) for p, (mean, spread) in zip(ReferencePolicy, pairs, strict=True)}


# Random, planned once, planned each episode. Means: 30 runs of 100 episodes of an earlier re-creation, the first two of
# which agree with D4RL's constants. Spreads: those runs and 30 of this code, pooled; dense ones of this code alone.
_EXPECTED = {
    ("umaze", Reward.SPARSE): _anchors((28.5, 6.0), (171.5, 12.5), (222.8, 5.0)),
    ("umaze", Reward.DENSE): _anchors((72.9, 5.5), (200.9, 10.5), (235.1, 4.2)),
    ("medium", Reward.SPARSE): _anchors((16.5, 4.6), (256.1, 24.9), (424.4, 8.4)),
    ("medium", Reward.DENSE): _anchors((43.2, 6.3), (275.6, 23.3), (439.3, 8.1)),
    ("large", Reward.SPARSE): _anchors((10.1, 4.3), (294.1, 30.4), (553.3, 10.1)),
    ("large", Reward.DENSE): _anchors((36.3, 7.5), (321.1, 30.1), (573.8, 11.8)),
}


@dataclass(frozen=True, kw_only=True)
class ReferenceScore:
    """What one policy earned in E episodes of a task; scores are on D4RL's scale, 0 to 100."""

    policy: ReferencePolicy
    returns: NDArray[np.float64]  # undiscounted, [E]
    reached: float  # fraction of episodes in which the ball came within reach of the goal
    score_mean: float
    score_spread: float  # standard deviation over episodes
    expected_low: float  # the mean score of E episodes lies between these two in about 95 of 100 cases
    expected_high: float

    @property
    def as_expected(self) -> bool:
        """Whether the mean score lies in its band."""
        return self.expected_low <= self.score_mean <= self.expected_high


def score_random_and_controller(
    task: Task, episodes: int, generator: np.random.Generator
) -> tuple[ReferenceScore, ReferenceScore, ReferenceScore]:
    """Runs the random policy, the controller planned once, and the controller planned each episode.

    Args:
        task: of the maze2d family.
        episodes: E for each policy, >= 1; D4RL used 100.
        generator: of starts, random actions and waypoints.

    Raises:
        InvalidArgumentError: a task of another family, or no episodes.
    """
    if task.family is not Family.MAZE2D:
        raise InvalidArgumentError(f"{task.name} is no maze; expected a maze2d task such as maze2d-umaze-v1.")
    check_at_least("episodes", episodes, 1)
    random, once, each = (score_policy(task, policy, episodes, generator) for policy in ReferencePolicy)
    return random, once, each


def score_policy(task: Task, policy: ReferencePolicy, episodes: int, generator: np.random.Generator) -> ReferenceScore:
    """Runs one policy; arguments as for `score_random_and_controller`."""
    layout, reward = find_layout(task.robot), Reward(task.dataset)
    positions = run_episodes(layout, policy, episodes, generator)
    returns = reward.at(positions, layout.goal).sum(axis=1)
    reached = Reward.SPARSE.at(positions, layout.goal).any(axis=1)
    anchor = _EXPECTED[task.robot, reward][policy]
    half_width = _BAND_WIDTH * anchor.spread * sqrt(100 / episodes)
    return ReferenceScore(
        policy=policy,
        returns=returns,
        reached=float(reached.mean()),
        score_mean=normalize_score(task, float(returns.mean())),
        score_spread=normalize_spread(task, spread(returns)),
        expected_low=normalize_score(task, anchor.mean - half_width),
        expected_high=normalize_score(task, anchor.mean + half_width),
    )


def run_episodes(
    layout: Layout, policy: ReferencePolicy, episodes: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Where the ball is after each step of E whole episodes of T steps, [E, T, 2]; rewards follow from that."""
    ball, actions = PointMass(layout), _policies(layout, policy, generator)
    positions = np.empty((episodes, layout.episode_limit, 2))
    for episode in positions:
        act = next(actions)
        ball.place(draw_start(layout, generator))
        state = ball.state
        for step in range(layout.episode_limit):
            state = ball.step(*act(state))
            episode[step] = state[:2]
    return positions


def _policies(layout: Layout, policy: ReferencePolicy, generator: np.random.Generator) -> Iterator[Act]:
    """What acts in one episode after the other."""
    if policy is ReferencePolicy.RANDOM:
        while True:
            yield lambda _: generator.uniform(-1.0, 1.0, size=2).tolist()
    goal = float(layout.goal[0]), float(layout.goal[1])
    planner = GridPlanner(layout)
    controller = WaypointController(layout, generator, planner)
    while True:
        yield partial(_drive_to, controller, goal)
        if policy is ReferencePolicy.NEW_CONTROLLER:
            controller = WaypointController(layout, generator, planner)


def _drive_to(controller: WaypointController, target: Point, state: State) -> Point:
    action_x, action_y, _ = controller.act(*state, target)
    return action_x, action_y
