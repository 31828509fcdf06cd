"""Makes the data of the HIV task: `ampl data make hiv-treatment`; about a quarter of an hour.

As in MOPO: everything that an online SAC run saw in its first 200,000 steps. What is reconstructed is at the top of
`data.py`.  Source: MOPO, the HIV experiment of the appendix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from continuous.data.recipes import MakeOptions, Recipe
from continuous.tasks.registry import TASKS, Family

if TYPE_CHECKING:
    from continuous.data.d4rl_data import D4RLData, Provenance

PUBLISHED_STEPS = 200_000

_DESCRIPTION = (
    "Everything that an online SAC run saw, from its first step on, as in MOPO; what MOPO does not say of environment "
    "and learner is reconstructed."
)


def recipes() -> Mapping[str, Recipe]:
    """The one recipe, by the name of its task."""
    recipe = Recipe(make=make, default_steps=PUBLISHED_STEPS, describe=_DESCRIPTION, rows_per_second=130)
    return {task.name: recipe for task in TASKS.values() if task.family is Family.TREATMENT}


def make(options: MakeOptions) -> tuple[D4RLData, Provenance]:
    """Runs SAC; `steps` and `seed` count.

    Raises:
        DivergedError: a parameter of the policy is no longer finite.
        NotConvergedError: the integrator fails.
    """
    from continuous.recreate.hiv.data import SacReplayConfig, replay_of_sac

    steps = PUBLISHED_STEPS if options.steps is None else options.steps
    return replay_of_sac(SacReplayConfig(steps=steps, seed=options.seed))
