"""Simulations and environments are made one at a time: MuJoCo ends the process where two threads compile models."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

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
