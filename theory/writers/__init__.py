"""Optimisers as writers of memories: what one step from zero stores, and how much."""
