"""Any Gymnasium environment with Box spaces, as a task on data of the user's own has it.

An environment is named by a text that makes it again in any process: an id; MODULE:FUNCTION; or, where it was made with
arguments, the JSON of id, arguments and time limit. A function or an object without such a text is kept as it is.
"""

from __future__ import annotations

import copy
import io
import json
import math
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Space, Tuple, flatten
from gymnasium.wrappers import FlattenObservation, TimeLimit, TransformAction

from ampl.errors import AmplError, InvalidArgumentError, error_words
from continuous.environments.opengl import check_opengl
from continuous.tasks.own import Portable, find_function, name_of, unscaled
from continuous.tasks.registry import Task

_RULES = {
    "Hopper": "hopper",
    "Walker2d": "walker2d",
    "HalfCheetah": "halfcheetah",
    "Ant": "ant",
    "Humanoid": "humanoid",
}
"""Gymnasium's robots, whose rules `continuous.tasks.termination` has, by the name in their ids."""

_EXPECTED = (
    "expected the id of a Gymnasium environment, MODULE:FUNCTION that makes one, or none to train without evaluation"
)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What an environment says of itself."""

    name: str  # for messages
    observation_size: int  # of flattened observations
    action_size: int
    action_bounds: tuple[tuple[float, ...], tuple[float, ...]]  # low and high, infinite where there is none
    episode_limit: int | None  # steps; None: it names none
    termination: str | None  # the rule known for it
    notes: tuple[str, ...]


def environment_text(given: Any) -> tuple[str | None, Callable[[], Any] | None]:
    """From what a user gives to the text that makes it, and the function where no text does.

    Args:
        given: an id, MODULE:FUNCTION, "none", an environment, or a function that makes one.

    Raises:
        InvalidArgumentError: something else.
    """
    if isinstance(given, str):
        return (None if given == "none" else given), None
    if isinstance(given, gymnasium.Env):
        if text := _text_of(given):
            return text, None
        return name_of(type(given)), Portable(partial(copy.deepcopy, given))
    if callable(given):
        return name_of(given), Portable(given)
    raise InvalidArgumentError(f"env is a {type(given).__name__}; {_EXPECTED}.")


def _text_of(environment: Any) -> str | None:
    """The text that makes an environment again; None if it has wrappers of its own, or is not registered."""
    spec = environment.spec
    if spec is None or spec.additional_wrappers or _registered(spec.id) is None:
        return None
    arguments = {name: value for name, value in spec.kwargs.items() if name != "render_mode"}
    return text_of_spec(spec.id, arguments, spec.max_episode_steps)


def text_of_spec(name: str, arguments: dict[str, Any], limit: int | None) -> str | None:
    """The text for an id with arguments and a time limit; None if they are no JSON values."""
    known = _registered(name)
    if known is not None and known.kwargs == arguments and known.max_episode_steps == limit:
        return name
    try:
        return json.dumps({"id": name, "kwargs": arguments, "max_episode_steps": limit})
    except (TypeError, ValueError):
        return None


def _registered(name: str) -> Any:
    """What Gymnasium knows of an id, those of gymnasium-robotics included; None: nothing."""
    if name not in gymnasium.registry:
        with suppress(ImportError), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            import_module("gymnasium_robotics")  # registers its environments, with a notice about some of them
    return gymnasium.registry.get(name)


def shown(text: str) -> str:
    """A text in messages: JSON as its id."""
    try:
        return str(json.loads(text)["id"]) if text.startswith("{") else text
    except (ValueError, KeyError):
        return text


def make(text: str, made: Callable[[], Any] | None = None, **options: Any) -> Any:
    """The environment, as it is.

    Args:
        text: from `environment_text`.
        made: likewise.
        options: for `gymnasium.make`, such as render_mode.

    Raises:
        InvalidArgumentError: it cannot be made, or is no Gymnasium environment.
    """
    try:
        found = (made or partial(_from_text, text, **options))()
    except InvalidArgumentError:
        raise
    except (Exception, SystemExit) as error:  # whatever the environment's own code raises
        check_opengl()
        raise InvalidArgumentError(
            f"the environment {shown(text)} cannot be made ({error_words(error)}); {_EXPECTED}."
        ) from error
    if not isinstance(found, gymnasium.Env):
        raise InvalidArgumentError(f"the environment {shown(text)} is a {type(found).__name__}; {_EXPECTED}.")
    return found


def _from_text(text: str, **options: Any) -> Any:
    if text.startswith("{"):
        named = json.loads(text)
        _registered(named["id"])
        limit = -1 if named["max_episode_steps"] is None else named["max_episode_steps"]  # -1: none, not the id's own
        return gymnasium.make(named["id"], max_episode_steps=limit, **(named["kwargs"] | options))
    if ":" in text and not text.rpartition("-v")[2].isdigit():  # MODULE:ID-v0 is Gymnasium's own notation
        return find_function(text, "--env")()
    _registered(text)
    return gymnasium.make(text, **options)


def survey(text: str, made: Callable[[], Any] | None) -> Survey:
    """What an environment says of itself; arguments and errors as for `make`, and its spaces must be Boxes."""
    environment, name = make(text, made), shown(text)
    try:
        observations, actions, spec = environment.observation_space, environment.action_space, environment.spec
        size = sum(_size(part, "observations", name) for _, part in _parts(observations))
        if not isinstance(actions, Box) or actions.dtype.kind != "f":
            raise _not_supported(name, "actions", actions)
        low, high = (tuple(bound.ravel().astype(float).tolist()) for bound in (actions.low, actions.high))
        _try_out(environment, observations, size)
        notes = []
        if isinstance(observations, Dict | Tuple):
            order = ", ".join(path for path, _ in _parts(observations))
            notes.append(f"observations of {name} are flattened to {size} numbers, in the order {order}")
        return Survey(
            name=name,
            observation_size=size,
            action_size=_size(actions, "actions", name),
            action_bounds=(low, high),
            episode_limit=_limit(environment),
            termination=_known_rule(spec),
            notes=tuple(notes),
        )
    except AmplError:
        raise
    except (Exception, SystemExit) as error:  # whatever the environment's own code raises
        raise InvalidArgumentError(
            f"the environment {name} does not run ({error_words(error)}); {_EXPECTED}."
        ) from error
    finally:
        with suppress(Exception):
            environment.close()


def _try_out(environment: Any, observations: Space[Any], size: int) -> None:
    """One reset and one step, so that what is wrong with them is found before anything is trained."""
    observation, _ = environment.reset(seed=0)
    after, reward, _, _, _ = environment.step(environment.action_space.sample())
    for found in (observation, after):
        flat: Any = flatten(observations, found)
        if np.size(flat) != size:
            raise ValueError(f"an observation has {np.size(flat)} numbers where its space has {size}")
        if not np.isfinite(flat).all():
            raise ValueError("an observation is not finite")
    if np.ndim(reward) or not math.isfinite(reward):
        raise ValueError(f"a reward is {reward!r}, and no finite number")


def _limit(environment: Any) -> int | None:
    """Steps until it cuts an episode: of what is registered, or of a TimeLimit around it; None: no limit."""
    found = [] if environment.spec is None else [environment.spec.max_episode_steps]
    while isinstance(environment, gymnasium.Wrapper):
        if isinstance(environment, TimeLimit):
            found.append(environment._max_episode_steps)
        environment = environment.env
    return min((steps for steps in found if steps is not None), default=None)


def _parts(space: Space[Any], path: str = "") -> Iterator[tuple[str, Space[Any]]]:
    """The parts of a space in the order of `gymnasium.spaces.flatten`, with their keys."""
    if isinstance(space, Dict):
        children: Any = space.spaces.items()
    elif isinstance(space, Tuple):
        children = enumerate(space.spaces)
    else:
        yield path, space
        return
    for key, child in children:
        yield from _parts(child, f"{path}/{key}".lstrip("/"))


def _size(space: Space[Any], what: str, name: str) -> int:
    if not isinstance(space, Box) or space.dtype == np.uint8 or len(space.shape) > 2 or not np.prod(space.shape):
        raise _not_supported(name, what, space)
    return int(np.prod(space.shape))


def _not_supported(name: str, what: str, space: Any) -> InvalidArgumentError:
    found = " ".join(str(space).split())[:120]
    return InvalidArgumentError(
        f"{name} has {what} in {found}; expected Box spaces of numbers: discrete ones, images and actions that are "
        "integers are not supported."
    )


def _known_rule(spec: Any) -> str | None:
    """The rule of a robot as Gymnasium has it: arguments could change when it ends, or what it observes."""
    if spec is None or spec.additional_wrappers or spec.namespace is not None:
        return None
    arguments = {name: value for name, value in spec.kwargs.items() if name != "render_mode"}
    known = _registered(spec.id)
    return _RULES.get(spec.name) if known is not None and known.kwargs == arguments else None


def own_environment(task: Task, render_mode: str | None = None) -> Any:
    """The environment of a task with flat observations, and actions in [-1, 1], cut at the task's time limit.

    Raises:
        InvalidArgumentError: the task has none, or it cannot be made.
    """
    own = task.own
    if own is None or own.environment is None:
        raise InvalidArgumentError(f"{task.name} has no environment (--env none).")
    options = {} if render_mode is None else {"render_mode": render_mode}
    environment = make(own.environment, own.made, **options)
    inner, flat = environment.action_space, Box(-1.0, 1.0, (task.action_size,), np.float64)
    if len(environment.observation_space.shape or ()) != 1:
        environment = FlattenObservation(environment)

    def in_units(action: Any) -> Any:
        return unscaled(own, np.clip(action, -1.0, 1.0)).reshape(inner.shape).astype(inner.dtype)

    return TransformAction(TimeLimit(environment, task.episode_limit), in_units, flat)
