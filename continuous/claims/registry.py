"""All claims on linear-Gaussian problems, in the order of the papers; `pyproject.toml` announces them."""

from __future__ import annotations

from ampl.claims.claim import Claim
from continuous.claims import bounds, contraction, mopo, weights

CLAIMS: tuple[Claim, ...] = tuple(claim for group in (bounds, weights, contraction, mopo) for claim in group.CLAIMS)
