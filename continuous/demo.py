"""The deep wing's part of `ampl demo`: a small re-created maze2d dataset, and the policies that anchor its scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ampl.files import check_replaceable
from ampl.progress import progress
from ampl.randomness import stream
from continuous.cards import dataset_card
from continuous.d4rl_file import write_d4rl
from continuous.maze2d.reference_scores import ReferencePolicy, score_policy
from continuous.recipes import MakeOptions, find_recipe
from continuous.tasks import find_task

_TASK = "maze2d-umaze-v1"
_STEPS = 100_000
_EPISODES = 50


def demo(out: Path) -> Sequence[tuple[str, str]]:
    """Makes the data, prints its card, scores random policy and controller.

    Args:
        out: folder of the demo; the dataset goes to its sub-folder `data`.

    Returns:
        Rows for the closing table: what, and what came out.
    """
    task = find_task(_TASK)
    path = out / "data" / task.file_name
    check_replaceable(path)
    data, provenance = find_recipe(_TASK).run(_TASK, MakeOptions(steps=_STEPS))
    write_d4rl(path, data, provenance)
    for what, value in dataset_card(path, task):
        print(f"{what:<16}{value}")
    rows = [("dataset, re-created", str(path))]
    with progress("scoring reference policies", len(ReferencePolicy)) as bar:
        for policy in ReferencePolicy:
            score = score_policy(task, policy, _EPISODES, stream(0, policy.value))
            verdict = "as expected" if score.as_expected else "NOT as expected"
            band = f"{score.expected_low:.0f} to {score.expected_high:.0f}"
            rows.append((f"score: {policy}", f"{score.score_mean:.1f}, {verdict} ({band}, {_EPISODES} episodes)"))
            bar.advance()
    return rows
