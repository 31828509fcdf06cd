"""All claims on finite MDPs, in the order of the papers; `pyproject.toml` announces them."""

from __future__ import annotations

from ampl.claims.claim import Claim
from tabular.claims import (
    algaedice,
    bounds,
    combo,
    cql_lower_bounds,
    cql_policy,
    damo,
    damo_surrogate,
    estimators,
    exact_quantities,
    mopo,
    morel,
    objective,
    operator,
    optidice,
    rambo,
    training,
)

_GROUPS = (
    exact_quantities,
    bounds,
    operator,
    objective,
    estimators,
    training,
    mopo,
    damo_surrogate,
    damo,
    optidice,
    algaedice,
    cql_lower_bounds,
    cql_policy,
    combo,
    morel,
    rambo,
)

CLAIMS: tuple[Claim, ...] = tuple(claim for group in _GROUPS for claim in group.CLAIMS)
