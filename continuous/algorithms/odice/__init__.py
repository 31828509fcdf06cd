"""O-DICE (distribution correction estimation by orthogonal gradients), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "o-dice",
    presets="continuous.algorithms.odice.config",
    built_as="continuous.algorithms.odice.odice:ODICE",
    variants={
        "main": "the backward gradient is made orthogonal to the forward one",
        "true-gradient": "the gradient of the dual as it stands",
        "semi-gradient": "the forward gradient alone",
    },
)
