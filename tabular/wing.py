"""The exact wing as `ampl train` sees it: its tasks, algorithms and variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ampl.errors import InvalidArgumentError
from ampl.interfaces import Algorithm
from ampl.scale import Scale

_EPOCHS = 20
_DISCOUNT = 0.99


class TabularWing:
    """Toy-text environments and AMPL with exact components; an `ampl.interfaces.Wing`."""

    def tasks(self) -> Sequence[str]:
        """The toy-text environments."""
        from tabular.environments import ENVIRONMENTS

        return list(ENVIRONMENTS)

    def algorithms(self) -> Mapping[str, Sequence[str]]:
        """AMPL, and its ablation whose refits are not weighted."""
        return {"ampl": ["main", "nw"]}

    def default_epochs(self, algorithm: str, task: str) -> int:
        """Exact policy iteration settles within a few epochs of each refit; twenty see three refits."""
        return _EPOCHS

    def build(
        self,
        algorithm: str,
        task: str,
        variant: str,
        seeds: Sequence[int],
        device: str,
        scale: Scale,
        threads: int | None,
    ) -> Algorithm:
        """The algorithm on a sampled dataset; exact linear algebra runs on the CPU only, and small matrices on a core.

        Raises:
            InvalidArgumentError: device "cuda", or steps asked for.
        """
        from tabular.ampl import AMPLConfig, TabularAMPL
        from tabular.environments import environment_mdp

        if device == "cuda":
            raise InvalidArgumentError(f"--device is cuda; {task} is solved exactly on the CPU. Use --device cpu.")
        if scale.steps_per_epoch is not None or scale.weight_steps is not None:
            option = "--miw-steps" if scale.steps_per_epoch is None else "--steps-per-epoch"
            raise InvalidArgumentError(f"{option} is given; {task} is solved exactly, without steps. Leave it out.")
        mdp = environment_mdp(task, _DISCOUNT)
        return TabularAMPL(mdp, seeds, AMPLConfig(), weighted=variant == "main")


WING = TabularWing()
