"""Other people's transformers: heads read by weights, ours handed out, models with known heads."""

from assocmem.heads.detectors import (
    Detection,
    Findings,
    copying,
    find,
    induction,
    previous_token,
)
from assocmem.heads.export import from_torch, load, save, to_torch, to_transformer_lens
from assocmem.heads.layouts import Layout
from assocmem.heads.maps import Head, Heads, Norm, Rotary, composition
from assocmem.heads.null import Null
from assocmem.heads.ours import head_weights
from assocmem.heads.reading import read
from assocmem.heads.zoo import Specimen, specimen

__all__ = [
    "Detection",
    "Findings",
    "Head",
    "Heads",
    "Layout",
    "Norm",
    "Null",
    "Rotary",
    "Specimen",
    "composition",
    "copying",
    "find",
    "from_torch",
    "head_weights",
    "induction",
    "load",
    "previous_token",
    "read",
    "save",
    "specimen",
    "to_torch",
    "to_transformer_lens",
]
