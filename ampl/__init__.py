"""AMPL: a testbed for the theory and the algorithms of offline model-based reinforcement learning.

This package is the hall between two wings. It holds what both share: the interfaces that a tabular and a deep component
implement alike, the driver that trains any algorithm, run directories, records and the command line. It imports neither
wing; they announce their commands, tasks and experiments through entry points.
"""

__version__ = "0.1.0"
