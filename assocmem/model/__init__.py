"""The model: frozen embeddings, tables of coefficients over them, and the transformer's passes."""

from assocmem.model.blocks import BlockTable
from assocmem.model.embeddings import FrozenEmbeddings
from assocmem.model.families import (
    OUTPUTS,
    POSITIONS,
    REMAPPED_POSITIONS,
    REMAPPED_TOKENS,
    TOKENS,
    TokenBlock,
)
from assocmem.model.symmetric import SymmetricTransformer
from assocmem.model.transformer import FrozenTransformer

__all__ = [
    "OUTPUTS",
    "POSITIONS",
    "REMAPPED_POSITIONS",
    "REMAPPED_TOKENS",
    "TOKENS",
    "BlockTable",
    "FrozenEmbeddings",
    "FrozenTransformer",
    "SymmetricTransformer",
    "TokenBlock",
]
