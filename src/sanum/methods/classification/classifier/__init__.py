"""Classifier: a network of photographs, tuned to normal and abnormal images (Tan and Le, ICML 2019)."""
