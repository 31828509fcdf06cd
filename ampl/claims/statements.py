"""The numbered statements of the papers, and which claims check each of them.

A claim belongs to a statement if its `source` names it: "AMPL, Eqs. 10-11 (implied)" belongs to AMPL's Eqs. 10 and 11.
So no list of claims is kept here. Numbers are those of the papers; MOPO's Eq. 4, say, is also its section 4.1 (i).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ampl.claims.record import ClaimRecord

PAPERS = ("AMPL", "MOPO", "DAMO", "OptiDICE", "AlgaeDICE", "CQL", "COMBO", "MOReL", "RAMBO")
_KINDS = "Theorem|Lemma|Corollary|Proposition|Assumption|section|Eq"
_SOURCE = re.compile(
    rf"(?P<paper>{'|'.join(PAPERS)}), (?P<kind>{_KINDS})s?\.? (?P<first>[A-Z0-9.]*\d)(?:-(?P<last>[A-Z0-9.]*\d))?"
    r"(?P<part> \(i+\))?"
)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A numbered statement of a paper.

    Attributes:
        paper: one of PAPERS.
        numbers: how the paper and the sources of claims call it, the first for the table.
        content: what it says, in a few words.
        is_definition: whether there is nothing in it that could fail.
    """

    paper: str
    numbers: tuple[str, ...]
    content: str
    is_definition: bool = False

    @property
    def label(self) -> str:
        """Paper and number."""
        return f"{self.paper}, {self.numbers[0]}"


def _of(paper: str, numbers: str, content: str, *, is_definition: bool = False) -> Statement:
    return Statement(paper=paper, numbers=tuple(numbers.split("; ")), content=content, is_definition=is_definition)


_IPM_SECTIONS = "section 4.1 (i); section 4.1 (ii); section 4.1 (iii)"

