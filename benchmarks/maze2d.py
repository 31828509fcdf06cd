"""How fast maze data are re-created, and how long runs compare with the published statistics.

    python -m benchmarks.maze2d            all sizes, two to three minutes
    python -m benchmarks.maze2d --quick    a tenth of everything

Speed: MuJoCo alone, the point mass with plain numbers, the Gymnasium environment, and whole recipes at their published
sizes with and without writing the file. Statistics: 300,000 rows of each maze and 100 episodes of each reference
policy, beside the numbers they should come near to. Prints three tables and writes results/maze2d.json.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from ampl.randomness import stream
from benchmarks.records import command_line, print_table, write_record
from continuous.data.d4rl_file import write_d4rl
from continuous.data.recipes import MakeOptions
from continuous.environments.maze2d.environment import Maze2DEnvironment
from continuous.environments.maze2d.layouts import find_layout
from continuous.environments.maze2d.point_mass import PointMass
from continuous.environments.maze2d.rewards import Reward
from continuous.recreate.maze2d.collection import CollectionConfig, collect
from continuous.recreate.maze2d.recipe import DEFAULT_STEPS, recipes
from continuous.recreate.maze2d.reference_scores import score_random_and_controller
from continuous.tasks.registry import TASKS

SIMULATED_STEPS = 300_000
ROWS = 300_000
EPISODES = 100
# 300,000 rows of an earlier re-creation: mean, median and longest segment, sparse and dense mean, saturated entries
EXPECTED = {
    "umaze": (80.0, 76.0, 214, 0.0780, 0.2045, 0.31),
    "medium": (169.2, 172.0, 387, 0.0216, 0.0637, 0.33),
    "large": (242.1, 234.0, 583, 0.0081, 0.0334, 0.32),
}
STATISTICS = ("segment_mean", "segment_median", "segment_longest", "sparse_mean", "dense_mean", "saturated")


def main() -> None:
    """Measures every maze."""
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    quick = parser.parse_args().quick
    share = 10 if quick else 1
    speeds = [row for maze in DEFAULT_STEPS for row in measure_speed(maze, share)]
    print_table(("maze", "what", "steps", "seconds", "steps_a_second"), speeds)
    statistics = [row for maze in DEFAULT_STEPS for row in measure_statistics(maze, ROWS // share)]
    print_table(("maze", "source", *STATISTICS), statistics)
    scores = [row for maze in DEFAULT_STEPS for row in measure_scores(maze, EPISODES // share)]
    print_table(("task", "policy", "episodes", "score", "expected_low", "expected_high", "reached"), scores)
    print(f"wrote {write_record('maze2d', [*speeds, *statistics, *scores]).name}")


def measure_speed(maze: str, share: int) -> Iterator[dict[str, Any]]:
    """Seconds of each way to simulate, from the bare simulator to the finished file."""
    steps = SIMULATED_STEPS // share
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (steps, 2))
    ball = PointMass(find_layout(maze))
    ball.place((*ball_start(maze), 0.0, 0.0))

    def bare() -> None:
        mujoco.mj_step(ball.model, ball.data, nstep=steps)

    def plain_numbers() -> None:
        for action_x, action_y in actions.tolist():
            ball.step(action_x, action_y)

    def gymnasium_environment() -> None:
        environment = Maze2DEnvironment(maze)
        environment.reset(seed=0)
        for action in actions:
            environment.step(action)

    for what in (bare, plain_numbers, gymnasium_environment):
        yield _speed_row(maze, what.__name__.replace("_", " "), steps, _seconds(what))

    task = f"maze2d-{maze}-v1"
    rows = DEFAULT_STEPS[maze] // share
    start = time.perf_counter()
    data, provenance = recipes()[task].run(task, MakeOptions(steps=rows))
    made = time.perf_counter() - start
    yield _speed_row(maze, "recipe", rows, made)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "maze2d.hdf5"
        written = _seconds(lambda: write_d4rl(path, data, provenance))
    yield _speed_row(maze, "recipe and file", rows, made + written)


def measure_statistics(maze: str, rows: int) -> Iterator[dict[str, Any]]:
    """Our rows, and what they should come near to."""
    layout = find_layout(maze)
    trajectory = collect(CollectionConfig(layout=layout, steps=rows))
    lengths = np.diff(np.flatnonzero(trajectory.arrivals), prepend=-1)
    positions = trajectory.observations[:, :2]
    found = (
        float(lengths.mean()),
        float(np.median(lengths)),
        int(lengths.max()),
        float(Reward.SPARSE.at(positions, layout.goal).mean()),
        float(Reward.DENSE.at(positions, layout.goal).mean()),
        float((np.abs(trajectory.actions) == 1.0).mean()),
    )
    for source, values in ((f"{rows} rows", found), ("expected of 300000", EXPECTED[maze])):
        yield {"maze": maze, "source": source} | dict(zip(STATISTICS, values, strict=True))


def measure_scores(maze: str, episodes: int) -> Iterator[dict[str, Any]]:
    """Scores of the reference policies with their bands."""
    for task in (TASKS[f"maze2d-{maze}-v1"], TASKS[f"maze2d-{maze}-dense-v1"]):
        for score in score_random_and_controller(task, episodes, stream(0, "scores")):
            yield {
                "task": task.name,
                "policy": str(score.policy),
                "episodes": episodes,
                "score": score.score_mean,
                "expected_low": score.expected_low,
                "expected_high": score.expected_high,
                "reached": score.reached,
            }


def ball_start(maze: str) -> tuple[int, int]:
    """A free cell."""
    return find_layout(maze).free_cells[0]


def _speed_row(maze: str, what: str, steps: int, seconds: float) -> dict[str, Any]:
    return {"maze": maze, "what": what, "steps": steps, "seconds": seconds, "steps_a_second": round(steps / seconds)}


def _seconds(work: Any) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
