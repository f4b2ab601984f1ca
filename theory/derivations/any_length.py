"""S1 and the wanted coefficient of S2 at any length, from who stands where."""

from __future__ import annotations

from typing import Any, NamedTuple

import sympy

import assocmem as am
from assocmem.model.blocks import OUTPUTS, REMAPPED_TOKENS, TOKENS
from theory import harmonic
from theory.derivation import Derivation
from theory.harmonic import REMAPPED_FIRST_TRIGGER, REMAPPED_OUTPUT, T, at_length, x, y
from theory.population import VOCABULARIES
from theory.rational import C, K, c, k
from theory.telescoping import ANTIDIFFERENCES, BEYOND, FIRST, RECIPROCAL, SQUARES, TAIL, total

LENGTHS = (3, 4, 5, 6, 7, 8)


Weights = dict[str, tuple[Any, Any, Any]]
# Of the output, of both triggers, of all positions: 1, then h_r, averaged over τ.
WEIGHTS: Weights = {
    "direct": (sympy.Integer(1), sympy.Integer(2), T),
    "remapped": (REMAPPED_OUTPUT, REMAPPED_FIRST_TRIGGER + 1 / T, T),
}


def task(length: int, vocabulary: str) -> am.InductionTask:
    if vocabulary == "random":
        return am.InductionTask(c + 1, length, "random", "all")
    return am.InductionTask(c + k, length, k, vocabulary)  # type: ignore[arg-type]


class Readout(NamedTuple):
    """T times the coefficients of G₁ between w_U(k), k a content token, and a family of tokens."""

    same: Any
    other: Any
    trigger: Any

    @property
    def at_roles(self) -> dict[str, Any]:
        """What k = y reads on average at the output, at the trigger, at a free position."""
        free = (self.same + (C - 1) * self.other) / C
        return {"output": self.same, "trigger": self.trigger, "free": free}


def readouts(vocabulary: str, weights: Weights = WEIGHTS) -> dict[str, Readout]:
    """S1 in T, x = H_T, C and K: who stands where, and what the label says about it."""
    found = {}
    for kind, (output, triggers, everywhere) in weights.items():
        if vocabulary == "random":
            n, free = C + 1, everywhere - triggers - output
            same = (output * C - triggers + free / C) / n**2
            found[kind] = Readout(same, -same / C, -same / C)
        else:
            outputs = C if vocabulary == "content" else C + K
            content = everywhere - triggers
            other = (content - output) / C**2 - content / (C * outputs)
            found[kind] = Readout(output / C + other, other, (1 / C - 1 / outputs) * triggers / K)
    return found


def surplus_of_labels(vocabulary: str) -> Any:
    """p(y=k) - 1/M for a content token k."""
    return 1 / C - 1 / (C + K) if vocabulary == "all" else sympy.Integer(0)


def wanted(length: int, vocabulary: str) -> Any:
    """J₂ between w_E(q) and Φ₁ w_E(q): the readout of step 1 against the share of the trigger."""
    total, moments = sympy.Integer(0), harmonic.covariances(length)
    for kind, readout in readouts(vocabulary).items():
        for role, value in readout.at_roles.items():
            total += value * rational(moments[kind, role])
    total += surplus_of_labels(vocabulary) * rational(moments["remapped", "position"])
    triggers = C + 1 if vocabulary == "random" else K
    return sympy.factor(at_length(total, length) / (triggers * length**3))


