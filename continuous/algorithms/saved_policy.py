"""From what a run recorded to the policy that it is evaluated by, without data, model or simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ampl.interfaces import Actor, State
from continuous.algorithms.ampl.critic import CriticConfig, TwinCritic
from continuous.algorithms.ampl.policy import GaussianPolicyConfig, ImplicitPolicyConfig
from continuous.algorithms.sac.policy import SquashedGaussian, SquashedGaussianConfig
from continuous.networks.acting import BestOfSeveral
from continuous.networks.seed_state import load_seed_state, without_prefix
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
        load_seed_state(best.state_dict(), 0, without_prefix("learner/policy", state))
        return best.snapshot(0)
    kind = _AMPL_POLICIES[settings["policy"]["kind"]]
    policy = kind(**_fields(settings["policy"])).build(*sizes, [0], "cpu")
    critic = TwinCritic(*sizes, CriticConfig(hidden=tuple(settings["critic"]["hidden"])), [0])
    load_seed_state(policy.state_dict(), 0, without_prefix("learner/policy", state))
    load_seed_state(critic.online.state_dict(), 0, without_prefix("learner/critic/online", state))
    return BestOfSeveral(actor=policy.snapshot(0), critic=critic.snapshot(0), count=int(settings["evaluation_actions"]))


def _fields(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A dataclass as config.json has it, as its arguments."""
    values = {name: value for name, value in recorded.items() if name != "kind"}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
