"""Soft actor-critic that learns from its own steps: behavior policies and MOPO's HIV data."""
