"""Checks of the induction head, built by hand and learned."""
