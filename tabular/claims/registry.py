"""All claims by name, in the order of the papers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ampl.errors import InvalidArgumentError, UnknownNameError
from tabular.claims import (
    bounds,
    damo,
    damo_surrogate,
    estimators,
    exact_quantities,
    mopo,
    objective,
    operator,
    training,
)
from tabular.claims.claim import Claim

CLAIMS: Mapping[str, Claim] = {
    claim.name: claim
    for group in (exact_quantities, bounds, operator, objective, estimators, training, mopo, damo_surrogate, damo)
    for claim in group.CLAIMS
}


def select_claims(names: Iterable[str]) -> tuple[Claim, ...]:
    """The claims of these names in registry order; all of them if no name is given.

    Raises:
        UnknownNameError: with the nearest match.
    """
    wanted = tuple(names)
    for name in wanted:
        if name not in CLAIMS:
            raise UnknownNameError("claim", name, CLAIMS)
    if len(set(wanted)) != len(wanted):
        raise InvalidArgumentError(f"a claim is named twice in {', '.join(wanted)}; name each once.")
    return tuple(claim for claim in CLAIMS.values() if not wanted or claim.name in wanted)
