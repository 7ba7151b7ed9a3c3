"""Translators from one contrast to another."""
