"""Theorem 1's bounds, divergences and integral metrics between dynamics, and MOPO's penalized MDPs."""
