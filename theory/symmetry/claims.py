"""Populations up to symmetry: sequences with the same pattern of equal tokens count once."""

from __future__ import annotations

from fractions import Fraction

from theory.record import Claim

# kappa_T of claim P2 by the length T
SECOND_ORDER = {
    3: Fraction(-61, 108),
    4: Fraction(-23077, 7056),
    5: Fraction(10771103167, 644607000),
    6: Fraction(231412343, 70956810),
}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P1",
        title="For symmetric weights the population is a sum over patterns of equal tokens",
        statement=r"""
Let $W_K^1, W_K^2, W_O^2$ have coefficients over orthonormal atoms that are invariant under
renaming triggers among themselves and content tokens among themselves. (a) The sequences of
InductionTask fall into patterns $(\tau, \pi)$, $\pi$ a partition of the $T-2$ content positions
into $b$ sets of equal tokens, of probability
$$\frac{1}{T-2}\,\frac{C(C-1)\cdots(C-b+1)}{C^{T-2}} ,$$
(b) At any such weights, the loss and its gradients are means over patterns, with one sequence for
each pattern. The classes that do not occur in the sequence fall into kinds $a$ of $m_a$ alike, and
each kind enters the loss once with this multiplicity,
$$\ell = \ln\Big(\sum_{k \text{ occurs}} e^{\xi_k} + \sum_a m_a e^{\xi_a}\Big) - \xi_y ;$$
a gradient between two classes of atoms is the mean over their pairs.
""".strip(),
        assumptions=(
            "orthonormal atoms (infinite width)",
            "weights invariant under renaming the tokens of a class",
            "InductionTask, fixed or random triggers, either vocabulary; readout attention",
        ),
        kind="equal",
        source="derived here, for the data of [BCBJB2023], section 6",
        status="proved",
        note=r"""
There are $(T-2) \sum_{b \le \min(C, T-2)} S(T-2, b)$ patterns, $S$ the Stirling numbers of the
second kind, $(T-2)$ times a Bell number for a large vocabulary: 33 120 at $T = 10$, whatever $N$
is. The check compares loss and gradients with the reference transformer on the enumerated
population, at random symmetric weights.
""".strip(),
    ),
    Claim(
        id="P2",
        title="A first step of size m_1 changes the lead of step 2 by a factor 1 + kappa_T m_1 / C",
        statement=r"""
Take fixed triggers and prediction over the content. Let $W_O^2 = \eta_1 G_1$ with $\eta_1$ such
that the wanted coefficient leads by $m_1$, and let $L(m_1)$ be the lead for the query of a trigger,
$w_E(q) \to \Phi_1 w_E(q)$ over $w_E(q) \to \Phi_1 w_E(c)$ for a content token $c$, in
$-\nabla_{W_K^2} L / \eta_1$. Then $L(0)$ is that of $J_2$, and at fixed $N, T, K$
$$\frac{L(m_1)}{L(0)} = 1 + \frac{\kappa_T}{C}\,m_1 + O(m_1^2),$$
with $\kappa_T$ the same for all $C$ and $K$:
$\kappa_3 = -\tfrac{61}{108}$, $\kappa_4 = -\tfrac{23077}{7056}$,
$\kappa_5 = \tfrac{10771103167}{644607000}$, $\kappa_6 = \tfrac{231412343}{70956810}$.
""".strip(),
        assumptions=(
            "orthonormal atoms; W_K1 = W_K2 = 0 before the step",
            "fixed triggers, prediction over the content; T = 3, ..., 6",
        ),
        kind="equal",
        source="derived here; [BCBJB2023], section 6, takes the first order",
        status="proved",
        note="""
The perturbative step 2 is exact only in the limit of a large vocabulary: at C = 3, T = 5 a first
step of m_1 = 0.5 makes the lead 3.9 times that of J_2, and at C = 3, T = 4 a step of m_1 = 1
reverses its sign. With prediction over all tokens, and with random triggers, the correction is
another rational function of C and K. kappa_T is proved for every C and K at each T listed; in the
same way it was found at T = 7 (1.940) and T = 8 (1.415).
""".strip(),
    ),
    Claim(
        id="P3",
        title="Up to a million tokens, S3b agrees with step 3, and finite steps write the head",
        statement=r"""
The following holds at $N$ up to $10^6$, by sums over patterns. (a) In rows $2 \le t < T$, relative
to the largest entry of the row, S3b equals the exact derivative of step 3 up to rounding and the
bound of S3b-bound, which is at most $2 \cdot 10^{-8}$ at $C = 10^4$ and $2 \cdot 10^{-14}$ at $C =
10^6$, for $(T, K, \lambda) = (5, 1, 1), (8, 1, 10), (8, 4, 1)$. (b) Take three gradient steps of
finite size on the exact population, with $(m_1, m_2, m_3) = (\tfrac12, 10, 20)$, $K = 1$ and $T =
8, \dots, 10$. Then $W_O^2$, $W_K^2$ and rows $3, \dots, T-2$ of $W_K^1$ are recalled, and the label
is the strict maximum of the logits in every sequence with $2 \le \tau \le T-3$; at $\tau = T-2$
this is so in a share $1/C$ of the sequences, which is chance, and at $\tau = 1$ in a share of $1/C$
to $2/C$.
""".strip(),
        assumptions=(
            "orthonormal atoms, prediction over the content",
            "step 3 moves the position block; the sizes named",
        ),
        kind="empirical",
        source="computed here, for step 3 and the theorem of [BCBJB2023], section 6",
        status="empirical",
        note="""
Nothing is sampled: the numbers are exact up to rounding, for these sizes; (b) was computed for one
trigger and prediction over the content only. Sequences with tau = T-2 fail because row T-1 of W_K1
is not recalled at these lengths, and those with tau = 1 because position 1 can attend only to
itself (claim tie).
""".strip(),
    ),
)
