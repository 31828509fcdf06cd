"""Batched simulators: every robot's task in numpy, stepped by MuJoCo in parallel threads, equal to Gymnasium's."""
