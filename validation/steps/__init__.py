"""Checks of the three top-down steps against the independent transformer."""
