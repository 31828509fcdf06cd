"""How much faster 50 Hopper episodes of 1000 steps are evaluated at once than in a loop over Gymnasium's environment.

    python -m benchmarks.evaluation            about two minutes on two cores
    python -m benchmarks.evaluation --quick    100 steps an episode

Both run the same policy (two hidden layers of 256) and the same physics; episodes go on after a fall, so that both do
all their steps. The loop uses the environment of D4RL's evaluation: Gymnasium's Hopper-v4, one episode after the other.
Each repetition times one after the other; the ratio is of the medians. Prints a table and writes
results/evaluation.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch

from ampl.processes import available_cores
from benchmarks.records import command_line, print_table, write_record
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion.gymnasium import make_environment
from continuous.environments.locomotion.robots import Hopper
from continuous.environments.robot import Flags, Snapshot
from continuous.evaluation.evaluator import Evaluator

EPISODES = 50
REPETITIONS = 3
_COLUMNS = ("what", "threads", "steps", "seconds", "microseconds_per_step", "ratio")


def main() -> None:
    """Times the loop and the batch, by turns."""
    parser = command_line(__doc__)
    parser.add_argument("--quick", action="store_true", help="100 steps an episode")
    quick = parser.parse_args().quick
    length, cores = (100 if quick else 1000), available_cores()
    policy = make_policy()
    thread_counts = sorted({1, 2, 4, 8, cores} & set(range(1, cores + 1)))
    cases: dict[int, Callable[[], float]] = {0: lambda: loop(policy, length)}
    cases |= {threads: lambda threads=threads: batch(policy, length, threads) for threads in thread_counts}
    seconds: dict[int, list[float]] = {threads: [] for threads in cases}
    for _ in range(REPETITIONS):
        for threads, measure in cases.items():
            seconds[threads].append(measure())
    steps, baseline = EPISODES * length, median(seconds[0])
    rows: list[dict[str, Any]] = []
    for threads, measured in seconds.items():
        row: dict[str, Any] = {"what": "all at once" if threads else "loop over Gymnasium", "steps": steps}
        row |= {"seconds": median(measured), "microseconds_per_step": 1e6 * median(measured) / steps}
        rows.append(row | ({"threads": threads, "ratio": baseline / median(measured)} if threads else {}))
    print_table(_COLUMNS, rows)
    print(f"wrote {write_record('evaluation', rows).name}")


class EndlessHopper(Hopper):
    """Hopper whose episodes go on after a fall, so that each has all its steps."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.episode_limit = length

    def terminated(self, snapshot: Snapshot) -> Flags:
        """Computed, then ignored."""
        return super().terminated(snapshot) & False


def make_policy() -> torch.nn.Module:
    """A deterministic policy of the usual size."""
    torch.manual_seed(0)
    layers = (torch.nn.Linear(11, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256), torch.nn.ReLU())
    return torch.nn.Sequential(*layers, torch.nn.Linear(256, 3), torch.nn.Tanh())


def batch(policy: torch.nn.Module, length: int, threads: int) -> float:
    """Seconds for all episodes at once, without building the simulator."""
    with Evaluator(BatchSimulator(EndlessHopper(length), threads), episodes=EPISODES) as evaluator:
        start = time.perf_counter()
        evaluation = evaluator.evaluate([lambda observations, _: policy(observations)], [0])[0]
        seconds = time.perf_counter() - start
    assert evaluation.lengths.sum() == EPISODES * length, "the benchmark itself is wrong"
    return seconds


@torch.no_grad()
def loop(policy: torch.nn.Module, length: int) -> float:
    """Seconds for one episode after the other, without building the environment."""
    environment = make_environment("hopper")
    start = time.perf_counter()
    for episode in range(EPISODES):
        observation, _ = environment.reset(seed=episode)
        for _ in range(length):
            action = policy(torch.as_tensor(observation, dtype=torch.float32)[None])[0]
            observation, *_ = environment.step(action.numpy().astype(np.float64))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
