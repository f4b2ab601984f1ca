"""Checks of heads read by weights: their null, planted ones, and those of a trained transformer."""
