"""Measuring the hot loops: what their matrix products need, and how long the loops take (`ampl bench`)."""
