"""MOPO (model-based offline policy optimization), deep."""
