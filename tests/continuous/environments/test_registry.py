"""Simulations and environments are made one at a time: MuJoCo ends the process where two threads compile models."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ampl.errors import InvalidArgumentError
from continuous.environments import own
from continuous.environments.locomotion import gymnasium, robots
from continuous.environments.registry import environment_for, robot_for
from continuous.tasks.find import find_task


def test_threads_make_them_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    task, inside, most = find_task("hopper-medium-v2"), threading.Semaphore(1), []

    def make(*_: Any, **__: Any) -> None:
        most.append(inside.acquire(blocking=False))
        time.sleep(0.02)  # long enough for another thread to come in, were it let
        inside.release()

    monkeypatch.setattr(robots, "ROBOTS", {"hopper": make})
    monkeypatch.setattr(gymnasium, "make_environment", make)
    with ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(function, task) for function in (robot_for, environment_for) * 2]:
            made.result()
    assert most == [True] * 4


def test_where_mujoco_does_not_start_for_its_opengl_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    task = find_task("hopper-medium-v2")
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    monkeypatch.setitem(sys.modules, "mujoco", None)
    for make in (lambda: robot_for(task), lambda: environment_for(task), lambda: own.make("none", lambda: 1 / 0)):
        with pytest.raises(InvalidArgumentError, match="does not start with MUJOCO_GL=osmesa"):
            make()
    monkeypatch.delenv("MUJOCO_GL")
    with pytest.raises(InvalidArgumentError, match="ZeroDivisionError"):
        own.make("none", lambda: 1 / 0)
