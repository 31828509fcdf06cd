"""The exact wing as `ampl train` sees it: its tasks, algorithms and variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ampl.errors import InvalidArgumentError
from ampl.interfaces import Algorithm

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

    def build(self, algorithm: str, task: str, variant: str, seeds: Sequence[int], device: str) -> Algorithm:
        """The algorithm on a sampled dataset; exact linear algebra runs on the CPU only.

        Raises:
            InvalidArgumentError: device "cuda".
        """
        from tabular.ampl import AMPLConfig, TabularAMPL
        from tabular.environments import environment_mdp

        if device == "cuda":
            raise InvalidArgumentError(f"--device is cuda; {task} is solved exactly on the CPU. Use --device cpu.")
        mdp = environment_mdp(task, _DISCOUNT)
        return TabularAMPL(mdp, seeds, AMPLConfig(), weighted=variant == "main")


WING = TabularWing()
