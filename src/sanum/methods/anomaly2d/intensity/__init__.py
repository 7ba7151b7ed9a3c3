"""The mean intensity of an image: a baseline that learns nothing."""
