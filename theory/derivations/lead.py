"""S2-sign and S2-limit: the lead of step 2, its sign and its growth."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Symbol

import assocmem as am
from assocmem.model.blocks import ATOMS, POSITIONS, REMAPPED_POSITIONS, REMAPPED_TOKENS, TOKENS
from theory import harmonic
from theory.derivation import Derivation
from theory.derivations.any_length import LENGTHS, aligned, harmonic_sums, rational, task, wanted
from theory.harmonic import MOMENTS, PHI, REMAPPED_OUTPUT, T, at_length, x, y
from theory.population import VOCABULARIES
from theory.rational import C, K, c
from theory.telescoping import KINDS, covariances

Rows = dict[tuple[str, int], Any]


def library_rows(vocabularies: tuple[str, ...] = VOCABULARIES) -> Rows:
    """The library's coefficients of step 2 between w_E and Φ₁ w_E."""
    return {
        (v, t): am.gradients.second_step(task(t, v))[TOKENS, REMAPPED_TOKENS]
        for v in vocabularies
        for t in (LENGTHS if v == "content" else LENGTHS[:4])
    }


def sum_rule(d: Derivation, rows: Rows) -> None:
    d.say(
        r"The shares $m_s(i)$ of the tokens $i$ in $x^1_s$ (atoms $\Phi_1 w_E$) sum to 1 over $i$, "
        r"and a constant has no covariance: every row of $J_2$ sums to 0 over the atoms $\Phi_1 "
        "w_E$. In the row $w_E(q)$ the other fixed triggers do not occur and the competitors are "
        "alike, so that each of the $C$ competitors is $-1/C$ times the wanted coefficient."
    )
    values = []
    for (vocabulary, _), block in rows.items():
        values.append(block.same[0] + c * block.different[0, -1])
        if vocabulary != "random":
            values.append(block.different[0, 0])
    d.equal(
        "In the library's tables:",
        values,
        [0] * len(values),
        latex=r"J_2[w_E(q), \Phi_1 w_E(i)] = -\tfrac1C J_2[w_E(q), \Phi_1 w_E(q)],\ i"
        r"\text{ in the content};\qquad 0,\ i \text{ another fixed trigger}",
    )
    d.say(
        r"So the lead has the sign of the wanted coefficient $J = J_2[w_E(q), \Phi_1 w_E(q)]$: it "
        r"is $(1 + \frac1C) J$ for $K = 1$, for random triggers, or for $J < 0$, and $J$ for $K "
        r"\ge 2$ fixed triggers and $J > 0$, where the best competitor is another trigger, at 0."
    )


def closed_form(d: Derivation, rows: Rows) -> None:
    d.say(
        r"Given $\tau$ the trigger's share $m_s = 1\{s \ge \tau\}/s + 1\{s{=}T\}/T$ is not random, "
        r"so only $\mathbb{E}[u_s | \tau]$ enters: by S1, a value for each role of a position "
        "(output, trigger, free), directly and averaged over the past.",
        r"J = \tfrac{1}{K}\,\mathbb{E}_\tau\, \mathrm{Cov}_s\big(\mathbb{E}[u_s|\tau], m_s\big)"
        r"\qquad (\tfrac1N \text{ for random triggers})",
    )
    for vocabulary in VOCABULARIES:
        lengths = [t for v, t in rows if v == vocabulary]
        d.equal(
            f"This is the library's coefficient, $T = 3, ..., {lengths[-1]}$ ({vocabulary}). At "
            "$T = 5$:",
            [rows[vocabulary, t].same[0] for t in lengths],
            [wanted(t, vocabulary) for t in lengths],
            latex="J = " + sympy.latex(wanted(5, vocabulary)),
        )


