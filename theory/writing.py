"""A claim and its derivation in writing: for the terminal, in LaTeX, in Markdown, in HTML.

The texts of claims and steps are plain, with formulas between dollar signs and code between
backticks; each form of writing escapes the plain part and keeps the others.
"""

from __future__ import annotations

import html
import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import groupby
from typing import TYPE_CHECKING

from theory.record import Claim

if TYPE_CHECKING:  # steps hold SymPy's results, but writing them needs no SymPy
    from theory.derivation import Step

WIDTH = 100
CHECKED = "✓"
_FORMULA = re.compile(r"(\$\$.+?\$\$|\$.+?\$)", re.DOTALL)
_CODE = re.compile(r"`([^`]+)`")
_CITATION = re.compile(r"\[([A-Z][A-Za-z]*(?:18|19|20)\d\d[a-z]?)\]")


def count(steps: Iterable[Step]) -> str:
    """How many steps there are, and how many of them SymPy has checked."""
    checked = [step.checked for step in steps]
    noun = "step" if len(checked) == 1 else "steps"
    return f"{len(checked)} {noun}, {sum(checked)} of them checked by SymPy"


def grouped(steps: Iterable[Step]) -> list[tuple[str, list[tuple[int, Step]]]]:
    """The numbered steps, in groups that are one argument or one piece of bookkeeping, by title."""
    numbered = enumerate(steps, start=1)
    return [(title, list(group)) for title, group in groupby(numbered, lambda each: each[1].aside)]


def files(claim: Claim) -> list[str]:
    """Where the record, the derivation, the check and the tests of a claim stand."""
    stem = f"{claim.chapter}/{claim.module}.py"
    return [
        f"theory/{claim.chapter}/claims.py",
        *([] if claim.status in ("empirical", "refuted") else [f"theory/{stem}"]),
        f"validation/{stem}",
        f"tests/{claim.chapter}/test_{claim.module}.py",
    ]


def scope(step: Step) -> str:
    """What the tick of a step stands for, and whether its formula is what was checked."""
    if not step.written:
        return step.scope
    by_hand = "formula written by hand"
    return f"{step.scope}; {by_hand}" + (", below it one as checked" if step.compared else "")


# For the terminal


def claim_as_text(claim: Claim) -> str:
    """The record of a claim, on lines of at most WIDTH characters."""
    parts = [
        _wrapped(f"{claim.id}. {claim.title}", ""),
        _wrapped(f"{claim.kind}, {claim.status}. Source: {claim.source}", ""),
        "\nStatement\n" + _paragraphs(claim.statement),
    ]
    if claim.assumptions:
        parts.append("\nAssumptions")
        parts += [_wrapped(assumption, "  - ", "    ") for assumption in claim.assumptions]
    if claim.note:
        parts.append("\nNote\n" + _paragraphs(claim.note))
    parts.append("\nFiles\n" + "\n".join(f"  {path}" for path in files(claim)))
    return "\n".join(parts)


def step_as_text(number: int, step: Step) -> str:
    """One step of a derivation: its number, a mark if it was checked, its text, its formula."""
    mark = CHECKED if step.checked else " "
    lines = [_wrapped(step.text, f"{number:>3} {mark} ", " " * 6)]
    lines += map(_displayed, step.formulas)
    if step.checked:
        lines.append(_wrapped(f"[{scope(step)}]", " " * 6))
    return "\n".join(lines)


def idea_as_text(idea: str) -> str:
    """The idea of a derivation, before its steps."""
    return _wrapped(idea, " " * 6)


def aside_as_text(title: str) -> str:
    """A line before steps that are bookkeeping, or before the argument continues."""
    plain = _FORMULA.sub(lambda found: _readable(found[0].strip("$")), title)
    return f"\n      -- {plain or 'the argument continues'} --"


def _paragraphs(text: str) -> str:
    """The text wrapped and indented, displayed formulas on lines of their own."""
    parts = re.split(r"\$\$(.+?)\$\$", " ".join(text.split()))  # plain, formula, plain, ...
    lines = [
        _displayed(part) if odd % 2 else _wrapped(part.strip(), " " * 6)
        for odd, part in enumerate(parts)
    ]
    return "\n".join(line for line in lines if line.strip())


_ARRAY = re.compile(r"\\begin\{array\}\{\w+\}(.*?)\\end\{array\}", re.DOTALL)


def _displayed(formula: str) -> str:
    if tables := _ARRAY.findall(formula):
        return "\n\n".join(map(_table_of, tables))
    lines = [line for line in _readable(formula).split("\n") if line.strip()]
    return "\n".join(_wrapped(line, " " * 10, " " * 12) for line in lines)


def _table_of(array: str) -> str:
    """The rows of an array in aligned columns."""
    rows = [[_readable(cell.strip()) for cell in row.split("&")] for row in array.split(r"\\")]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(" " * 10 + line for line in lines)


