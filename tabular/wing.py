"""The exact wing as `ampl train` sees it: its tasks, algorithms and variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ampl.arithmetic import Arithmetic
from ampl.errors import InvalidArgumentError
from ampl.interfaces import Actor, Algorithm, ProblemKind, State, Wing
from ampl.scale import Scale
from ampl.settings import apply_settings

if TYPE_CHECKING:
    from tabular.algorithms.offline_learner import OfflineConfig

_EPOCHS = 20
_DISCOUNT = 0.99


class TabularWing:
    """Finite MDPs, and AMPL, MOPO and DAMO with exact components; an `ampl.interfaces.Wing`."""

    kind: ProblemKind = "finite"

    def tasks(self) -> Sequence[str]:
        """Toy-text environments, grid worlds and random MDPs."""
        from tabular.mdps.tasks import TASKS

        return list(TASKS)

    def algorithms(self) -> Mapping[str, Mapping[str, str]]:
        """The three papers', each with its ablations."""
        from tabular.algorithms import ampl, damo, mopo

        return {"ampl": ampl.VARIANTS, "mopo": mopo.VARIANTS, "damo": damo.VARIANTS}

    def default_epochs(self, algorithm: str, task: str, variant: str) -> int:
        """Exact policy iteration settles within a few epochs of each refit; twenty see three refits."""
        return _EPOCHS

    def settings(self, algorithm: str, task: str, variant: str) -> OfflineConfig:
        """The same for every task and variant."""
        from tabular.algorithms.ampl import AMPLConfig
        from tabular.algorithms.damo import DAMOConfig
        from tabular.algorithms.mopo import MOPOConfig

        return {"ampl": AMPLConfig, "mopo": MOPOConfig, "damo": DAMOConfig}[algorithm]()

    def build(
        self,
        algorithm: str,
        task: str,
        variant: str,
        seeds: Sequence[int],
        device: str,
        scale: Scale,
        arithmetic: Arithmetic,
    ) -> Algorithm:
        """The algorithm on a sampled dataset; exact linear algebra runs on the CPU only, and small matrices on a core.

        Raises:
            InvalidArgumentError: device "cuda", or steps asked for.
        """
        from tabular.algorithms.ampl import AMPLConfig, TabularAMPL
        from tabular.algorithms.damo import DAMOConfig, TabularDAMO
        from tabular.algorithms.mopo import MOPOConfig, TabularMOPO
        from tabular.mdps.tasks import task_mdp

        if device == "cuda":
            raise InvalidArgumentError(f"--device is cuda; {task} is solved exactly on the CPU. Use --device cpu.")
        steps = {
            "--steps-per-epoch": scale.steps_per_epoch,
            "--miw-steps": scale.weight_steps,
            "--model-steps": scale.model_steps,
        }
        for option in (option for option, count in steps.items() if count is not None):
            raise InvalidArgumentError(f"{option} is given; {task} is solved exactly, without steps. Leave it out.")
        config = apply_settings(self.settings(algorithm, task, variant), scale.settings)
        mdp = task_mdp(task, _DISCOUNT)
        if isinstance(config, MOPOConfig):
            return TabularMOPO(mdp, seeds, config, variant)
        if isinstance(config, DAMOConfig):
            return TabularDAMO(mdp, seeds, config, variant)
        assert isinstance(config, AMPLConfig)
        return TabularAMPL(mdp, seeds, config, weighted=variant == "main")

    def saved_policy(
        self, algorithm: str, task: str, settings: Mapping[str, Any], state: State
    ) -> tuple[tuple[int, ...], Actor]:
        """Draws actions at the numbers of states; an `ampl.interfaces.GivesPolicies`."""
        from tabular.algorithms.saved_policy import DrawnAction

        return (), DrawnAction(state["policy"])


WING: Wing = TabularWing()
