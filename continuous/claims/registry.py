"""All claims on linear-Gaussian problems, in the order of the papers; `pyproject.toml` announces them."""

from __future__ import annotations

from ampl.claims.claim import Claim
from continuous.claims import bounds, contraction, penalties, value_errors, weights

_GROUPS = (bounds, weights, contraction, value_errors, penalties)
CLAIMS: tuple[Claim, ...] = tuple(claim for group in _GROUPS for claim in group.CLAIMS)
