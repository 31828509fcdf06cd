"""The deep wing: the same algorithms on continuous tasks, with networks, behind the interfaces of `ampl.interfaces`.

Networks are stacks with leading axes (seed, member): `networks/stacks.py` is the layer that everything deep is made of.
"""
