"""The policy of a run, taken out of its newest checkpoint: it acts without the data and without a simulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ampl.catalog import Choice, choose, recorded_task
from ampl.errors import InvalidArgumentError, InvalidFileError, InvalidShapeError
from ampl.interfaces import Actor, FilmsPolicies, GivesModules, GivesPolicies
from ampl.randomness import stream
from ampl.runs.checkpoints import Checkpoint
from ampl.runs.run_evaluation import newest_checkpoint, one_run, read_config

_SHOWN_LETTERS = 80  # of an observation that is none


@dataclass(frozen=True, kw_only=True)
class SavedPolicy:
    """A policy as its algorithm evaluates it.

    Attributes:
        epoch: epochs completed when it was saved.
        observation_shape: of one observation: (D,), or () where it is the number of a state.
        actor: the function behind `act`.
        generator: of the actions that are drawn.
        make_module: what `module` calls.
    """

    epoch: int
    observation_shape: tuple[int, ...]
    actor: Actor = field(repr=False)
    generator: np.random.Generator = field(repr=False)
    make_module: Callable[[], Any] = field(repr=False)

    def act(self, observation: ArrayLike, *, sample: bool = False) -> NDArray[Any]:
        """The action at an observation, or those at E of them.

        Args:
            sample: draw the action as training draws it; otherwise as evaluations take it.
            observation: [D] or [E, D], in the task's units; of a finite problem an integer, or [E] of them. Where an
                environment of the user's own has Dict observations, flattened by `gymnasium.spaces.flatten`.

        Returns:
            [A] or [E, A] in the environment's units, which are [-1, 1] on the tasks of `ampl data list`; of a finite
            problem an integer, or [E] of them.

        Raises:
            InvalidShapeError: an observation of another shape.
            InvalidArgumentError: one that is not finite, or not the number of a state.
        """
        rows, size = np.asarray(observation), len(self.observation_shape)
        if rows.shape[rows.ndim - size :] != self.observation_shape or not 0 <= rows.ndim - size <= 1:
            one = ", ".join(map(str, self.observation_shape))
            many = f"E, {one}" if one else "E"
            raise InvalidShapeError(
                f"the observation has shape {list(rows.shape)}; expected [{one}], or [{many}] for E at once."
            )
        numeric = rows.dtype.kind in ("fiu" if size else "iu")
        if size and numeric:
            with np.errstate(over="ignore"):  # what is beyond float32 is infinite then
                rows = rows.astype(np.float32)
        if not numeric or not np.isfinite(rows).all():
            wanted = "finite numbers within float32" if size else "the number of a state, an integer"
            raise InvalidArgumentError(f"the observation is {str(observation)[:_SHOWN_LETTERS]}; expected {wanted}.")
        take = getattr(self.actor, "draw", self.actor) if sample else self.actor
        actions = take(rows if rows.ndim > size else rows[None], self.generator)
        return actions if rows.ndim > size else actions[0]

    def module(self) -> Any:
        """The policy as evaluations take it, as a plain `torch.nn.Module` that can be traced and exported.

        It takes float32 observations [E, D], or [D], and gives actions in the environment's units. Deep AMPL draws the
        actions that it chooses among, with PyTorch's own generator.

        Raises:
            InvalidArgumentError: a policy of a finite problem, or of a plugin without modules.
        """
        made = self.make_module()
        if made is None:
            raise InvalidArgumentError("this policy has no networks, so no torch module; use `act`.")
        return made


def load_policy(run_directory: str | Path, *, seed: int = 0, data: str | PathLike[str] | None = None) -> SavedPolicy:
    """The newest policy of a run, finished or not; neither its data nor a simulator is needed, but a user's own MDP is.

    It acts as it is evaluated: deep MOPO and DAMO take their best action, deep AMPL the best of several that it draws,
    and policies of finite problems draw.

    Args:
        run_directory: of one seed, .../seedK: `ampl.train(...)[0].path`.
        seed: of the actions that are drawn.
        data: where the file of a finite MDP of the user's own is now; None: where it was.

    Raises:
        InvalidFileError: no run directory (the message names those below it), no checkpoint that can be read, one of
            another version of the program, or the file of the MDP is not there, or not as it was.
        UnknownNameError: the algorithm is not installed.
        InvalidArgumentError: it belongs to a plugin that gives no policies, or `run_directory` is no path.
    """
    choice, checkpoint, shape, actor = _saved(one_run(run_directory), data)

    def make_module() -> Any:
        factory = choice.factory
        return factory.policy_module(choice.problem, actor) if isinstance(factory, GivesModules) else None

    in_units = actor if choice.own is None else choice.own.source.in_units(choice.problem, actor)
    return SavedPolicy(
        epoch=checkpoint.epoch,
        observation_shape=shape,
        actor=in_units,
        generator=stream(seed, "policy/actions"),
        make_module=make_module,
    )


def film_policy(run_directory: Path, video: Path, *, seed: int = 0) -> float:
    """Writes one episode of the newest policy of a run as a video, and returns its return.

    Raises:
        InvalidArgumentError: its problem has no pictures.
        AmplError: as for `load_policy`, or the video cannot be made.
    """
    choice, _, _, actor = _saved(one_run(run_directory))
    if not isinstance(choice.factory, FilmsPolicies):
        raise InvalidArgumentError(f"{choice.task} has no pictures; leave the video out.")
    return choice.factory.film(choice.problem, actor, video, seed)


def _saved(path: Path, data: str | PathLike[str] | None = None) -> tuple[Choice, Checkpoint, tuple[int, ...], Actor]:
    """What a run is of, its newest checkpoint, and the policy in it; errors as for `load_policy`."""
    config, checkpoint = read_config(path), newest_checkpoint(path)
    choice = choose(config["algorithm"], recorded_task(config, data), config["variant"])
    if not isinstance(choice.factory, GivesPolicies):
        raise InvalidArgumentError(f"algorithm '{choice.algorithm}' gives no policies; see docs/plugins.md.")
    try:
        shape, actor = choice.factory.saved_policy(choice.problem, config["settings"], checkpoint.state)
    except (KeyError, TypeError, ValueError, RuntimeError, InvalidShapeError, InvalidArgumentError) as error:
        raise InvalidFileError(
            f"the policy of {path} does not fit this version of the program ({error}). Use the version whose commit is "
            "in its manifest.json, or train anew."
        ) from error
    return choice, checkpoint, shape, actor
