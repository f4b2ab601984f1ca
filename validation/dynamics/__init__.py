"""Checks of what training shows, by training."""
