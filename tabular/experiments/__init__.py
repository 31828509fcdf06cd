"""What the figures of theory draw: experiments on finite MDPs, each behind a name of `ampl.experiments`."""
