"""Finite width: exact laws at any d, and the three steps with random embeddings."""
