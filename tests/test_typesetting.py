"""What a page shows of a claim is typeset: no formula in plain letters is left in it."""

from __future__ import annotations

import re

import pytest

from theory import CLAIMS, writing

TYPESET = re.compile(r"\$\$.+?\$\$|\$.+?\$|`[^`]+`|\[[A-Z]+\d{4}\]", re.DOTALL)
# Powers, indices, roots, bars, relations, functions, quotients, and letters that stand alone.
PLAIN = re.compile(
    r"\^|\w_\w|\w\*|\bsqrt\b|\|[\w#]|[\w#]\||<|>|[=≤≥]|\b(?:exp|ln|log)\b\s?[\w(]"
    r"|[A-Za-z]\([A-Za-z#]|(?<!\w)\d+'|\b[A-Za-z]/[\w(]|[)\w] / "
    r"|(?<![('.\w-])[B-HJ-Zb-z](?![\w.'-])"
)


def plain_formulas(text: str) -> list[str]:
    """What looks like a formula outside of those that a page typesets."""
    rest = TYPESET.sub("#", writing.typeset(text))
    return [rest[max(0, found.start() - 20) : found.end() + 20] for found in PLAIN.finditer(rest)]


@pytest.mark.parametrize("id", CLAIMS)
def test_a_claim_is_typeset(id):
    claim = CLAIMS[id]
    for text in (claim.title, claim.statement, claim.note, claim.source, *claim.assumptions):
        assert plain_formulas(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "E <u, v>^2 = E ||u||^2 / d", "the bound 2 exp(-d eps^2 / 2)", "sqrt(2 ln 2 / p) of them",
        "W = U S V'", "noise beta_k sqrt(d) against beta_i d", "for n >> d^2", "|r(T)| is small",
        "the factor |u_i| |V'f|", "(I - 11'/n) D", "E u", "S the sum of p^2", "if b <= min(C, T-2)",
    ],
)  # fmt: skip
def test_a_formula_in_plain_letters_is_seen(text):
    assert plain_formulas(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("from T = 5 on, d >= n", "from $T = 5$ on, $d \\ge n$"),
        ("for n vectors and (a), (d)", "for $n$ vectors and (a), (d)"),
        ("at (N, T) = (3, 4), T-S2 and claim T", "at $(N, T) = (3, 4)$, T-S2 and claim T"),
        ("T = 5..8 or 2d, N's share 1/C", "$T = 5 \\ldots 8$ or $2d$, $N$'s share $1/C$"),
        ("m_1 = 0.5 and lambda = tau -> 0", "$m_1 = 0.5$ and $\\lambda = \\tau \\to 0$"),
        ("lead, N=4 T=6 K=1 content", "lead, $N=4$ $T=6$ $K=1$ content"),
        ("a task of 20 runs, I and A-B", "a task of 20 runs, I and A-B"),
    ],
)
def test_symbols_are_typeset_and_words_are_not(text, written):
    assert writing.typeset(text) == written