STATEMENTS = (
    _of("AMPL", "section 2", "the discounted occupancy d_π"),
    _of("AMPL", "Eq. 1", "J = (1-γ) E[Q] = E_{d_π}[r]"),
    _of("AMPL", "Eq. 2", "critic loss", is_definition=True),
    _of("AMPL", "Eq. 3", "actor objective", is_definition=True),
    _of("AMPL", "Eq. 4", "maximum-likelihood model", is_definition=True),
    _of("AMPL", "Eq. 5", "J(π,P*) ≥ J(π,P̂) - |J(π,P*) - J(π,P̂)|", is_definition=True),
    _of("AMPL", "Theorem 1", "|J(π,P*) - J(π,P̂)| ≤ C √D_π"),
    _of("AMPL", "section 3.1", "D_π splits into a model part and a policy part"),
    _of("AMPL", "Eq. 6", "the weighted model fit minimizes D_π"),
    _of("AMPL", "Eq. 7", "lower bound of the return"),
    _of("AMPL", "Eq. 8", "D_π relaxed to a Jensen-Shannon divergence"),
    _of("AMPL", "Eq. 9", "w = T w"),
    _of("AMPL", "Proposition 2", "iterating T converges geometrically if π is near π_b"),
    _of("AMPL", "Eq. 10", "T tested with the action value"),
    _of("AMPL", "Eq. 11", "the loss that w is trained by"),
    _of("AMPL", "Eq. 12", "critic target", is_definition=True),
    _of("AMPL", "Eq. 13", "critic fit", is_definition=True),
    _of("AMPL", "Eq. 14", "fake samples of the discriminator"),
    _of("AMPL", "Eq. 15", "generator loss"),
    _of("AMPL", "Eq. 16", "discriminator loss"),
    _of("AMPL", "Eq. 17", "policy loss", is_definition=True),
    _of("MOPO", "Lemma 4.1; Eq. 1", "telescoping of the return gap"),
    _of("MOPO", "Eq. 2", "the return as a mean under the model"),
    _of(
        "MOPO",
        f"Eq. 3; {_IPM_SECTIONS}",
        "the value error is at most an IPM: the three below",
    ),
    _of("MOPO", "Eq. 4; section 4.1 (i)", "value error by total variation"),
    _of("MOPO", "Eq. 5; section 4.1 (ii)", "value error by Wasserstein-1"),
    _of("MOPO", "appendix A (iii); section 4.1 (iii)", "value error by maximum mean discrepancy"),
    _of("MOPO", "Assumption 4.2", "V_π lies in cF for every π", is_definition=True),
    _of("MOPO", f"Eq. 6; {_IPM_SECTIONS}", "value error by c d_F: the three above"),
    _of("MOPO", "Assumption 4.3", "admissible error estimator", is_definition=True),
    _of("MOPO", "Eq. 7", "the penalized return is a lower bound"),
    _of("MOPO", "Eq. 8", "mean uncertainty of a policy", is_definition=True),
    _of("MOPO", "Eq. 9", "best policy within an uncertainty", is_definition=True),
    _of("MOPO", "Theorem 4.4; Eq. 10", "guarantee of the penalized optimum"),
    _of("MOPO", "Eq. 11", "the guarantee for every uncertainty δ"),
    _of("MOPO", "Eq. 12", "two-sided bound of the return gap (appendix B)"),
    _of("DAMO", "Theorem A.1", "upper bound of KL(ρ_T‖ρ_B)"),
    _of("DAMO", "Eq. 1; Corollary A.2; Eq. 5", "the surrogate objective"),
    _of("DAMO", "Lemma A.3", "conjugate of an f-divergence"),
    _of("DAMO", "Corollary A.4", "an f-divergence as a maximum over functions"),
    _of("DAMO", "Theorem A.5", "the surrogate as a maximin over functions of (s, a, s')"),
    _of("DAMO", "Theorem 5.1; Eq. 2; Theorem A.6; Eq. 6", "the maximin over Q equals the surrogate"),
    _of("DAMO", "Eq. 3", "classifier loss"),
    _of("DAMO", "Eq. 4", "data alignment from the classifier"),
    _of("DAMO", "Theorem 5.2; Theorem A.7; Eq. 7", "what the inner optimum satisfies"),
    _of("DAMO", "Theorem 5.3", "the surrogate is a lower bound of the return"),
    _of("OptiDICE", "section 3", "the best occupancy near the data, its dual, and the policy read from it"),
    _of("OptiDICE", "Proposition 1", "closed form of the weights"),
    _of("OptiDICE", "Proposition 2", "the dual is convex"),
    _of("OptiDICE", "Corollary 3", "one sampled next state gives an upper bound"),
    _of("AlgaeDICE", "section 3", "the regularized return as a dual over ν, and its gradient"),
    _of("CQL", "Theorem 3.1", "Eq. 1 bounds Q from below at every pair"),
    _of("CQL", "Theorem 3.2", "Eq. 2 bounds the value from below at every state, if μ = π"),
    _of("CQL", "Theorem 3.3", "so does CQL(H), if the policy changes slowly"),
    _of("CQL", "Theorem 3.4", "CQL widens the gap between actions of the data and of μ"),
    _of("CQL", "Theorem 3.5", "what CQL's policy maximizes"),
    _of("CQL", "Theorem 3.6", "safe policy improvement"),
    _of("COMBO", "Eq. 6", "the mean penalty over ρ"),
    _of("COMBO", "Proposition 4.1", "for β large enough the value is a lower bound"),
    _of("COMBO", "Proposition 4.2", "when it is tighter than CQL's"),
    _of("COMBO", "Theorem 4.3", "safe policy improvement"),
    _of("MOReL", "Theorem 1", "the pessimistic MDP's return from below and above"),
    _of("MOReL", "Corollary 2", "gap of the planned policy to the optimum"),
    _of("MOReL", "Lemma 3", "hitting times and occupancies"),
    _of("RAMBO", "section 4", "the worst model's return is a lower bound"),
    _of("RAMBO", "Theorem 1", "the maximin policy is nearly as good as any that the data cover"),
    _of("RAMBO", "Proposition 1", "gradient of the value in the model's parameters"),
)


def numbers_in(source: str) -> set[tuple[str, str]]:
    """The (paper, number) pairs that the source of a claim names; "Eqs. 10-11" names two."""
    named: set[tuple[str, str]] = set()
    for match in _SOURCE.finditer(source):
        kind = match["kind"] + ("." if match["kind"] == "Eq" else "")
        named |= {(match["paper"], f"{kind} {number}{match['part'] or ''}") for number in _range(match)}
    return named


def statement_records(statement: Statement, records: Sequence[ClaimRecord]) -> list[ClaimRecord]:
    """The records of the claims that check a statement, in their order."""
    names = {(statement.paper, number) for number in statement.numbers}
    return [record for record in records if numbers_in(record.source) & names]


def _range(match: re.Match[str]) -> list[str]:
    first, last = match["first"], match["last"]
    if last is None:
        return [first]
    stem = first.rstrip("0123456789")
    return [f"{stem}{number}" for number in range(int(first[len(stem) :]), int(last.removeprefix(stem)) + 1)]
