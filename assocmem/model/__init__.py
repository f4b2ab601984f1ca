"""The model: frozen embeddings, tables of coefficients over them, and the transformer's passes."""

from assocmem.model.blocks import BlockTable
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.transformer import FrozenTransformer

__all__ = ["BlockTable", "FrozenEmbeddings", "FrozenTransformer"]
