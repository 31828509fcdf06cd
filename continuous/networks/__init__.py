"""Stacked networks with axes (seed, member), their optimizer, random streams, recorded steps, and copies that act."""
