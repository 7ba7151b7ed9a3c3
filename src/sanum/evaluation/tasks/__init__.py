"""What methods are measured on: one module for each task."""
