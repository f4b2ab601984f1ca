"""One step of an optimiser from zero as a writer of memories: what it stores, and how much."""
