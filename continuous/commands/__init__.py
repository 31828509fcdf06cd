"""The commands `ampl data`, `ampl bench` and the deep part of `ampl demo`."""
