"""TD3+BC (twin delayed deep deterministic policy gradients with behavior cloning), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "td3-bc",
    presets="continuous.algorithms.td3_bc.config",
    built_as="continuous.algorithms.td3_bc.td3_bc:TD3BC",
    variants={
        "main": "the published algorithm",
        "no-standardization": "states as they are, not standardized",
    },
)
