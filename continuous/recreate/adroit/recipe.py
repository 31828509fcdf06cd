"""How Adroit datasets are re-created from files that a user has: DAPG policies and human demonstrations.

D4RL made "expert" with policies trained by the DAPG project, and "human" by playing back its demonstrations. Neither
can be re-created from nothing, so each recipe asks for the file. "cloned" needs D4RL's own behavior-cloning policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from continuous.data.recipes import MakeOptions, Recipe
from continuous.tasks.find import find_task

if TYPE_CHECKING:
    from continuous.data.d4rl_data import D4RLData, Provenance

ROBOTS = ("pen", "door", "hammer", "relocate")
_EXPERT_STEPS = {robot: 5000 * find_task(f"{robot}-expert-v1").episode_limit for robot in ROBOTS}
_ROWS_PER_SECOND = {"pen": 6_000, "door": 6_000, "hammer": 3_000, "relocate": 3_000}
_HUMAN_STEPS = {"pen": 5000, "door": 6729, "hammer": 11310, "relocate": 9942}


def recipes() -> Mapping[str, Recipe]:
    """Expert and human data of each robot."""
    return {f"{robot}-expert-v1": _expert_recipe(robot) for robot in ROBOTS} | {
        f"{robot}-human-v1": _human_recipe(robot) for robot in ROBOTS
    }


def _expert_recipe(robot: str) -> Recipe:
    return Recipe(
        make=lambda options: make_expert(robot, options),
        default_steps=_EXPERT_STEPS[robot],
        describe="The clipped mean action of a DAPG policy from an .npz file; 5000 episodes where no steps are given.",
        accepts=frozenset({"steps", "seed"}),
        rows_per_second=_ROWS_PER_SECOND[robot],
        requires=frozenset({"policy"}),
    )


def _human_recipe(robot: str) -> Recipe:
    return Recipe(
        make=lambda options: make_human(robot, options),
        default_steps=_HUMAN_STEPS[robot],
        describe="The clipped actions of human demonstrations from an .npz file, played back from their own starts.",
        accepts=frozenset(),
        rows_per_second=_ROWS_PER_SECOND[robot],
        requires=frozenset({"demonstrations"}),
    )


def make_expert(robot: str, options: MakeOptions) -> tuple[D4RLData, Provenance]:
    """D4RL's "expert" recipe with the policy in `options.policy`.

    Raises:
        InvalidFileError: the policy's file is missing, damaged or of another task.
    """
    from continuous.environments.adroit.robots import make_robot
    from continuous.recreate.adroit.collection import collect_expert
    from continuous.recreate.adroit.policy import read_policy

    task, path = find_task(f"{robot}-expert-v1"), _given(options.policy)
    policy = read_policy(path, task.observation_size, task.action_size)
    data = collect_expert(make_robot(robot), policy, options.steps, options.seed)
    return data, _provenance(task.name, options.seed, data.n_rows, f"mean action of the DAPG policy in {path.name}")


def make_human(robot: str, options: MakeOptions) -> tuple[D4RLData, Provenance]:
    """D4RL's "human" recipe with the demonstrations in `options.demonstrations`.

    Raises:
        InvalidFileError: the file is missing, damaged or of another task.
    """
    from continuous.environments.adroit.robots import make_robot
    from continuous.recreate.adroit.collection import replay
    from continuous.recreate.adroit.demonstrations import read_demonstrations

    simulation, path = make_robot(robot), _given(options.demonstrations)
    data = replay(simulation, read_demonstrations(path, simulation))
    notes = f"playback of the human demonstrations in {path.name}"
    return data, _provenance(f"{robot}-human-v1", None, data.n_rows, notes)


def _given(path: Path | None) -> Path:
    assert path is not None, "Recipe.run checks what a recipe requires"
    return path


def _provenance(recipe: str, seed: int | None, steps: int, notes: str) -> Provenance:
    import mujoco

    from ampl import __version__
    from continuous.data.d4rl_data import Provenance

    return Provenance(
        recipe=recipe,
        seed=seed,
        noise=0.0,
        mujoco_version=mujoco.__version__,
        project_version=__version__,
        steps=steps,
        notes=f"{notes}; contacts as in MuJoCo 3.2 where this version allows it",
    )
