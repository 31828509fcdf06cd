"""Stationary distribution corrections, exactly: the programs of OptiDICE and AlgaeDICE."""