def first_step_at_any_length(d: Derivation) -> None:
    """S1 with T a symbol, from the probabilities of who stands where."""
    d.say(
        r"At any $T$: average over $\tau$ the weights ($1$, then $h_r$) of the output's position, "
        r"$w_o$, of the two triggers, $w_q$, and of all positions, $w$; then $w_o = 1$, $w_q = 2$, "
        r"$w = T$ for $w_E$. For $\Phi_1 w_E$, with $x = H_T$, use the sums below."
    )
    harmonic_sums(d)
    d.say(
        r"So $w_o = H := \frac{T - x - 1/T}{T-2}$, $w_q = \frac{T - 1/(T-1) - 2/T}{T-2} + "
        r"\frac1T$, $w = T$. With fixed triggers, a content label $k$ and $w_c = w - w_q$: "
        r"$P(y{=}k, z_r{=}i)$ is $1\{i{=}k\}/C$ at the output and $1/C^2$ at a free position. With "
        r"random triggers it is $1\{i{=}k\}/N$ at the output, $1\{i \ne k\}/(N(N-1))$ at a trigger "
        r"and, free, $1/(N(N-1))$ for $i = k$ and $(N-2)/(N(N-1)^2)$ otherwise."
    )
    for vocabulary in VOCABULARIES:
        left, right = [], []
        for length in LENGTHS:
            table = am.gradients.first_step(task(length, vocabulary))
            for kind, tokens in (("direct", TOKENS), ("remapped", REMAPPED_TOKENS)):
                block, readout = table[OUTPUTS, tokens], readouts(vocabulary)[kind]
                left += [block.same[-1], block.different[-1, -1], block.different[-1, 0]]
                right += [at_length(value, length) / length for value in readout]
        d.equal(
            f"These are the library's blocks of the tokens, $T = 3, ..., 8$ ({vocabulary}).",
            left,
            right,
            latex=_FORMULAS[vocabulary],
        )
    d.say(
        "Fixed triggers and content, $N \\to \\infty$: the second memory is as strong as the "
        "first. Their ratio is $H$, with $x = \\ln T + \\gamma + O(1/T)$,",
        r"H = 1 - \frac{\ln T + \gamma - 2}{T} + O\Big(\frac{\ln T}{T^2}\Big)",
    )
    series = sympy.series(REMAPPED_OUTPUT.subs(T, 1 / y), y, 0, 2).removeO()
    d.equal(
        "by expanding in $1/T$ at fixed $x$:",
        series,
        1 - (x - 2) * y,
        latex=r"H = 1 - "
        r"\frac{x-2}{T} + O(x T^{-2})",
    )


_FORMULAS = {
    "content": r"w_U(k)\text{ to } i: \frac{w_o}{T C}\big(\delta_{ik} - \tfrac1C\big),\ "
    r"\text{trigger: } 0",
    "all": r"\frac1T\Big(\frac{w_o \delta_{ik}}{C} + \frac{w_c - w_o}{C^2} - \frac{w_c}{C N}\Big),"
    r"\ \text{trigger: } \frac{w_q}{T K}\big(\tfrac1C - \tfrac1N\big)",
    "random": r"i = k: s = \frac{1}{T N^2}\Big(w_o (N-1) - w_q + \frac{w - w_q - w_o}{N-1}\Big),"
    r"\quad i \ne k: -\frac{s}{N-1}",
}


def harmonic_sums(d: Derivation) -> None:
    """The sums over tails, by telescoping."""
    r, h, squares = sympy.symbols("r h_r S_r", positive=True)
    gains, summands, formulas = [], [], []
    for (i, j, *powers), F in ANTIDIFFERENCES.items():
        summand = h ** powers[0] * squares ** powers[1] / (r**i * (r + 1) ** j)
        gains.append(F(r + 1, h - 1 / r, squares - 1 / r**2) - F(r, h, squares))
        summands.append(summand)
        formulas.append(f"{sympy.latex(summand)}: \\quad {sympy.latex(F(r, h, squares))}")
    d.equal(
        "Sums over $r$ telescope when the summand is a difference $F(r+1) - F(r)$. With $h_r = "
        "\\sum_{s \\ge r} s^{-1}$ and $S_r = \\sum_{s \\ge r} s^{-2}$ up to $T$, so that $h_{r+1} "
        "= h_r - \\frac1r$ and $S_{r+1} = S_r - r^{-2}$, these summands have these $F$:",
        gains,
        summands,
        latex=aligned(*formulas),
    )
    later = RECIPROCAL * (TAIL - RECIPROCAL)
    d.equal(
        "From $r = 1$, with $h_1 = x = H_T$ and $S_1 = y = H_T^{(2)}$, to $r = T + 1$, where both "
        "are 0:",
        [total(summand, FIRST, BEYOND) for summand in (TAIL, TAIL**2, SQUARES, later)],
        [T, 2 * T - x, x, (x**2 - y) / 2],
        latex=r"\sum_{r=1}^T h_r = T,\quad \sum_{r=1}^T h_r^2 = 2T - x,\quad \sum_{r=1}^T S_r = x,"
        r"\quad \sum_{r=1}^T \tfrac1r h_{r+1} = \tfrac12 (x^2 - y)",
    )


def aligned(*formulas: str) -> str:
    """Formulas in lines."""
    return r"\begin{aligned}" + r"\\".join(f"&{line}" for line in formulas) + r"\end{aligned}"


def rational(value: Any) -> sympy.Rational:
    """A fraction as SymPy's."""
    return sympy.Rational(value.numerator, value.denominator)
