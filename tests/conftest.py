"""Hypothesis profiles: `quick` by default, `ci` (the same, reproducible) where CI is set, `full` on request.

Choose one with HYPOTHESIS_PROFILE=full or with pytest's --hypothesis-profile=full. Tests run side by side, so each
process computes on one thread.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from ampl.processes import limit_spinning

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when numpy and torch are first imported
limit_spinning()  # likewise; for tests of two threads beside other tests

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("quick", max_examples=100, **_COMMON)
settings.register_profile("ci", max_examples=100, derandomize=True, print_blob=True, **_COMMON)
settings.register_profile("full", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick"))
