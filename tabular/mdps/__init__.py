"""Finite MDPs: the one class, generators, grid worlds, toy-text environments, files of one's own."""
