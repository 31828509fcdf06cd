"""Data of MOPO's out-of-distribution tasks: whose behavior fills the buffers, and the recipe that relabels them."""
