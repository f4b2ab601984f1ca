"""Checks of memory capacity against draws."""
