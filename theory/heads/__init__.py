"""Heads read by their weights: the null of a detector, what is not a null, and what is found."""
