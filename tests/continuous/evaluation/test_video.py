"""Videos: one-line errors where something is missing, a playable file where nothing is."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import numpy as np
import pytest
from gymnasium.envs.mujoco.mujoco_rendering import OffScreenViewer

from ampl.errors import ForeignFileError, InvalidArgumentError, MissingPackageError
from continuous.environments.registry import environment_for
from continuous.evaluation.evaluator import uniform_policy
from continuous.evaluation.video import record_video
from continuous.tasks.find import find_task

pytest.importorskip("imageio")


def test_a_maze_episode_becomes_a_video_and_only_our_own_is_replaced(tmp_path: Path) -> None:
    """The maze draws itself, so this needs no OpenGL."""
    path = tmp_path / "maze.gif"
    environment = environment_for(find_task("maze2d-umaze-dense-v1"), render_mode="rgb_array")
    earned = record_video(path, environment, uniform_policy(2), seed=0)
    import imageio.v2

    frames = imageio.v2.mimread(path, memtest=False)
    assert 2 <= len(frames) <= 150  # 300 steps at 100 a second, every second one shown; equal pictures are merged
    assert record_video(path, environment, uniform_policy(2), seed=0) == earned > 0
    path.write_bytes(b"somebody's film")
    with pytest.raises(ForeignFileError, match="it stays"):
        record_video(path, environment, uniform_policy(2), seed=0)
    assert path.read_bytes() == b"somebody's film"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_packages_and_endings_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = environment_for(find_task("maze2d-umaze-v1"), render_mode="rgb_array")
    with pytest.raises(InvalidArgumentError, match=r"neither .mp4 nor .gif"):
        record_video(tmp_path / "film.avi", environment, uniform_policy(2), 0)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'imageio\[ffmpeg\]'"):
        record_video(tmp_path / "film.mp4", environment, uniform_policy(2), 0)
    monkeypatch.setitem(sys.modules, "imageio.v2", None)
    with pytest.raises(MissingPackageError, match="pip install"):
        record_video(tmp_path / "film.gif", environment, uniform_policy(2), 0)
    assert not list(tmp_path.iterdir())


def test_without_opengl_the_error_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mujoco

    environment = environment_for(find_task("maze2d-umaze-v1"), render_mode="rgb_array")

    def fail(*_: object) -> np.ndarray:
        raise mujoco.FatalError("an OpenGL platform library has not been loaded")

    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    monkeypatch.setattr(OffScreenViewer, "_get_opengl_backend", fail)  # leaves a viewer that has nothing to free
    monkeypatch.setattr(environment, "render", lambda: OffScreenViewer(None, None, 8, 8))
    with pytest.raises(InvalidArgumentError, match="MUJOCO_GL=egl"):
        record_video(tmp_path / "film.gif", environment, uniform_policy(2), 0)
    gc.collect()
    assert not complaints
    assert not list(tmp_path.iterdir())


def test_an_environment_that_cannot_draw_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = environment_for(find_task("maze2d-umaze-v1"), render_mode="rgb_array")

    def fail(*_: object) -> np.ndarray:
        raise AttributeError("no brush")

    monkeypatch.setattr(type(environment.unwrapped), "render", fail)
    with pytest.raises(InvalidArgumentError, match=r"cannot be drawn \(AttributeError: no brush\)"):
        record_video(tmp_path / "film.gif", environment, uniform_policy(2), 0)
