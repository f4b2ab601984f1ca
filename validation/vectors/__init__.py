"""Checks of near-orthogonality against draws."""
