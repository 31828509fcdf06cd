"""CQL (conservative Q-learning), deep, and what COMBO shares with it."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "cql",
    presets="continuous.algorithms.cql.config",
    built_as="continuous.algorithms.cql.cql:CQL",
    variants={
        "main": "CQL(H), with the weight of the conservative term held at 5",
        "lagrange": "the weight is learned so that values pushed down lie 10 above those pushed up at most",
        "rho": "CQL(rho): values are pushed down where the policy acts, not everywhere",
    },
)
