"""Checks of what memories recall against draws."""
