"""All claims on finite MDPs, in the order of the papers; `pyproject.toml` announces them."""

from __future__ import annotations

from ampl.claims.claim import Claim
from tabular.claims import (
    bounds,
    damo,
    damo_surrogate,
    dice,
    estimators,
    exact_quantities,
    mopo,
    objective,
    operator,
    training,
)

CLAIMS: tuple[Claim, ...] = tuple(
    claim
    for group in (exact_quantities, bounds, operator, objective, estimators, training, mopo, damo_surrogate, damo, dice)
    for claim in group.CLAIMS
)
