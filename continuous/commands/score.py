"""`ampl data score TASK`: what a policy file earns in a task, on D4RL's scale, and how it looks."""

from __future__ import annotations

from pathlib import Path

import torch

from ampl.errors import InvalidArgumentError
from continuous.environments.registry import simulator_maker
from continuous.evaluation.evaluator import Evaluation, Evaluator, Policy, uniform_policy
from continuous.evaluation.video import check_video, film
from continuous.tasks.registry import LOCOMOTION, Family, Task


def score_policy_file(
    task: Task, policy: Path | None, *, episodes: int, seed: int, video: Path | None = None
) -> Evaluation:
    """Evaluates a policy, and films one more episode if a video is asked for.

    Args:
        task: where to act; its time limit and reference returns count.
        policy: locomotion: a behavior policy (.safetensors); Adroit: a DAPG policy (.npz); None: uniform random.
        episodes: >= 1.
        seed: of starts and actions; the same seed gives the same returns.
        video: .mp4 or .gif.

    Raises:
        InvalidArgumentError: no policy file can be read for this family, or fewer than one episode.
        InvalidFileError: the policy cannot be read, or belongs to another task.
        AmplError: the video cannot be made: see `check_video`.
    """
    if video is not None:
        check_video(video)
    act = uniform_policy(task.action_size) if policy is None else load_actor(task, policy)
    with Evaluator(simulator_maker(task)(), episodes=episodes) as evaluator:
        evaluation = evaluator.evaluate([act], [seed])[0]
    if video is not None:
        film(task, act, video, seed)
    return evaluation


def load_actor(task: Task, path: Path) -> Policy:
    """A policy file as something that acts: sampled actions for locomotion, mean actions for Adroit, as D4RL collected.

    Raises:
        InvalidArgumentError: the task's family has no policy files.
        InvalidFileError: the file cannot be read, or its sizes are not the task's.
    """
    if task.family is Family.ADROIT:
        from continuous.recreate.adroit.policy import read_policy

        policy = read_policy(path, task.observation_size, task.action_size)
        return lambda observations, _: policy.act(torch.from_numpy(observations)).numpy()
    if task.family in (*LOCOMOTION, Family.OUT_OF_DISTRIBUTION):
        return _behavior_actor(task, path)
    raise InvalidArgumentError(f"--policy: {task.name} has no policy files; leave it out to score random actions.")


def _behavior_actor(task: Task, path: Path) -> Policy:
    from ampl.errors import InvalidFileError
    from continuous.recreate.online_sac.policy_file import load_policy

    policy, _ = load_policy(path)
    found, expected = (policy.observation_size, policy.action_size), (task.observation_size, task.action_size)
    if found != expected:
        raise InvalidFileError(
            f"{path} maps {found[0]} observations to {found[1]} actions; "
            f"{task.name} has {expected[0]} and {expected[1]}."
        )
    return policy.sampling_snapshot(0)
