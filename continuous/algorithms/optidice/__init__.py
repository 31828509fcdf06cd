"""OptiDICE (stationary distribution correction estimation for offline policy optimization), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "optidice",
    presets="continuous.algorithms.optidice.config",
    built_as="continuous.algorithms.optidice.optidice:OptiDICE",
    variants={
        "main": "alpha of the published code; its Lagrangian trains the advantages, too",
        "squared": "squared errors train the advantages",
    },
)
