"""Hopper, HalfCheetah, Walker2d and Ant as D4RL and MOPO evaluate them."""
