"""Heads read from their weights: a valid null for detectors, an invalid one, and what is found."""
