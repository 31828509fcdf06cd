"""D4RL's Adroit data, re-created: demonstrations, a cloned policy, and their mixture."""
