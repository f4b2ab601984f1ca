"""Weight matrices as associative memories: sums of outer products of keys and values."""

from assocmem.memory.associative import AssociativeMemory

__all__ = ["AssociativeMemory"]
