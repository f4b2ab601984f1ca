"""Populations up to symmetry: sequences with the same pattern of equal tokens count once."""
