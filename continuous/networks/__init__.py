"""Stacked networks with axes (seed, member), their optimizer, random streams and recorded steps."""
