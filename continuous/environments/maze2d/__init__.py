"""D4RL's point maze, re-created: environment, waypoint controller, data collection and reference scores.

Importing this package registers its environments: `ampl/Maze2D-umaze-v1`, `ampl/Maze2D-umaze-dense-v1` and so on for
every layout. Nothing heavy is loaded before one of them is made.
"""

from continuous.environments.maze2d.registration import register_environments

register_environments()
