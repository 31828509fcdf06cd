"""D4RL's point maze data, re-created: waypoint controller, planner, reference scores."""
