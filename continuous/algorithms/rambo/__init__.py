"""RAMBO (robust adversarial model-based offline reinforcement learning), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "rambo",
    presets="continuous.algorithms.rambo.config",
    built_as="continuous.algorithms.rambo.rambo:RAMBO",
    variants={
        "main": "h and lambda of the published configurations",
        "no-adversary": "lambda = 0: the model stays as it was fitted",
    },
)
