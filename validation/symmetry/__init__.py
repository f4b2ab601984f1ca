"""Checks of populations up to symmetry against enumeration."""
