"""Where things are: affines, grids, resampling, mirror images, registration (floor 1)."""
