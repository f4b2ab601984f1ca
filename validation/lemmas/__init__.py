"""Checks of the building blocks against the independent transformer."""
