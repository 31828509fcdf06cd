"""Episode videos: one episode of a policy, rendered off screen and written with imageio.

.gif needs the package imageio, .mp4 also its ffmpeg plugin. MuJoCo needs OpenGL: without a display set MUJOCO_GL=egl
(with a GPU or Mesa) or MUJOCO_GL=osmesa. The video's frame rate is the simulation's own, halved until 50 or fewer.
"""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError, MissingPackageError, error_words
from ampl.files import SIGNATURE, check_output, write_atomically
from ampl.randomness import stream
from continuous.environments.registry import environment_for
from continuous.evaluation.evaluator import Policy
from continuous.tasks.registry import Task

INSTALL = "pip install 'imageio[ffmpeg]'"
_MOST_FRAMES = 50.0  # a second
_USUAL_FRAMES = 30.0  # likewise, of an environment that does not say
_FFMPEG = ("-metadata", f"comment={SIGNATURE}", "-movflags", "+faststart")  # the comment comes before the frames


def film(task: Task, policy: Policy, path: Path, seed: int) -> float:
    """Runs one episode of a task and writes it as a video; arguments, return and errors as for `record_video`.

    Raises:
        InvalidArgumentError: the task has no pictures.
    """
    check_video(path)
    environment = environment_for(task, render_mode="rgb_array")
    try:
        if environment.render_mode != "rgb_array":
            raise InvalidArgumentError(f"{task.name} has no pictures; leave the video out.")
        return record_video(path, environment, policy, seed)
    finally:
        environment.close()


def record_video(path: Path, environment: Any, policy: Policy, seed: int) -> float:
    """Runs one episode and writes it as a video.

    Args:
        path: .mp4 or .gif; replaced only if this program wrote it.
        environment: a gymnasium.Env made with render_mode "rgb_array"; it is left open.
        policy: as in `evaluation`.
        seed: of the start and of the policy's draws.

    Returns:
        The episode's return.

    Raises:
        InvalidArgumentError: there is no OpenGL to render with.
        AmplError: see `check_video`.
    """
    check_video(path)
    writer = _writer_module(path.suffix)
    rate, stride = float(environment.metadata.get("render_fps") or _USUAL_FRAMES), 1
    while rate > _MOST_FRAMES:
        rate, stride = rate / 2.0, stride * 2
    frames = _Frames(environment, policy, seed, stride)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / f"video{path.suffix}"
        _encode(writer, raw, frames, rate)
        with raw.open("rb") as encoded:
            write_atomically(path, partial(shutil.copyfileobj, encoded))
    return frames.earned


def check_video(path: Path) -> None:
    """Whether a video can be written to `path`, to be asked before the work.

    Raises:
        InvalidArgumentError: another suffix than .mp4 and .gif.
        MissingPackageError: imageio or its plugin is not installed.
        ForeignFileError: `path` holds something else.
        InvalidFileError: `path` cannot be written.
    """
    if path.suffix not in (".mp4", ".gif"):
        raise InvalidArgumentError(f"{path} is neither .mp4 nor .gif; give it one of these endings.")
    _writer_module(path.suffix)
    check_output(path)


class _Frames:
    """The pictures of one episode, made while they are read."""

    def __init__(self, environment: Any, policy: Policy, seed: int, stride: int) -> None:
        self._environment, self._policy, self._seed = environment, policy, seed
        self._stride = stride
        self.earned = 0.0

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        environment = self._environment
        generator = stream(self._seed, "video/actions")
        observation, _ = environment.reset(seed=int(stream(self._seed, "video/start").integers(2**31)))
        step, ended = 0, False
        while not ended:
            if step % self._stride == 0:
                yield self._render()
            action = self._policy(np.asarray(observation, dtype=np.float32)[None], generator)[0].astype(np.float64)
            observation, reward, terminated, truncated, _ = environment.step(action)
            self.earned += float(reward)
            step, ended = step + 1, terminated or truncated

    def _render(self) -> NDArray[np.uint8]:
        import gymnasium
        import mujoco

        try:
            picture: Any = self._environment.render()
        except (mujoco.FatalError, ImportError, AttributeError, RuntimeError) as error:
            of_mujoco = hasattr(self._environment.unwrapped, "mujoco_renderer")
            if not of_mujoco and not isinstance(error, mujoco.FatalError | ImportError):
                raise InvalidArgumentError(f"the environment cannot be drawn ({error_words(error)}).") from error
            _silence_viewer(error)
            raise InvalidArgumentError(
                "MuJoCo finds no OpenGL to render with; set MUJOCO_GL=egl or MUJOCO_GL=osmesa and start again."
            ) from error
        except gymnasium.error.Error as error:  # such as a package that is not installed
            raise InvalidArgumentError(f"the environment cannot be drawn: {error}") from error
        return np.asarray(picture, dtype=np.uint8)


def _silence_viewer(error: Exception) -> None:
    """A viewer whose OpenGL failed while it was made has nothing to free, and would say so when it is deleted."""
    from gymnasium.envs.mujoco.mujoco_rendering import OffScreenViewer

    for frame, _ in traceback.walk_tb(error.__traceback__):
        viewer = frame.f_locals.get("self")
        if isinstance(viewer, OffScreenViewer):
            vars(viewer)["free"] = lambda: None


def _writer_module(suffix: str) -> Any:
    try:
        import imageio.v2

        if suffix == ".mp4":
            import_module("imageio_ffmpeg")  # what imageio's plugin needs
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"{suffix} videos need a package that is not installed: {INSTALL}") from error
    return imageio.v2


def _encode(writer: Any, path: Path, frames: _Frames, rate: float) -> None:
    if path.suffix == ".gif":
        options: dict[str, Any] = {"format": "GIF", "duration": 1000.0 / rate, "comment": SIGNATURE.encode()}
    else:
        options = {"format": "FFMPEG", "fps": rate, "output_params": list(_FFMPEG)}
    with writer.get_writer(path, **options) as video:
        for picture in frames:
            video.append_data(picture)
