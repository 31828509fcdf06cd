"""Soft actor-critic online, for behavior policies."""
