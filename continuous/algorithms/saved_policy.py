"""From what a run recorded to the policy that it is evaluated by, without data, model or simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ampl.interfaces import Actor, State
from continuous.algorithms.ampl.critic import CriticConfig, TwinCritic
from continuous.algorithms.ampl.policy import GaussianPolicyConfig, ImplicitPolicyConfig
from continuous.algorithms.sac.policy import SquashedGaussian, SquashedGaussianConfig
from continuous.networks.acting import BestOfSeveral
from continuous.networks.stacks import FlatParameters
from continuous.tasks.registry import Task

_AMPL_POLICIES = {kind.__name__: kind for kind in (ImplicitPolicyConfig, GaussianPolicyConfig)}


def saved_policy(algorithm: str, task: Task, settings: Mapping[str, Any], state: State) -> Actor:
    """The policy in a checkpoint.

    Args:
        algorithm: "ampl", "mopo" or "damo".
        task: whose observations and actions it has.
        settings: of the run, as config.json has them.
        state: of the checkpoint.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: settings and state are not those of this version.
    """
    sizes = (task.observation_size, task.action_size)
    if algorithm != "ampl":
        learner = settings["learner"]
        network = learner.get("learner", learner)["policy"]  # DAMO's learner has MOPO's inside
        best = SquashedGaussian(*sizes, SquashedGaussianConfig(**_fields(network)), [0])
        _fill(best.parameters, state["learner/policy"])
        return best.snapshot(0)
    kind = _AMPL_POLICIES[settings["policy"]["kind"]]
    policy = kind(**_fields(settings["policy"])).build(*sizes, [0], "cpu")
    critic = TwinCritic(*sizes, CriticConfig(hidden=tuple(settings["critic"]["hidden"])), [0])
    _fill(policy.parameters, state["learner/policy"])
    _fill(critic.online.parameters, state["learner/critic/online"])
    return BestOfSeveral(actor=policy.snapshot(0), critic=critic.snapshot(0), count=int(settings["evaluation_actions"]))


def _fields(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A dataclass as config.json has it, as its arguments."""
    values = {name: value for name, value in recorded.items() if name != "kind"}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _fill(parameters: FlatParameters, values: np.ndarray[Any, Any]) -> None:
    parameters.set_seed(0, torch.from_numpy(np.array(values)))
