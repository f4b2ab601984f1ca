"""Other people's transformers: their heads read by weights, ours handed out, models of known heads."""

from assocmem.heads.detectors import (
    Detection,
    Findings,
    copying,
    find,
    induction,
    previous_token,
)
from assocmem.heads.layouts import LAYOUTS, ROLES, Layout
from assocmem.heads.maps import Head, Heads, Norm, Rotary, composition
from assocmem.heads.null import Null
from assocmem.heads.reading import read

__all__ = [
    "LAYOUTS",
    "ROLES",
    "Detection",
    "Findings",
    "Head",
    "Heads",
    "Layout",
    "Norm",
    "Null",
    "Rotary",
    "composition",
    "copying",
    "find",
    "induction",
    "previous_token",
    "read",
]
