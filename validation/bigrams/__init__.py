"""Checks of the population gradients on in-context bigrams."""
