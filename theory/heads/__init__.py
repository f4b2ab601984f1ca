"""Heads read by their weights: the null of a detector, what is no null, and what is found."""
