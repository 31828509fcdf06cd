"""Behavior cloning, deep, and the policy that TD3+BC and IQL train, too."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "bc",
    presets="continuous.algorithms.bc.config",
    built_as="continuous.algorithms.bc.bc:BehaviorCloning",
    variants={
        "main": "squared errors of a deterministic policy's actions",
        "gaussian": "the likelihood of the data's actions under a Gaussian around them, whose spread is learned",
        "best-tenth": "main on the tenth of the transitions that belong to the episodes of largest return",
    },
)
