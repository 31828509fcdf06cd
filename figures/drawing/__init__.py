"""How figures look: style, rendering, curves of seeds, violins, point clouds."""
