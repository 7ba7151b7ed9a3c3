"""Moving images from few lines of k-space."""
