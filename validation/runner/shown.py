"""Which figures show which claims: a table that loads none of them."""

from __future__ import annotations

# In this order for each claim: the first figure is what its page begins with.
SHOWS: dict[str, tuple[str, ...]] = {
    "induction-head": ("T",),
    "exact": ("L1", "L2", "L3", "S1", "S2", "S2-limit", "S3a", "B0", "B1", "B2", "NO1", "P2"),
    "conditions": ("T-S1", "T-S2", "T-S3", "IH", "B1-any", "B2-rows", "AM1", "P1", "WR1"),
    "finite-steps": ("S3b", "S3b-bound", "T-m1", "tie", "P3"),
    "near-orthogonality": ("NO3", "NO4", "C1", "C5", "C7"),
    "noise": ("W1", "W2", "W5", "H1", "H2"),
    "3": ("D2", "D6"),
    "2": ("D2",),
    "4": ("D3", "D4", "D4-nested", "D5", "D7"),
    "depth": ("D1",),
    "triggers": ("B1", "B2", "B2-text"),
    "times": ("B3-flow", "B3"),
    "map": ("T-S1", "T-S2", "T-S3"),
    "margins": ("T",),
    "width": ("W3", "W4", "W6"),
    "phase": ("W7",),
    "coherence": ("NO2", "NO5", "NO6", "NO7"),
    "capacity": ("C2", "C3", "C4", "C6"),
    "heads": ("H3",),
    "writers": ("WR2", "WR3", "WR4"),
}
SHOWN_BY: dict[str, tuple[str, ...]] = {
    claim: tuple(name for name, shown in SHOWS.items() if claim in shown)
    for claim in sorted({claim for shown in SHOWS.values() for claim in shown})
}
