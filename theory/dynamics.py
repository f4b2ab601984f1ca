"""Training dynamics: what gradient descent on in-context bigrams shows."""

from __future__ import annotations

from theory.claims import Claim

CLAIMS: tuple[Claim, ...] = ()
