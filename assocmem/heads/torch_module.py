"""The FrozenTransformer as a torch.nn.Module; torch is loaded by the first call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from assocmem.heads.sources import INTEROP

if TYPE_CHECKING:
    from torch import Tensor


def load_torch() -> Any:
    """The package, or an error that says how to install it."""
    try:
        import torch
    except ImportError:
        raise ImportError(
            f"torch: expected the package; got none. Install it with {INTEROP}; a build for the "
            f"CPU alone is enough, and far smaller."
        ) from None
    return torch


@cache
def frozen_module() -> Any:
    """The class of the modules that `to_torch` makes."""
    torch = load_torch()
    nn = torch.nn

    class FrozenModule(nn.Module):  # type: ignore[misc, name-defined]
        """Two layers of one head each; frozen atoms are buffers, learned matrices parameters.

        Made by `assocmem.heads.to_torch`. Rows are vectors; the row of W_K is the query:

            x1_t = x_t + Phi1 Σ_s softmax_{s<=t}(scale · x_tᵀ W_K1 x_s) x_s
            o_t  = Σ_s softmax_{s<=t}(scale · x1_tᵀ W_K2 x1_s) W_V2 x1_s
        """

        def __init__(
            self,
            *,
            atoms: Mapping[str, Tensor],
            learned: Mapping[str, Tensor],
            scale: float,
            readout: str,
            family: str,
        ) -> None:
            super().__init__()
            self.scale, self.readout, self.family = scale, readout, family
            for name, rows in atoms.items():
                self.register_buffer(name, rows)
            for name, matrix in learned.items():
                self.register_parameter(name, nn.Parameter(matrix))

        def forward(self, tokens: Tensor) -> Tensor:
            """Logits (B, T, M) of tokens (B, T)."""
            return self._run(tokens)[0]

        def attention(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
            """The attention maps of both layers, (B, T, T) each, query before key."""
            return self._run(tokens)[1:]

        def _run(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            length = tokens.shape[1]
            x = self.get_buffer("tokens")[tokens] + self.get_buffer("positions")[:length]
            first = self._attend(x, "W_K1")
            x = x + first @ x @ self.get_buffer("Phi1").T
            second = self._attend(x, "W_K2")
            written = self._times(second @ x @ self.get_buffer("W_V2").T, "W_O2")
            if self.readout == "residual":
                written = x + written
                written = written + self._times(written, "W_F")
            return written @ self.get_buffer("outputs").T, first, second

        def _attend(self, x: Tensor, name: str) -> Tensor:
            keys = self._times(x, name)
            scores = self.scale * x @ keys.transpose(1, 2)
            future = torch.ones(scores.shape[1:], dtype=torch.bool, device=x.device).triu(1)
            return scores.masked_fill(future, -torch.inf).softmax(dim=-1)

        def _times(self, x: Tensor, name: str) -> Tensor:
            """W x for each row x; zero without W."""
            weights = self._parameters.get(name)
            return torch.zeros_like(x) if weights is None else x @ weights.T

    return FrozenModule
