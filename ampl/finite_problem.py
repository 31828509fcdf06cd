"""Data sampled from a finite MDP together with the truth behind them, so that deep components can be judged by it.

The deep wing knows no exact mathematics and the tabular one no networks; what passes between them is this plain record.
A provider is announced in the entry-point group `ampl.finite_problems`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ampl.entry_points import FINITE_PROBLEMS, load
from ampl.errors import InvalidShapeError
from ampl.interfaces import Array


@dataclass(frozen=True, kw_only=True, eq=False)
class FiniteProblem:
    """N transitions and M start states of a finite MDP, a sequence of G target policies, and what is true of each.

    Rows are independent: (s, a) from d_b, the discounted occupancy of the behavior policy, and s' from P*(. | s, a).
    """

    n_states: int  # S
    n_actions: int  # A
    discount: float  # in [0, 1)
    state: Array  # s, [N], integers
    action: Array  # a, [N], integers
    reward: Array  # r(s, a), [N]
    next_state: Array  # s', [N], integers
    terminal: Array  # [N], bool; whether s' ends the episode
    start_state: Array  # draws from mu0, [M], integers
    policies: Array  # pi_g(a | s), [G, S, A]
    exact_weights: Array  # d_pi / d_b of each policy under the true dynamics, [G, S, A]; mean one under d_b
    action_values: Array  # Q_pi of each policy under the true dynamics, [G, S, A]; reward units, without (1 - discount)
    expected_return: Array  # J(pi_g, P*), normalized, [G]
    behavior: Array  # pi_b(a | s), [S, A]
    initial: Array  # mu0(s), [S]
    dynamics: Array  # P*(s' | s, a), [S, A, S]
    reward_table: Array  # r(s, a), [S, A]

    def __post_init__(self) -> None:
        """Raises InvalidShapeError where an array disagrees with S, A, N or G."""
        rows, policies = len(self.state), len(self.policies)
        table = (self.n_states, self.n_actions)
        shapes: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(("state", "action", "reward", "next_state", "terminal"), (rows,)),
            **dict.fromkeys(("policies", "exact_weights", "action_values"), (policies, *table)),
            **dict.fromkeys(("behavior", "reward_table"), table),
            "start_state": (len(self.start_state),),
            "expected_return": (policies,),
            "dynamics": (*table, self.n_states),
            "initial": (self.n_states,),
        }
        for name, expected in shapes.items():
            found = getattr(self, name).shape
            if found != expected:
                raise InvalidShapeError(
                    f"{name} of a finite problem has shape {list(found)}; expected {list(expected)}."
                )

    @property
    def n_transitions(self) -> int:
        """N."""
        return len(self.state)

    @property
    def n_policies(self) -> int:
        """G."""
        return len(self.policies)


class FiniteProblemProvider(Protocol):
    """Makes finite problems; announced in the entry-point group `ampl.finite_problems`."""

    def __call__(
        self, seed: int, *, n_states: int = ..., n_actions: int = ..., n_transitions: int = ..., n_policies: int = ...,
        discount: float = ...,
    ) -> FiniteProblem:  # fmt: skip
        """The problem of a seed: the same seed and sizes give the same arrays."""


def find_finite_problem_provider(name: str = "tabular") -> FiniteProblemProvider:
    """The provider that is announced as `name`.

    Raises:
        UnknownNameError: none is; the message lists those that are.
        BrokenEntryPointError: it cannot be imported.
    """
    provider: FiniteProblemProvider = load(FINITE_PROBLEMS, name)
    return provider
