"""Checks of what one step of an optimiser writes."""
