"""Hopper, HalfCheetah, Walker2d and Ant: D4RL's environments, SAC as D4RL trained it, and the datasets that follow."""
