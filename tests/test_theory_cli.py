"""``python -m theory``: the register of derivations, what a reader sees, and the LaTeX document."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import sympy

from theory import CLAIMS, derivation, writing
from theory.__main__ import main
from theory.derivation import Derivation, DerivationError, Step, derive, has_derivation
from theory.plain import readable

ROOT = Path(__file__).parent.parent
FAST = ["NO1", "P1"]  # derivations of a tenth of a second


def quick(steps: Derivation) -> None:
    """A derivation in place of the real ones, with everything that writing must get right."""
    x = sympy.Symbol("x")
    steps.say(
        "Start at 100 % of W_O2 & [BCBJB2023], `a_b`, τ, x², Φ₁, ½ and $\\tau = 1$.", r"\tau = 1"
    )
    steps.equal("Expand.", (x + 1) ** 2, x**2 + 2 * x + 1)
    steps.equal("A long one: " + "many words " * 20, x, x, latex="+".join(["x"] * 200) + "= 200 x")


def wrong(steps: Derivation) -> None:
    steps.equal("Two is three.", 2, 3)


@pytest.fixture
def planted(monkeypatch):
    """Every claim gets a quick derivation, L1 a wrong one."""

    def derived(claim):
        steps = Derivation(claim.id)
        (wrong if claim.id == "L1" else quick)(steps)
        return steps

    monkeypatch.setattr(derivation, "has_derivation", lambda claim: True)
    monkeypatch.setattr(derivation, "derive", derived)


def test_a_missing_derivation_is_named():
    claim = replace(CLAIMS["L2"], id="L9")
    with pytest.raises(DerivationError, match=r"^L9: expected a derivation in theory/lemmas/l9.py"):
        has_derivation(claim)
    assert not has_derivation(replace(claim, status="empirical"))


# --- list and table


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_list_names_every_claim(arguments, capsys):
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CLAIMS)
    for line, claim in zip(lines, CLAIMS.values(), strict=True):
        assert line.split() == [*f"{claim.id} {claim.kind} {claim.status} {claim.title}".split()]


def test_table_has_a_row_for_every_claim(capsys):
    assert main(["table"]) == 0
    heading, rule, *rows = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    assert [row[0] for row in cells] == list(CLAIMS)
    assert [row[-2:] for row in cells] == [[claim.kind, claim.status] for claim in CLAIMS.values()]
    assert {len(row) for row in cells} == {heading.count("|") - 1, rule.count("|") - 1}


# --- show


@pytest.mark.parametrize("id", [id for id in CLAIMS if id != "L1"])
def test_show_has_all_of_a_claim(id, planted, capsys):
    assert main(["show", id.lower()]) == 0
    shown = capsys.readouterr().out
    claim, words = CLAIMS[id], shown.split()
    assert shown.startswith(f"{id}. ")
    for text in (claim.title, claim.source, *claim.assumptions):
        if "$" not in text:
            assert " ".join(text.split()) in " ".join(words)
    assert ("Note" in shown.splitlines()) == bool(claim.note)
    assert "Derivation (3 steps, 2 of them checked by SymPy: ✓)" in shown
    assert re.search(r"^  1   Start at 100 % of W_O2 .* τ = 1\.$", shown, re.MULTILINE)
    assert re.search(
        r"^  2 ✓ Expand\.\n {10}\(x \+ 1\)\^2 = x\^2 \+ 2 x \+ 1$", shown, re.MULTILINE
    )
    assert max(map(len, shown.splitlines())) <= writing.WIDTH


@pytest.mark.parametrize("id", CLAIMS)
def test_claims_fit_the_terminal_and_hold_no_latex(id):
    shown = writing.claim_as_text(CLAIMS[id])
    assert all(len(line) <= writing.WIDTH for line in shown.splitlines())
    assert not re.search(r"[\\$]", shown)
    assert shown.count("{") == shown.count("}")


def test_show_takes_several_claims_in_the_order_of_the_register(planted, capsys):
    assert main(["show", "NO1", "T"]) == 0
    heads = re.findall(r"^(\S+)\. ", capsys.readouterr().out, re.MULTILINE)
    assert [head for head in heads if head in CLAIMS] == ["T", "NO1"]


def test_a_wrong_derivation_is_an_error(planted, capsys):
    assert main(["show", "L1"]) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("L1. ")
    assert "fails. L1: Two is three. The two sides differ by -1" in shown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "XY"], "argument ID: expected a claim's id, .* got 'XY'. `list` shows"),
        (["prove"], "invalid choice: 'prove'"),
        (["list", "NO1"], "unrecognized arguments: NO1"),
    ],
)
def test_wrong_usage(arguments, message, capsys):
    assert main(arguments) == 2
    assert re.search(message, " ".join(capsys.readouterr().err.split()))


def test_a_real_derivation_is_shown(capsys):
    assert main(["show", *FAST]) == 0
    shown = capsys.readouterr().out
    for id in FAST:
        steps = derive(CLAIMS[id]).steps
        assert f"Derivation ({writing.count(steps)}: ✓)" in shown


def run_program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_program():
    done = run_program("-m", "theory", "show", "NO1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("NO1. ")
    assert run_program("-m", "theory", "show", "XY").returncode == 2


def test_help_and_list_load_no_library():
    code = (
        "import sys; from theory.__main__ import main; main(['list']); main(['table']);"
        "main(['--help']); print({'sympy', 'numpy', 'assocmem'} & set(sys.modules))"
    )
    assert run_program("-c", code).stdout.splitlines()[-1] == "set()"


# --- formulas in plain characters


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        (r"\frac{1}{2}", "1/2"),
        (r"\tfrac1M", "1/M"),
        (r"\frac{\frac{a}{b}}{c + d}", "(a/b)/(c + d)"),
        (r"\hat\mu_k \in \mathbb{R}^d", "μ̂_k ∈ ℝ^d"),
        (r"\left\| x \right\|_{ij} \le \sqrt{d}", "‖ x ‖_{ij} ≤ √(d)"),
        (r"\mathrm{Cov}_s(u_s, v) \ne 0", "Cov_s(u_s, v) ≠ 0"),
        (r"x^{1\top}_T W^\top\langle u, v\rangle", "x^{1ᵀ}_T Wᵀ⟨u, v⟩"),
        (r"\frac{\lambda^2}{2d} + \tfrac1{CT}", "λ^2/(2d) + 1/(CT)"),
        (r"\sqrt{\tfrac2d \ln\frac{n(n-1)}\delta}", "√(2/d ln((n(n-1))/δ))"),
        (r"\ln \frac n{\ln 2} + \eta\frac{N-1}N", "ln (n/(ln 2)) + η (N-1)/N"),
        (r"\cosh\lambda \le c\quad\text{so}\quad\cos^2\theta", "coshλ ≤ c so cos^2θ"),
        (r"\tbinom n2 + \binom{N - 1}i", "binom(n, 2) + binom(N - 1, i)"),
        (r"\frac12\Big({-\frac1t} + \overline{\delta^2}\Big)", "1/2(-1/t + bar(δ^2))"),
        (r"\begin{aligned} a &= b \\ c &= d \end{aligned}", "a    = b\nc    = d"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "[ 1 2; 3 4 ]"),
        (r"\texttt{recall}(n) \unheardof \mathcal N", "recall(n) unheardof 𝒩"),
    ],
)
def test_readable(formula, shown):
    assert readable(formula) == shown


def test_a_missing_library_is_named_with_its_extra():
    code = (
        "import sys; sys.modules['pylatexenc'] = None; from theory.__main__ import main;"
        "main(['show', 'D1'])"
    )
    assert "pylatexenc: expected the package" in (said := run_program("-c", code).stderr)
    assert "pip install 'assocmem[theory]'" in said


# --- LaTeX


def test_latex_escapes_plain_text_and_keeps_formulas():
    (line,) = (
        line
        for line in writing.as_latex([(CLAIMS["L2"], [Step("5 % of W_O2 & #1 ~ `a_b` τ² $x_1$")])])
        if "of W" in line
    )
    code, greek = r"\texttt{a\_b}", r"\ensuremath{\tau}\ensuremath{^{2}}"
    assert rf"5 \% of W\_O2 \& \#1 \textasciitilde{{}} {code} {greek} $x_1$" in line


def test_latex_goes_to_standard_output(planted, capsys):
    assert main(["show", "S2", "S3a", "--latex"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(r"\documentclass")
    assert text.endswith("\\end{document}\n")
    assert re.findall(r"\\section\*\{(\w+)\.", text) == ["S2", "S3a"]
    for id in ("S2", "S3a"):
        assert all(formula in text for formula in re.findall(r"\$\$.+?\$\$", CLAIMS[id].statement))


def compiled(text: str, folder: Path) -> str:
    """What pdflatex has to say about the document; it must compile."""
    (folder / "claims.tex").write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "claims.tex"],
        cwd=folder, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "claims.pdf").stat().st_size > 0
    return done.stdout


needs_pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")


@needs_pdflatex
@pytest.mark.slow
def test_all_claims_compile(tmp_path, capsys):
    assert main(["show", "--latex"]) == 0
    log = compiled(capsys.readouterr().out, tmp_path)
    assert "Missing character" not in log
    assert (
        "Overfull \\hbox" not in log
        or max(float(width) for width in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)) < 30
    )  # nothing runs off the page, whose margins are 70 pt


@needs_pdflatex
@pytest.mark.slow
def test_the_compiler_sees_a_broken_formula(tmp_path):
    text = "\n".join(writing.as_latex([(CLAIMS["L1"], [Step("", r"\frac{1")])]))
    with pytest.raises(AssertionError):
        compiled(text, tmp_path)
