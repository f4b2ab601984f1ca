"""Formulas in LaTeX as plain characters, for the terminal: a few rules on top of pylatexenc.

The library reads LaTeX and knows symbols, letters, accents and matrices. The rules say how
quotients and binomials stand in one line, which braces and spaces stay, and that a command which
nobody knows is shown by its name.
"""

from __future__ import annotations

import re
from typing import Any

from assocmem._checks import required

latex2text = required("pylatexenc.latex2text", extra="theory")
latexwalker = required("pylatexenc.latexwalker", extra="theory")
macrospec = required("pylatexenc.macrospec", extra="theory")

PAIRS = dict.fromkeys(("binom", "tbinom"), "binom(%(1)s, %(2)s)")
SYMBOLS = {"ne": "≠", "top": "ᵀ", "|": "‖", "epsilon": "ε", "sim": "~", "texttt": "%s"}
SYMBOLS |= {"overline": "bar(%s)"}
SILENT = ("left", "right", "big", "Big", "bigg", "Bigg", "displaystyle", "textstyle", "limits")
FUNCTION = re.compile(r"\\(ln|log|exp|cosh?|sin|tanh?)\s*$")
BELOW = r"(\d+|\w[\u0302-\u0305]?)(_\w)?(\^\w)?"  # no doubt that all of it divides
ABOVE = rf"[\w.]+(\^\w)?|{BELOW}"


def readable(formula: str) -> str:
    r"""A LaTeX formula as plain characters: close to what one would type.

    >>> readable(r"\frac{\partial L}{\partial W} = \sum_k \big(\hat p_k - \tfrac1M\big)\, u_k")
    '(∂ L)/(∂ W) = ∑_k (p̂_k - 1/M) u_k'
    """
    nodes, *_ = latexwalker.LatexWalker(formula, latex_context=_COMMANDS).get_latex_nodes()
    shown: str = _PLAIN.nodelist_to_text(nodes).replace("^ᵀ", "ᵀ").replace("⟨ ", "⟨")
    shown = re.sub(r"(?<=\S) {2,3}(?=\S)", " ", shown)  # what LaTeX writes as less than a quad
    return "\n".join(line.strip() for line in shown.splitlines())


class _Plain(latex2text.LatexNodes2Text):  # type: ignore[misc, name-defined]
    """What pylatexenc writes, with braces around indices and the spaces of the source."""

    def group_node_to_text(self, node: Any) -> str:
        inside: str = self.nodelist_to_text(node.nodelist)
        is_index = node.parsing_state.s[: node.pos].endswith(("_", "^"))
        return f"{{{inside}}}" if is_index and len(inside) > 1 else inside

    def macro_node_to_text(self, node: Any) -> str:
        arguments = node.nodeargd.argnlist if node.nodeargd else []
        space = getattr(arguments[-1] if arguments else node, "macro_post_space", "")
        return f"{super().macro_node_to_text(node)}{space}"


def _quotient(node: Any) -> str:
    parts = [_PLAIN.node_to_text(argument).strip() for argument in node.nodeargd.argnlist]
    above, below = (
        part if re.fullmatch(bare, part) else f"({part})"
        for part, bare in zip(parts, (ABOVE, BELOW), strict=True)
    )
    before = node.parsing_state.s[: node.pos]
    if FUNCTION.search(before):
        return f"({above}/{below})"
    return f"{' ' * before[-1:].isalnum()}{above}/{below}"


_RULES = dict.fromkeys(("frac", "tfrac", "dfrac"), _quotient) | PAIRS | SYMBOLS
_RULES |= dict.fromkeys(SILENT, "")
_PAIRS = [macrospec.std_macro(name, False, 2) for name in ("tfrac", "dfrac", *PAIRS)]
_SPECS = [latex2text.MacroTextSpec(*rule) for rule in _RULES.items()]
_COMMANDS = latexwalker.get_default_latex_context_db()
_COMMANDS.add_context_category("rules", _PAIRS)
_TEXTS = latex2text.get_default_latex_context_db()
_TEXTS.add_context_category("rules", _SPECS, prepend=True)
_TEXTS.set_unknown_macro_spec(latex2text.MacroTextSpec("", lambda node: node.macroname))
_SPACES = {"between-latex-constructs": True, "between-macro-and-chars": True}
_PLAIN = _Plain(latex_context=_TEXTS, strict_latex_spaces=_SPACES)
