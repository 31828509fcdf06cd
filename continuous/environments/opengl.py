"""MuJoCo cannot even be imported where the environment variable MUJOCO_GL names an OpenGL that is not installed."""

from __future__ import annotations

import os

from ampl.errors import InvalidArgumentError


def check_opengl() -> None:
    """Imports MuJoCo where MUJOCO_GL is set.

    Raises:
        InvalidArgumentError: MUJOCO_GL is why it cannot be.
    """
    if not (chosen := os.environ.get("MUJOCO_GL")):
        return
    try:
        import mujoco  # noqa: F401
    except (ImportError, AttributeError, RuntimeError) as error:  # what it finds missing, or a value it does not know
        raise InvalidArgumentError(
            f"MuJoCo does not start with MUJOCO_GL={chosen} ({error}); set MUJOCO_GL=egl (a GPU or Mesa), or unset it "
            "if nothing is drawn, and start again."
        ) from error
