"""What D4RL's reference policies score in our mazes: the bands of d4rl.md, section 5."""

import numpy as np
import pytest

from ampl.errors import InvalidArgumentError
from ampl.randomness import stream
from continuous.environments.maze2d.environment import Maze2DEnvironment
from continuous.environments.maze2d.layouts import find_layout
from continuous.environments.maze2d.rewards import Reward
from continuous.recreate.maze2d.reference_scores import (
    ReferencePolicy,
    run_episodes,
    score_policy,
    score_random_and_controller,
)
from continuous.tasks.registry import TASKS, Family

MAZES = [task.name for task in TASKS.values() if task.family is Family.MAZE2D]
REACHED = {"umaze": (0.28, 0.65, 1.0), "medium": (0.13, 0.49, 1.0), "large": (0.08, 0.44, 1.0)}
REPLANNED_BANDS = {"umaze": (144, 8), "medium": (156, 6), "large": (205, 6)}
# Scores of the eval maps (controller planned once, and each episode), by D4RL's constants of their registration.
EVAL_REFERENCE = {"eval-umaze": (36.63, 141.4), "eval-medium": (13.07, 204.93), "eval-large": (16.4, 302.22)}
EVAL_SCORES = {"eval-umaze": (110, 173), "eval-medium": (118, 223), "eval-large": (92, 189)}


def test_random_policy_and_controller_score_in_their_bands_in_20_episodes() -> None:
    """20 episodes: two standard errors of a mean of 20, as `ReferenceScore` states them."""
    scores = score_random_and_controller(TASKS["maze2d-umaze-v1"], 20, stream(0, "scores"))
    assert [score.policy for score in scores] == list(ReferencePolicy)
    assert all(score.as_expected for score in scores)
    random, once, each = scores
    assert random.score_mean < once.score_mean < each.score_mean
    assert once.reached < each.reached == 1.0
    assert once.expected_high - once.expected_low == pytest.approx(4 * 12.5 * 5**0.5 / 138.01 * 100, rel=1e-4)


def test_the_same_generator_gives_the_same_returns() -> None:
    first, second = (
        run_episodes(find_layout("umaze"), ReferencePolicy.NEW_CONTROLLER, 3, stream(1, "scores")) for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_episodes_are_those_of_the_environment() -> None:
    """A random episode replayed through Gymnasium's interface visits the same places."""
    layout = find_layout("medium")
    ours = run_episodes(layout, ReferencePolicy.RANDOM, 1, np.random.default_rng(7))[0]
    environment = Maze2DEnvironment("medium")
    generator = np.random.default_rng(7)
    environment.np_random = generator
    environment.reset()
    for position in ours:
        observation = environment.step(generator.uniform(-1.0, 1.0, size=2))[0]
        assert observation[:2].tolist() == position.tolist()


def test_a_task_without_a_maze_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="is no maze"):
        score_random_and_controller(TASKS["hopper-medium-v2"], 1, stream(0, "scores"))
    with pytest.raises(InvalidArgumentError, match="episodes"):
        score_random_and_controller(TASKS["maze2d-umaze-v1"], 0, stream(0, "scores"))


@pytest.mark.parametrize("name", MAZES)
def test_100_episodes_score_in_the_bands(name: str) -> None:
    """Two standard deviations of a mean of 100 episodes."""
    task = TASKS[name]
    scores = score_random_and_controller(task, 100, stream(0, "scores"))
    for score, reached in zip(scores, REACHED[task.robot], strict=True):
        assert score.as_expected, score
        assert score.reached == pytest.approx(reached, abs=0.15)


@pytest.mark.parametrize("maze", REPLANNED_BANDS)
def test_the_replanned_controller_scores_144_156_205(maze: str) -> None:
    middle, half_width = REPLANNED_BANDS[maze]
    score = score_policy(TASKS[f"maze2d-{maze}-v1"], ReferencePolicy.NEW_CONTROLLER, 100, stream(0, "scores"))
    assert score.score_mean == pytest.approx(middle, abs=half_width)


@pytest.mark.parametrize("maze", EVAL_REFERENCE)
def test_eval_maps_score_as_the_facts_say(maze: str) -> None:
    """100 episodes; the facts' numbers are means of 1000. Bands: 30 points planned once, 10 planned each episode."""
    layout, (least, most) = find_layout(maze), EVAL_REFERENCE[maze]
    policies = (ReferencePolicy.ONE_CONTROLLER, ReferencePolicy.NEW_CONTROLLER)
    for policy, expected, band in zip(policies, EVAL_SCORES[maze], (30.0, 10.0), strict=True):
        positions = run_episodes(layout, policy, 100, stream(0, "scores"))
        returns = Reward.SPARSE.at(positions, layout.goal).sum(axis=1).mean()
        assert 100 * (returns - least) / (most - least) == pytest.approx(expected, abs=band)
