"""IQL (implicit Q-learning), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "iql",
    presets="continuous.algorithms.iql.config",
    built_as="continuous.algorithms.iql.iql:IQL",
    variants={
        "main": "the official code's settings by family",
        "one-step": "the expectile is a half: V is the value of the behavior, improved upon once",
    },
)