def content_profile(d: Derivation) -> None:
    """Φ(T), which decides for prediction over the content."""
    d.say(
        r"Prediction over the content: $\mathbb{E} u_s$ vanishes at triggers and free positions, "
        r"and with $H$ of S1, $e_s = 1\{s{=}\tau{+}1\} + \frac{H}{s} 1\{s > \tau\}$ and the lead "
        r"$u = \frac{1}{TC}$ of $G_1$,",
        r"J = \frac{u}{K T^2} \Big(1 - \frac1C\Big) \Phi(T),\qquad \Phi(T) = T^2\,"
        r"\mathbb{E}_\tau\, \mathrm{Cov}_s(e_s, m_s)",
    )
    harmonic_sums(d)
    numerator = sympy.factor(sympy.together(PHI))
    direct, past = (covariances(kind, "remapped")[0, 1].as_expr() for kind in KINDS)
    d.equal(
        r"These sums give $\Phi$ in $T$, $x = H_T$ and $y = H_T^{(2)}$ (see S2); compare with the "
        r"sum over $\tau$, $T = 3, ..., 30$.",
        [PHI, *(at_length(PHI, t) for t in range(3, 31))],
        [direct + REMAPPED_OUTPUT * past, *(phi_by_its_sum(t) for t in range(3, 31))],
        latex=r"\Phi = " + sympy.latex(numerator),
    )
    for k, factor in ((1, 1 + 1 / c), (2, 1)):
        lengths, left, right = LENGTHS if k == 1 else LENGTHS[2:], [], []
        for t in lengths:
            sizes = am.InductionTask(c + k, t, k)
            block = am.gradients.second_step(sizes)[TOKENS, REMAPPED_TOKENS]
            competitor = block.different[0, -1] if k == 1 else block.different[0, 0]
            left.append(block.same[0] - competitor)
            phi = at_length(PHI, t)
            right.append((1 - 1 / c) * factor * phi.p / (phi.q * k * t**3 * c))
        d.equal(
            f"So the library's lead is, for every $N$, with $K {'= 1' if k == 1 else '= 2'}$, "
            f"$T = {lengths[0]}, ..., {lengths[-1]}$:",
            left,
            right,
            latex=r"\frac{K T^2}{u}\,\mathrm{lead}(J_2) = \Big(1 - \frac1{C"
            + (r"^2" if k == 1 else "")
            + r"}\Big) \Phi(T)",
        )


def derive_sign(d: Derivation) -> None:
    rows = library_rows()
    sum_rule(d, rows)
    closed_form(d, rows)
    content_profile(d)
    sign_over_content(d)
    sign_over_all(d)
    sign_random(d)


def sign_over_content(d: Derivation, limit: int = 20) -> None:
    short = [at_length(PHI, t) for t in (3, 4)]
    d.holds(
        "$\\Phi(3)$ and $\\Phi(4)$ are negative: so is the lead, at every $N$ and $K$.",
        sympy.And(*(value < 0 for value in short)),
        latex=rf"\Phi(3) = {sympy.latex(short[0])},\quad \Phi(4) = {sympy.latex(short[1])}",
    )
    d.holds(
        f"$\\Phi(T)$ is positive for $T = 5, ..., {limit - 1}$, by exact arithmetic.",
        sympy.And(*(at_length(PHI, t) > 0 for t in range(5, limit))),
        latex=rf"\Phi(5) = {sympy.latex(at_length(PHI, 5))} > 0,\ ...,\ \Phi({limit - 1}) > 0",
    )
    bound, exponents = harmonic.lower_bound(MOMENTS.phi, limit)
    d.holds(
        rf"For $T \ge {limit}$: write the numerator of $\Phi$ over $T^6$, drop positive terms "
        r"except the leading $2x$, and use $0 < y < \frac53$. What is subtracted are terms "
        r"$x^j / T^i$ with $j \le 2 i$.",
        sympy.And(*(j <= 2 * i for i, j in exponents)),
        latex=r"\Phi(T)\, \frac{(T-2)^2 (T-1)}{T^3} \ge 2 x - \tfrac{17}{3} - "
        r"\sum_{i \ge 1} c_{ij} \frac{x^j}{T^i}",
    )
    d.say(
        r"Such terms fall with $T$: from $T$ to $T + 1$, $x^j$ grows by at most $(1 + "
        r"\frac{1}{2(T+1)})^{2i} \le e^{i/(T+1)} \le (1 + \frac1T)^i$, as $x \ge 2$. So the right "
        f"side grows, and it is enough to look at $T = {limit}$."
    )
    d.holds(
        rf"At $T = {limit}$ the right side is positive. Hence the lead is negative for $T \le 4$ "
        r"and positive for $T \ge 5$, at every $N$ and $K$.",
        bound > 0,
        latex=f"{sympy.Float(bound, 3)} > 0",
    )


