"""The deep wing's parts of `ampl demo`: three algorithms learn a problem whose optimum is known, and a small maze2d."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path

import ampl
from ampl.files import check_output
from ampl.printing import print_line
from ampl.processes import available_cores, map_in_processes
from ampl.progress import progress
from ampl.randomness import stream
from ampl.runs.headline import SCORE
from ampl.scale import Scale
from ampl.training import train
from continuous.algorithms.ampl.ampl import AMPL
from continuous.algorithms.ampl.config import published_config
from continuous.algorithms.build import assemble
from continuous.data.cards import dataset_card
from continuous.data.d4rl_file import write_d4rl
from continuous.data.recipes import MakeOptions, find_recipe
from continuous.linear_gaussian.tasks import find_linear_gaussian
from continuous.recreate.maze2d.reference_scores import ReferencePolicy, score_policy
from continuous.tasks.find import find_task
from continuous.tasks.registry import Task

_LEARNED, _LEARNERS = "lqr-pointmass", ("ampl", "mopo", "damo")  # the longest first

_TASK = "maze2d-umaze-v1"
_STEPS = 100_000
_EPISODES = 50
_ESTIMATORS = ("main", "vpm")  # AMPL's estimator of the weights, and one that it was compared with
_SCALE = Scale(epochs=10, steps_per_epoch=40, weight_steps=50, model_steps=500)


def learning(out: Path) -> Sequence[tuple[str, str]]:
    """MOPO, DAMO and AMPL learn `lqr-pointmass`, side by side on the cores there are.

    Args:
        out: folder of the runs; what is already there is taken as it is, or continued.

    Returns:
        Rows for the closing table: how far each came from the behavior policy towards the optimum.
    """
    low, high = find_linear_gaussian(_LEARNED).reference_returns()
    rows = [("problem", f"{_LEARNED}: the behavior policy earns {low:.1f} in an episode, the best one {high:.1f}")]
    tasks = [(algorithm, out) for algorithm in _LEARNERS]
    with progress(f"learning {_LEARNED}", len(tasks)) as bar:
        for algorithm, outcome in zip(_LEARNERS, map_in_processes(_learn, tasks, available_cores()), strict=True):
            rows.append((f"learned by {algorithm.upper()}", outcome))
            bar.advance()
    return rows


def _learn(task: tuple[str, Path]) -> str:
    """Trains one algorithm, and says in words what came of it; its own progress is not shown."""
    algorithm, out = task
    with redirect_stderr(io.StringIO()):
        (seed,) = ampl.train(algorithm, _LEARNED, out=out, resume=True, certificates_every=4)  # and of the last ten
    score = seed.result.metrics.get(SCORE)
    if score is None:
        return f"stopped: {seed.result.message}"
    return f"{score:.0f} % of the way from the behavior policy's return to the optimum"


def d4rl(out: Path) -> Sequence[tuple[str, str]]:
    """Makes the data, scores random policy and controller, and trains AMPL with two estimators for ten short epochs.

    Args:
        out: folder of the demo; the dataset goes to its sub-folder `data`. Training that is already there is taken as
            it is, or continued.

    Returns:
        Rows for the closing table: what, and what came out.
    """
    task = find_task(_TASK)
    path = out / "data" / task.file_name
    check_output(path)
    data, provenance = find_recipe(_TASK).run(_TASK, MakeOptions(steps=_STEPS))
    write_d4rl(path, data, provenance)
    for what, value in dataset_card(path, task):
        print_line(f"{what:<16}{value}")
    return [("dataset, re-created", str(path)), *_reference_scores(task), *_trained_scores(task, path, out)]


def _reference_scores(task: Task) -> list[tuple[str, str]]:
    rows = []
    with progress("scoring reference policies", len(ReferencePolicy)) as bar:
        for policy in ReferencePolicy:
            score = score_policy(task, policy, _EPISODES, stream(0, policy.value))
            verdict = "as expected" if score.as_expected else "NOT as expected"
            band = f"{score.expected_low:.0f} to {score.expected_high:.0f}"
            rows.append((f"score: {policy}", f"{score.score_mean:.1f}, {verdict} ({band}, {_EPISODES} episodes)"))
            bar.advance()
    return rows


def _trained_scores(task: Task, path: Path, out: Path) -> list[tuple[str, str]]:
    rows = []
    for variant in _ESTIMATORS:
        published = published_config(task, variant)
        config = published.scaled(_SCALE)
        algorithm = assemble(AMPL, task, published, config, [0], path=path)
        (seed,) = train(algorithm, task=task.name, variant=variant, epochs=config.schedule.epochs, out=out, resume=True)
        score = seed.result.metrics.get(SCORE)
        outcome = (
            f"stopped: {seed.result.message}" if score is None else f"{score:.1f}, {config.schedule.epochs} epochs"
        )
        rows.append((f"score: AMPL, {variant}", f"{outcome} of {config.schedule.steps_per_epoch} steps: far too few"))
    return rows
