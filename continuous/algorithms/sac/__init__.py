"""Soft actor-critic, the policy learner inside MOPO and DAMO."""