def sign_over_all(d: Derivation, lengths: tuple[int, ...] = (5, 6, 8, 16, 32)) -> None:
    """Fixed triggers, prediction over all: labels are not uniform over the classes."""
    d.say(
        "Prediction over all tokens: the lead has the sign of",
        _numerators("all"),
    )
    d.equal(
        "For many more content tokens than triggers the sign is again that of $\\Phi$; $T = 3, "
        "..., 8$:",
        [sympy.limit(wanted(t, "all") * C * K * t**3, C, sympy.oo) for t in LENGTHS],
        [at_length(PHI, t) for t in LENGTHS],
        latex=r"\lim_{C \to \infty} T C \cdot K T^2 J = \Phi(T)",
    )
    numerators = {t: sympy.Poly(sympy.numer(wanted(t, "all").subs(K, 1)), C) for t in lengths}
    _thresholds(d, "So with prediction over all tokens and $K = 1$", numerators)


def sign_random(d: Derivation, lengths: range = range(5, 21)) -> None:
    """Random triggers: the sign changes once in N."""
    d.say("Random triggers, $C = N - 1$: the lead has the sign of", _numerators("random"))
    three, four = (sympy.Poly(sympy.numer(wanted(t, "random")), C) for t in (3, 4))
    d.holds(
        "At $T = 3$ it is negative for every $N \\ge 4$, at $T = 4$ for every $N \\ge 3$.",
        sympy.And(
            three.LC() < 0,
            three.count_roots(3, None) == 0,
            four.LC() < 0,
            four.count_roots(2, None) == 0,
        ),
        latex=r"\text{no root in } C \ge 3,\ C \ge 2",
    )
    numerators = {t: sympy.Poly(sympy.numer(wanted(t, "random")), C) for t in lengths}
    _thresholds(d, "So with random triggers", numerators)


def _numerators(vocabulary: str) -> str:
    return aligned(
        *(rf"T = {t}: \quad {sympy.latex(sympy.numer(wanted(t, vocabulary)))}" for t in LENGTHS[:4])
    )


def _thresholds(d: Derivation, setting: str, numerators: dict[int, Any]) -> None:
    """From which C >= 2 on the sign is positive, at each T, and only from there."""
    starts, relations = {}, []
    for t, numerator in numerators.items():
        starts[t] = next(c for c in range(2, 10**4) if numerator.eval(c) > 0)
        relations += [numerator.LC() > 0, numerator.count_roots(starts[t], None) == 0]
        relations += [numerator.eval(c) <= 0 for c in range(2, starts[t])]
    d.holds(
        f"{setting} the lead is positive exactly from this $N$ on: positive there, no root above, "
        "and not positive below.",
        sympy.And(*relations),
        latex=r",\quad ".join(rf"T = {t}: N \ge {start + 1}" for t, start in starts.items()),
    )


def derive_limit(d: Derivation) -> None:
    sum_rule(d, library_rows(("content",)))
    content_profile(d)
    z, log_t = Symbol("z", positive=True), Symbol("ell", positive=True)
    d.equal(
        "Expand $\\Phi$ in $1/T$ at fixed $x$ and $y$.",
        sympy.series(PHI.subs(T, 1 / z), z, 0, 2).removeO(),
        2 * x - y - 4 + z * (-(x**2) / 2 + (y + 9) * x - sympy.Rational(7, 2) * y - 14),
        latex=r"\Phi = 2x - y - 4 + \frac1T\Big(-\frac{x^2}{2} + (y + 9) x - \frac72 y - 14\Big)"
        r" + O(x^3 T^{-2})",
    )
    zeta = sympy.pi**2 / 6
    substituted = PHI.subs({x: log_t + z / 2, y: zeta - z, T: 1 / z})
    limit = 2 * log_t - 4 - zeta
    correction = -(log_t**2) / 2 + (9 + zeta) * log_t - 12 - sympy.Rational(7, 2) * zeta
    d.equal(
        r"Euler-Maclaurin: $x = \ell + \frac{1}{2T} + O(T^{-2})$ with $\ell = \ln T + \gamma$, and "
        r"$y = \frac{\pi^2}{6} - \frac1T + O(T^{-2})$.",
        sympy.series(substituted, z, 0, 2).removeO(),
        limit + z * correction,
        latex=r"\Phi = 2 \ell - 4 - \frac{\pi^2}{6} + \frac1T\Big(-\frac{\ell^2}{2} + \Big(9 + "
        r"\frac{\pi^2}{6}\Big) \ell - 12 - \frac{7\pi^2}{12}\Big) + O\Big(\frac{\ln^3 T}{T^2}\Big)",
    )
    gaps = []
    for t in (64, 256, 1024):
        values = {log_t: sympy.log(t) + sympy.EulerGamma}
        rest = at_length(PHI, t) - limit.subs(values) - correction.subs(values) / t
        gaps.append(abs(rest.evalf(30)) * t**2 / sympy.log(t).evalf() ** 3)
    d.holds(
        "In numbers: what is left after both terms, over $\\ln^3 T / T^2$, at $T = 64, 256, 1024$.",
        sympy.And(*(gap < 1 for gap in gaps)),
        latex=", ".join(f"{float(gap):.2f}" for gap in gaps),
    )
    d.say(
        r"$N$ enters only by the factor $1 - C^{-2}$ or $1 - C^{-1}$ above: the limits $T \to "
        r"\infty$ and $N \to \infty$ may be taken in any order."
    )
    unwanted(d)