def _wrapped(text: str, first: str, rest: str | None = None) -> str:
    """The text in lines; a formula that is not long stays in one piece."""

    def held(match: re.Match[str]) -> str:
        formula = _readable(match[0].strip("$"))
        return formula.replace(" ", "\0") if len(formula) < WIDTH // 2 else formula

    lines = textwrap.wrap(
        _FORMULA.sub(held, text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if rest is None else rest,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace("\0", " ")


def _readable(formula: str) -> str:
    """The formula as plain characters, by a library that loads on first use."""
    from theory.plain import readable

    return readable(formula)


# As LaTeX

_PREAMBLE = r"""\documentclass{article}
\usepackage{amsmath, amssymb, graphicx}
\usepackage[margin=25mm]{geometry}
\setlength{\parindent}{0pt}
\setlength{\parskip}{1ex}
% A formula wider than the line is scaled down to it.
\newsavebox{\formula}
\newcommand{\fitted}[1]{\sbox{\formula}{$\displaystyle #1$}%
  \ifdim\wd\formula>\linewidth\resizebox{\linewidth}{!}{\usebox{\formula}}\else\usebox{\formula}\fi}
\begin{document}
"""


def as_latex(claims: Iterable[tuple[Claim, Iterable[Step]]]) -> Iterator[str]:
    """The parts of a document that pdflatex compiles, one section a claim."""
    yield _PREAMBLE
    for claim, steps in claims:
        yield f"\\section*{{{_latex(claim.id + '. ' + claim.title)}}}"
        yield f"\\emph{{{_latex(claim.kind)}, {claim.status}.}} Source: {_latex(claim.source)}"
        yield f"\n\\paragraph{{Statement.}} {_latex(claim.statement)}\n"
        yield from _latex_list("Assumptions", "itemize", map(_latex, claim.assumptions))
        steps = list(steps)
        yield from _latex_list("Derivation", "enumerate", map(_latex_step, steps), count(steps))
        if claim.note:
            yield f"\\paragraph{{Note.}} {_latex(claim.note)}\n"
    yield "\\end{document}"


def _latex_list(title: str, kind: str, items: Iterable[str], remark: str = "") -> Iterator[str]:
    lines = [f"  \\item {item}" for item in items]
    if lines:
        yield f"\\paragraph{{{title}.}} {remark}"
        yield "\n".join([f"\\begin{{{kind}}}", *lines, f"\\end{{{kind}}}"])


def _latex_step(step: Step) -> str:
    tick = rf" \hfill$\checkmark$ {{\footnotesize {_latex(scope(step))}}}"
    text = _latex(step.text) + (tick if step.checked else "")
    return text + "".join(f"\n  \\[ \\fitted{{{each}}} \\]" for each in step.formulas)


_LATEX_WORDS = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX_WORDS |= {char: f"\\{char}" for char in "&%#_{}"} | {"<": r"\textless{}"}
_LATEX_WORDS |= {">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "`": r"\textquotesingle{}"}
_LATEX_MATH = {"×": r"\times", "·": r"\cdot", "−": "-", "≤": r"\le", "≥": r"\ge", "≠": r"\ne"}
_LATEX_MATH |= {"→": r"\to", "∞": r"\infty", "∇": r"\nabla", "∈": r"\in", "±": r"\pm"}
_LATEX_MATH |= {"Σ": r"\Sigma", "≈": r"\approx", "½": r"\frac12", "ᵀ": r"^\top", "√": r"\sqrt{}"}


def _latex(text: str) -> str:
    def escaped(plain: str) -> str:
        return "".join(map(_latex_character, plain))

    return _outside_formulas(text, escaped, lambda code: f"\\texttt{{{escaped(code)}}}")


def _latex_character(char: str) -> str:
    """A character of plain text as LaTeX; Greek letters and raised or lowered ones as formulas."""
    if char in _LATEX_WORDS:
        return _LATEX_WORDS[char]
    if char in _LATEX_MATH:
        return f"\\ensuremath{{{_LATEX_MATH[char]}}}"
    script, _, code = unicodedata.decomposition(char).partition(" ")
    if script in ("<super>", "<sub>"):
        return f"\\ensuremath{{{'^' if script == '<super>' else '_'}{{{chr(int(code, 16))}}}}}"
    name = unicodedata.name(char, "")
    if name.startswith("GREEK"):
        letter = name.split()[-1].lower().replace("lamda", "lambda")
        return f"\\ensuremath{{\\{letter.capitalize() if char.isupper() else letter}}}"
    return char


# As Markdown (MyST, with formulas between dollar signs)


def table(claims: Iterable[Claim]) -> str:
    """The claims as a Markdown table.

    >>> from theory import CLAIMS
    >>> print(table([CLAIMS["AM1"]]))
    | id | claim | kind | status |
    | --- | --- | --- | --- |
    | AM1 | Over orthonormal keys and values, the scores are the coefficients | equal | proved |
    """
    rows = [
        f"| {claim.id} | {as_markdown(claim.title)} | {claim.kind} | {claim.status} |"
        for claim in claims
    ]
    return "\n".join(["| id | claim | kind | status |", "| --- | --- | --- | --- |", *rows])


def as_markdown(text: str, *, cite: Callable[[str], str] = "[{}]".format) -> str:
    """Plain text with formulas as Markdown; ``cite`` writes the reference to a key.

    >>> as_markdown("W_K* and $x_i$ in [BCBJB2023]", cite="see {}".format)
    'W\\\\_K\\\\* and $x_i$ in see BCBJB2023'
    """

    def escaped(plain: str) -> str:
        special = re.compile(r"([\\*_<>|\[\]#])")
        return _alternating(_CITATION, plain, partial(special.sub, r"\\\1"), cite)

    return _outside_formulas(text, escaped)


def _outside_formulas(
    text: str,
    write: Callable[[str], str],
    code: Callable[[str], str] = "`{}`".format,
    formula: Callable[[str], str] = str,
) -> str:
    """The text with its plain parts, its pieces of code and its formulas written so."""

    def outside_code(plain: str) -> str:
        return _alternating(_CODE, plain, write, code)

    return _alternating(_FORMULA, text, outside_code, formula)


def _alternating(
    pattern: re.Pattern[str], text: str, write: Callable[[str], str], found: Callable[[str], str]
) -> str:
    """What stands between matches of the pattern, and what the pattern keeps of each, written."""
    parts = pattern.split(text)  # text, match, text, match, ..., text
    parts[::2] = map(write, parts[::2])
    parts[1::2] = map(found, parts[1::2])
    return "".join(parts)


# Symbols in plain text, for pages that typeset them

_GREEK = "alpha|beta|gamma|delta|epsilon|eta|kappa|lambda|xi|pi|psi|rho|sigma|tau|theta|Phi|Psi"
_NUMBER = r"(?<![\w$.^])(\d+(?:\.\d+)?)"
_LETTER = r"[B-HJ-Zb-z]\*?(?:\([A-Z](?:, [A-Z])*\))?"
_TERM = rf"(?:(?:\d+|\d+ (?=[A-Zdln]\b(?! ?[=<>≤≥])))?(?:ln )?{_LETTER}|\d+(?:\.\.?\d+)?)"
_TERMS = rf"(?<![\w$'.*^-])(?<!claim ){_TERM}(?:\s?[-+/=<>≤≥]\s?{_TERM})*(?![\w$^*(-]|'(?!s\b))"
_ALONE = frozenset("BCDGHJKMNTWdmnp")  # letters that are symbols where nothing stands beside them


def _formula(found: re.Match[str]) -> str:
    """Terms between signs as a formula; a number alone and the label (d) stay as they are."""
    text = found[0]
    before, after = found.string[: found.start()], found.string[found.end() :]
    if not re.search("[A-Za-z]", text) or (len(text) == 1 and text not in _ALONE):
        return text
    if len(text) == 1 and before.endswith("(") and after.startswith(")"):
        return text
    for plain, command in (("ln ", r"\ln "), ("*", "^*"), ("..", r" \ldots "), *_SIGNS):
        text = text.replace(plain, command)
    return f"${text}$"


def _tuple(found: re.Match[str]) -> str:
    return f"$({found[1]}) = {found[2]}$" if found[2] else f"$({found[1]})$"


_JOINED = re.compile(r"\$[^$]+\$(?:\s[=<>≤≥→]\s(?:\$[^$]+\$|\d+(?:\.\d+)?(?![\w/^])))+")


def _relation(found: re.Match[str]) -> str:
    """Formulas and numbers with relations between them as one formula."""
    text = found[0].replace("$", "")
    for plain, command in (*_SIGNS, ("→", r"\to")):
        text = text.replace(plain, command)
    return f"${text}$"


_SIGNS = (("≤", r"\le"), ("≥", r"\ge"))
_TYPESET: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"\(([A-Z] [-+] \d)\)/([A-Z])\^(\d)"), r"$(\1)/\2^\3$"),
    (re.compile(r"\b1/([A-Z])\^(\d)"), r"$1/\1^\2$"),
    (re.compile(r"\b1/\((2d|[A-Z](?: [A-Z])*\^\d)\)"), r"$1/(\1)$"),
    (re.compile(_NUMBER + r" 10\^(-?\d+)"), r"$\1 \\cdot 10^{\2}$"),
    (re.compile(_NUMBER + r"\^(-?\d+)\b"), r"$\1^{\2}$"),
    (re.compile(r"(?<![\w$.])1e(-\d+)\b"), r"$10^{\1}$"),
    (re.compile(_NUMBER + r"e(-\d+)\b"), r"$\1 \\cdot 10^{\2}$"),
    (re.compile(r"\b([A-Za-z])\^(-\d+)\b"), r"$\1^{\2}$"),
    (re.compile(r"\b([A-Za-z])\^\(([^()$]*)1/\(2 alpha\)\)"), r"$\1^{\g<2>1/(2\\alpha)}$"),
    (re.compile(r"\b([A-Za-z])\^\(([^()$]+)\)"), r"$\1^{\2}$"),
    (re.compile(r"\b(d|n)\*(?!\w)"), r"$\1^*$"),
    (re.compile(r"\bd_(\d+)\b"), r"$d_{\1}$"),
    (re.compile(r"\bsqrt\((\w)\)"), r"$\\sqrt{\1}$"),
    (re.compile(r"\bW_([OKV])([12])\b"), r"$W_\1^\2$"),
    (re.compile(r"\b([wW])_([EUF])\b(\([a-z]\))?"), r"$\1_\2\3$"),
    (re.compile(rf"\b({_GREEK})_?(\d|[A-Z])\b"), r"$\\\1_\2$"),
    (re.compile(rf"\b({_GREEK})\^(\d)"), r"$\\\1^\2$"),
    (re.compile(rf"\b({_GREEK})\b"), r"$\\\1$"),
    (re.compile(r"\b([mpzoJGUhA])_([a-zA-Z0-9])(?!\w)(\*?)"), r"$\1_\2\3$"),
    (re.compile(r"\bm([123])\b"), r"$m_\1$"),
    (re.compile(r"\b([A-Za-z])\^([0-9a-z])\b"), r"$\1^\2$"),
    (re.compile(r"(?<=\s)>=(?=\s)"), "≥"),
    (re.compile(r"(?<=\s)<=(?=\s)"), "≤"),
    (re.compile(r"(?<=\s)->(?=\s)"), "→"),
    (re.compile(r"\bN\(0, 1/d\)"), r"$\\mathcal{N}(0, 1/d)$"),
    (re.compile(r"\bO\(([^()$]+)\)"), r"$O(\1)$"),
    (re.compile(r"(?<![\w*])\(([A-Z](?:, [A-Z])+)\)(?: = (\([\d, ]+\)))?"), _tuple),
    (re.compile(_TERMS), _formula),
)


@cache
def typeset(text: str) -> str:
    r"""The text with symbols that are written in plain letters as formulas.

    >>> typeset("W_K2 at lambda -> 0, T >= 5 and `W_K2` in $tau$")
    '$W_K^2$ at $\\lambda \\to 0$, $T \\ge 5$ and `W_K2` in $tau$'
    >>> typeset("2.5 10^20 of d^(1/(2 alpha)), at most 4e-5, d* = 10^3")
    '$2.5 \\cdot 10^{20}$ of $d^{1/(2\\alpha)}$, at most $4 \\cdot 10^{-5}$, $d^* = 10^{3}$'
    >>> typeset("d rows where C > C*(T, K), at (C, K) = (16, 4) like ln T - 2, (d) and 1/n")
    '$d$ rows where $C > C^*(T, K)$, at $(C, K) = (16, 4)$ like $\\ln T - 2$, (d) and $1/n$'
    """

    def symbols(plain: str) -> str:
        for pattern, formula in _TYPESET:
            plain = _alternating(_FORMULA, plain, partial(pattern.sub, formula), str)
        return _JOINED.sub(_relation, plain)

    return _outside_formulas(text, symbols)


# As HTML, with formulas in MathML that browsers typeset without any script

_UNKNOWN_TO_CONVERTER = {r"\lfloor": "⌊", r"\rfloor": "⌋", r"\arg": r"\\operatorname{arg}"}


def as_html(text: str) -> str:
    """Plain text with formulas and code as HTML; displayed formulas are blocks of their own.

    >>> as_html("a < b in `x` and $y$ [BCBJB2023]").split("<math")[0]
    'a &lt; b in <code>x</code> and '
    """

    return _outside_formulas(
        typeset(text),
        partial(html.escape, quote=False),
        lambda code: f"<code>{html.escape(code, quote=False)}</code>",
        lambda formula: mathml(formula.strip("$"), displayed=formula.startswith("$$")),
    )


@cache
def mathml(formula: str, *, displayed: bool = False) -> str:
    """A LaTeX formula as MathML; a displayed one in a block that scrolls if it is too wide."""
    from latex2mathml.converter import convert

    for command, meaning in _UNKNOWN_TO_CONVERTER.items():
        formula = re.sub(re.escape(command) + "(?![A-Za-z])", meaning, formula)
    written = convert(formula.strip(), display="block" if displayed else "inline")
    return f'<div class="formula">{written}</div>' if displayed else written
