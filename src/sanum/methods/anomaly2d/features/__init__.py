"""Patches of an image that are far from all patches of normals, by features of a network of photographs."""
