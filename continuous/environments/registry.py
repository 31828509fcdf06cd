"""From a task to what runs it: a batched robot for evaluation, a Gymnasium environment for everything else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from ampl.errors import InvalidArgumentError
from continuous.environments.opengl import check_opengl
from continuous.environments.robot import Robot
from continuous.environments.simulator import Simulator
from continuous.linear_gaussian.tasks import find_linear_gaussian
from continuous.tasks.registry import Family, Task

_compiling = threading.Lock()  # MuJoCo 4.0 ends the process where two threads compile a model that it warns of


def robot_for(task: Task) -> Robot:
    """The batched simulation of a task.

    Raises:
        MissingPackageError: an Adroit task without gymnasium-robotics.
        InvalidArgumentError: the HIV task, which is no robot, or see `check_opengl`.
    """
    check_opengl()
    with _compiling:
        match task.family:
            case Family.GYM_MUJOCO | Family.GYM_MUJOCO_V0:
                from continuous.environments.locomotion.robots import ROBOTS

                return ROBOTS[task.robot]()
            case Family.MAZE2D:
                from continuous.environments.maze2d.simulator import Maze2D

                return Maze2D(task.robot, task.dataset)
            case Family.ADROIT:
                from continuous.environments.adroit.robots import make_robot

                return make_robot(task.robot)
            case Family.OUT_OF_DISTRIBUTION:
                from continuous.environments.locomotion import out_of_distribution

                return out_of_distribution.make_robot(task.name)
            case Family.TREATMENT:
                raise InvalidArgumentError(
                    f"{task.name} has no MuJoCo model, which AMPL's start states and MOPO's variant true-error need; "
                    "train mopo with another variant, or damo."
                )
            case Family.LINEAR_GAUSSIAN:
                raise InvalidArgumentError(
                    f"{task.name} has no MuJoCo model, which MOPO's variant true-error needs; train mopo with another "
                    "variant: its truth is recorded with every certificate."
                )
            case Family.OWN:
                raise InvalidArgumentError(
                    "MOPO's variant true-error needs a MuJoCo model of this project, which data of your own have none "
                    "of; train mopo with another variant."
                )


def simulator_maker(task: Task, threads: int | None = None) -> Callable[[], Simulator]:
    """Makes simulators for the evaluation of policies; what a task lacks is said at once.

    Args:
        task: which.
        threads: that step MuJoCo, or processes that step an environment of the user's; None takes every core. The HIV
            task has none.

    Raises:
        MissingPackageError: an Adroit task without gymnasium-robotics.
        InvalidArgumentError: the user's environment cannot be made.
    """
    if task.family is Family.OWN:
        from continuous.environments.gymnasium_simulator import GymnasiumSimulator

        return partial(GymnasiumSimulator, task, threads)
    if task.family is Family.TREATMENT:
        from continuous.environments.hiv.simulator import TreatmentSimulator

        return TreatmentSimulator
    if task.family is Family.LINEAR_GAUSSIAN:
        from continuous.environments.linear_gaussian.simulator import LinearGaussianSimulator

        return partial(LinearGaussianSimulator, find_linear_gaussian(task.name))
    from continuous.environments.batch import BatchSimulator

    return partial(BatchSimulator, robot_for(task), threads)


def kept_simulator(task: Task, threads: int | None = None) -> Simulator:
    """The simulator of a task that this thread keeps, for one evaluation after the other; never closed.

    Args:
        task: which.
        threads: as for `simulator_maker`.

    Raises:
        MissingPackageError: an Adroit task without gymnasium-robotics.
    """
    return _kept_by(threading.get_ident(), task, threads)


@lru_cache(maxsize=16)
def _kept_by(thread: int, task: Task, threads: int | None) -> Simulator:
    """A simulator for one thread: trainings that run side by side evaluate at the same time."""
    return simulator_maker(task, threads)()


def environment_for(task: Task, render_mode: str | None = None) -> Any:
    """The same task as a gymnasium.Env, cut at its time limit.

    Args:
        task: which.
        render_mode: as in Gymnasium; tasks without pictures leave it out.

    Raises:
        MissingPackageError: an Adroit task without gymnasium-robotics.
        InvalidArgumentError: an environment of the user's that cannot be made, or see `check_opengl`.
    """
    if task.family is not Family.OWN:
        check_opengl()
    with _compiling:
        match task.family:
            case Family.GYM_MUJOCO | Family.GYM_MUJOCO_V0:
                from continuous.environments.locomotion import gymnasium as environments

                return environments.make_environment(task.robot, render_mode=render_mode)
            case Family.MAZE2D:
                import gymnasium

                from continuous.environments.maze2d.registration import environment_id, register_environments
                from continuous.environments.maze2d.rewards import Reward

                register_environments()
                return gymnasium.make(environment_id(task.robot, Reward(task.dataset)), render_mode=render_mode)
            case Family.ADROIT:
                from continuous.environments.adroit.environments import make_environment

                return make_environment(task.robot, render_mode=render_mode)
            case Family.OUT_OF_DISTRIBUTION:
                from continuous.environments.locomotion import out_of_distribution

                return out_of_distribution.make_evaluation_environment(task.name, render_mode=render_mode)
            case Family.TREATMENT:
                from continuous.environments.hiv.environment import HivEnvironment
                from continuous.environments.hiv.treatment import HivConfig

                return HivEnvironment(HivConfig.mopo())
            case Family.LINEAR_GAUSSIAN:
                from continuous.environments.linear_gaussian.environment import LinearGaussianEnvironment

                return LinearGaussianEnvironment(find_linear_gaussian(task.name))
            case Family.OWN:
                from continuous.environments.own import own_environment

                return own_environment(task, render_mode)
