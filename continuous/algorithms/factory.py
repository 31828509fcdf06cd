"""A deep algorithm as `ampl train` sees it, in front of all that needs PyTorch: names are listed at once.

Each algorithm is a folder whose `__init__.py` holds its `DeepFactory`, and a line in the entry points `ampl.algorithms`
of pyproject.toml that names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ampl.errors import InvalidArgumentError

if TYPE_CHECKING:
    from ampl.arithmetic import Arithmetic
    from ampl.interfaces import Actor, Algorithm, State
    from ampl.scale import Scale
    from continuous.algorithms.offline import AnyAlgorithm
    from continuous.tasks.registry import Task


class DeepFactory:
    """An algorithm with deep components; an `ampl.interfaces.AlgorithmFactory`.

    Args:
        name: as on the command line.
        presets: the module of its settings: `published_config(task, variant)`, a `continuous.algorithms.config
            .OfflineConfig`; `preset_notes(task, variant, config)`, lines on what no source gives; and `VARIANTS`, what
            each variant changes.
        built_as: MODULE:CLASS of its `continuous.algorithms.offline.OfflineAlgorithm`, whose `on_data` makes it and
            whose `saved_actor` takes its policy out of a checkpoint.
        variants: what each is, in a sentence; the first is the default. The tables of variants in `docs/` are made from
            this (`python -m ampl.variant_tables`).
    """

    def __init__(self, name: str, *, presets: str, built_as: str, variants: Mapping[str, str]) -> None:
        self.name, self.variants = name, variants
        self._presets, self._built_as = presets, built_as

    @property
    def presets(self) -> ModuleType:
        """The module of its settings."""
        return import_module(self._presets)

    @property
    def algorithm(self) -> type[AnyAlgorithm]:
        """Its class."""
        found: type[AnyAlgorithm] = resolve_name(self._built_as)
        return found

    def default_epochs(self, problem: Task, variant: str) -> int:
        """As the variant's own settings say."""
        return self.settings(problem, variant).schedule.epochs

    def settings(self, problem: Task, variant: str) -> Any:
        """The published settings."""
        return self.presets.published_config(problem, variant)

    def setting_notes(self, problem: Task, variant: str) -> Sequence[str]:
        """What no source gives; an `ampl.interfaces.KnowsSources`."""
        found: Sequence[str] = self.presets.preset_notes(problem, variant, self.settings(problem, variant))
        return found

    def build(
        self,
        problem: Task,
        variant: str,
        seeds: Sequence[int],
        device: str,
        scale: Scale,
        arithmetic: Arithmetic,
    ) -> Algorithm:
        """The algorithm on a task's dataset, which must be in D4RL's cache folder.

        Raises:
            InvalidArgumentError: device "cuda" without a usable GPU, or a scale that the schedule cannot take.
            InvalidFileError: the dataset is not there, or damaged; the message says how to get it.
        """
        from continuous.algorithms.build import build

        where = choose_device(device)
        return build(self.algorithm, self.presets, problem, variant, seeds, where, scale, arithmetic)

    def saved_policy(self, problem: Task, settings: Mapping[str, Any], state: State) -> tuple[tuple[int, ...], Actor]:
        """On observations of the task; an `ampl.interfaces.GivesPolicies`."""
        sizes = (problem.observation_size, problem.action_size)
        return sizes[:1], self.algorithm.saved_actor(sizes, settings, state)

    def policy_module(self, problem: Task, actor: Actor) -> Any:
        """As a `torch.nn.Module`; an `ampl.interfaces.GivesModules`."""
        from continuous.networks.modules import ScaledModule, as_module

        made = as_module(actor)
        if made is None or problem.own is None:
            return made
        return ScaledModule(made, problem.own.action_low, problem.own.action_high).eval()

    def film(self, problem: Task, actor: Actor, path: Path, seed: int) -> float:
        """One episode as a video; an `ampl.interfaces.FilmsPolicies`."""
        from continuous.evaluation.video import film

        return film(problem, actor, path, seed)


def choose_device(device: str) -> str:
    """The device "cpu" or "cuda" from "auto", "cpu" or "cuda".

    Raises:
        InvalidArgumentError: "cuda" where PyTorch finds no GPU.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidArgumentError("--device is cuda, but PyTorch finds no usable GPU here. Use --device cpu.")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device
