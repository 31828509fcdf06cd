"""Recipes that re-create D4RL's datasets where the originals cannot be downloaded."""
