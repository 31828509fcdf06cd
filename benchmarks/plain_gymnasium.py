"""Policies of runs in Gymnasium's own environments, one step at a time: a check of our evaluator from outside.

    python -m benchmarks.plain_gymnasium RUN... [--episodes N]

writes RUN/plain_gymnasium.json beside what the run recorded. Nothing of our simulators or our evaluator takes part:
only `gymnasium.make`, `ampl.load_policy`, and D4RL's reference returns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import ampl
from ampl.errors import AmplError, InvalidArgumentError
from ampl.files import SIGNATURE, write_json
from ampl.printing import print_line
from ampl.runs.manifest import describe_session
from ampl.runs.run_evaluation import read_config
from benchmarks.records import command_line
from continuous.tasks.find import find_task
from continuous.tasks.registry import LOCOMOTION
from continuous.tasks.scores import normalize_score

ENVIRONMENTS = {"hopper": "Hopper-v4", "halfcheetah": "HalfCheetah-v4", "walker2d": "Walker2d-v4"}
"""By robot; those that D4RL's locomotion tasks are evaluated in."""


def play(environment: gymnasium.Env[Any, Any], act: Callable[[Any], Any], episodes: int, seed: int) -> list[float]:
    """Undiscounted returns of whole episodes, the first of which is seeded; with the environment's own time limit."""
    returns = []
    for episode in range(episodes):
        observation, _ = environment.reset(seed=seed if episode == 0 else None)
        total, ended = 0.0, False
        while not ended:
            observation, reward, terminated, truncated, _ = environment.step(act(observation))
            total, ended = total + float(reward), terminated or truncated
        returns.append(total)
    return returns


def score_run(run: Path, episodes: int, seed: int = 0) -> dict[str, Any]:
    """Scores the newest policy of a run on a locomotion task; gives what is written to its file.

    Raises:
        AmplError: the run has no policy that can be loaded, or is on another kind of task.
    """
    task = find_task(read_config(run)["task"])
    if task.family not in LOCOMOTION or task.robot not in ENVIRONMENTS:
        raise InvalidArgumentError(f"{run} is on {task.name}; Gymnasium has environments of {', '.join(ENVIRONMENTS)}.")
    name = ENVIRONMENTS[task.robot]
    with gymnasium.make(name) as environment:
        returns = play(environment, ampl.load_policy(run).act, episodes, seed)
    scores = [float(normalize_score(task, each)) for each in returns]
    return {
        "written_by": SIGNATURE,
        "environment": name,
        "episodes": episodes,
        "seed": seed,
        "returns": returns,
        "score_mean": float(np.mean(scores)),
        "score_spread": float(np.std(scores, ddof=1)) if episodes > 1 else 0.0,
        "session": describe_session("cpu", None),
    }


def main() -> int:
    """Scores every run that is named; returns the exit code."""
    parser = command_line(__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a run directory, .../seed0")
    parser.add_argument("--episodes", type=int, default=20, metavar="N")
    given = parser.parse_args()
    try:
        for run in given.runs:
            found = score_run(run, given.episodes)
            write_json(run / "plain_gymnasium.json", found)
            print_line(f"{run}: {found['score_mean']:.1f} ± {found['score_spread']:.1f} over {given.episodes} episodes")
    except AmplError as error:
        print(f"plain_gymnasium: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
