"""The MuJoCo models of the Adroit hand, from gymnasium-robotics, with the contacts of D4RL's time as far as they go.

gymnasium-robotics compiles D4RL's XML files to the same models, but newer MuJoCo handles contacts differently. From
3.5.0 on a contact's margin is the sum of the two geoms' margins, no longer their maximum; halved margins restore it.
From 3.3.0 on other collision routines for convex shapes are the default. With both undone pen and hammer follow D4RL's
physics to 2e-5 a step; in an eighth of door and relocate states a difference remains. D4RL's exact physics would need
MuJoCo 3.1.6 or older, which lacks the parallel stepping that this project uses.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import mujoco

from ampl.errors import MissingPackageError, UnknownNameError
from continuous.environments.locomotion.gymnasium import restore_margins

IDENTIFIERS = {
    "pen": "AdroitHandPen-v1",
    "door": "AdroitHandDoor-v1",
    "hammer": "AdroitHandHammer-v1",
    "relocate": "AdroitHandRelocate-v1",
}


def make_raw_environment(robot: str, render_mode: str | None = None) -> Any:
    """gymnasium-robotics' environment without wrappers, its model corrected; rewards and ends of episodes are not.

    Raises:
        UnknownNameError: another robot.
        MissingPackageError: gymnasium-robotics is not installed.
    """
    if robot not in IDENTIFIERS:
        raise UnknownNameError("Adroit robot", robot, IDENTIFIERS)
    import gymnasium

    try:
        # On import the package prints a notice about the very defect that `environments.py` corrects.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            import gymnasium_robotics
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"Adroit tasks need a package that is not installed ({error.name}): pip install gymnasium-robotics"
        ) from error
    gymnasium.register_envs(gymnasium_robotics)
    environment = gymnasium.make(IDENTIFIERS[robot], render_mode=render_mode).unwrapped
    restore_contacts(environment.model)  # type: ignore[attr-defined]
    return environment


def restore_contacts(model: Any) -> None:
    """Gives a freshly compiled model the contacts of MuJoCo 3.2 and older, where this MuJoCo differs."""
    larger = float(model.geom_margin.max())
    restore_margins(model)
    if float(model.geom_margin.max()) < larger:  # margins are summed: two halves make a whole
        # The nail board alone has none; its contacts had the other geom's margin, so it takes a half like the others.
        collides = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
        model.geom_margin[collides] = larger / 2.0
    for name in ("mjDSBL_NATIVECCD", "mjDSBL_MULTICCD"):  # the second was off by default before it became a disable bit
        if hasattr(mujoco.mjtDisableBit, name):
            model.opt.disableflags |= getattr(mujoco.mjtDisableBit, name).value