def unwanted(d: Derivation) -> None:
    """The other coefficients of J₂ that the query at T meets."""
    h = Symbol("H", positive=True)
    s = Symbol("s", positive=True)
    to_trigger = h - 2 - 2 * h**2
    to_position = T * (1 + h * (s - 1) / s) / (T - 2) - (1 + h**2)

    def position(p: int, length: int) -> Any:
        if p == length:
            return h - (1 + h**2)
        return -(1 + h**2) if p == 1 else to_position.subs(s, p)

    left, right = [], []
    for t in LENGTHS:
        table = am.gradients.second_step(task(t, "content"))
        unit = (1 - 1 / C) / (C * K * t**3)
        positions = [position(p, t) for p in range(1, t + 1)]
        remapped = [
            sum(positions[p - 1] / sympy.Integer(p) for p in range(r, t + 1))
            for r in range(1, t + 1)
        ]
        left += [table[TOKENS, TOKENS].same[0], *table[TOKENS, POSITIONS][0]]
        left += [*table[TOKENS, REMAPPED_POSITIONS][0]]
        row = [to_trigger, *positions, *remapped]
        right += [unit * at_length(e.subs(h, REMAPPED_OUTPUT), t) for e in row]
    d.equal(
        r"The other keys for the cue $w_E(q)$, in units of $\frac{u}{K T^2} (1 - \frac1C)$; "
        r"compare with the library, $T = 3, ..., 8$.",
        left,
        right,
        latex=r"w_E(q): H - 2 - 2 H^2;\quad p_s: -(1 + H^2)\ (s = 1),\ \tfrac{T}{T-2}\big(1 + H "
        r"\tfrac{s-1}{s}\big) - (1 + H^2)\ (1 < s < T),\ H - 1 - H^2\ (s = T);\quad "
        r"\Phi_1 p_r: \sum_{s \ge r} \tfrac1s (\text{that of } p_s)",
    )
    d.equal(
        r"As $T \to \infty$, $H \to 1$: these stay bounded (and negative), while the wanted one "
        r"grows like $2 \ln T$.",
        [
            to_trigger.subs(h, 1),
            position(1, 0).subs(h, 1),
            sympy.limit(to_position.subs(h, 1), T, sympy.oo),
        ],
        [-3, -2, -1 / s],
        latex=r"w_E(q) \to -3,\quad p_1 \to -2,\quad p_s \to -\tfrac1s,\quad \Phi_1 p_1 \to "
        r"-1 - \tfrac{\pi^2}{6}",
    )
    left, right = [], []
    for t in LENGTHS:
        table = am.gradients.second_step(task(t, "content"))
        best = table[TOKENS, REMAPPED_TOKENS].same[0]
        left += [
            table[POSITIONS, REMAPPED_TOKENS][-1, 0],
            table[ATOMS[3], REMAPPED_TOKENS][0, 0],
            table[REMAPPED_TOKENS, REMAPPED_TOKENS].same[0],
        ]
        right += [best, best / t, best * 2 / t]
    d.equal(
        r"Among the other queries the largest coefficient is that of $p_T$, equal to the wanted "
        r"one, $J$: it looks for any trigger. $\Phi_1 p_r$ has $J/T$ and $\Phi_1 w_E(q)$ $2J/T$.",
        left,
        right,
        latex=r"J_2[p_T, \Phi_1 w_E(q)] = J,\quad J_2[\Phi_1 p_r, \Phi_1 w_E(q)] = \tfrac{J}{T},"
        r"\quad J_2[\Phi_1 w_E(q), \Phi_1 w_E(q)] = \tfrac{2J}{T}",
    )


def phi_by_its_sum(length: int) -> Any:
    """Φ(T) by its sum over τ."""
    moments, output = harmonic.covariances(length), at_length(REMAPPED_OUTPUT, length)
    remapped = rational(moments["remapped", "output"])
    return rational(moments["direct", "output"]) + output * remapped
