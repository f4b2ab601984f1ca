"""Optimisers as writers of memories: one step from zero of gradient descent, sign descent, Muon."""

from theory.record import Claim

GAUSSIAN = "keys and values are independent families with independent N(0, 1/d) entries"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="WR1",
        title="Over orthonormal atoms, the polar factor equalises all frequencies, in any basis",
        statement=r"""
Let $u_1, \dots, u_n$ and $v_1, \dots, v_n$ be orthonormal families, $p_i > 0$ and
$M = \sum_i p_i v_i u_i^\top$. This is what one step of gradient descent from zero writes of items
with frequencies $p_i$ (L1, up to the mean of the values). (a) Its polar factor, which one step of
Muon writes, is
$$\mathrm{polar}(M) = \sum_i v_i u_i^\top ,$$
whatever the frequencies. (b) $\mathrm{polar}(A M B) = A\, \mathrm{polar}(M)\, B$ for orthogonal
$A, B$. (c) Over one-hot atoms sign descent writes the same matrix, $\mathrm{sign}(M) = \sum_i v_i
u_i^\top$, but not over other atoms: with $u = v = (\cos\theta, \sin\theta), (-\sin\theta,
\cos\theta)$, $p_1 > p_2$ and $0 < \theta < \tfrac\pi4$
$$\mathrm{sign}(M) = \begin{pmatrix} 1 & 1 \\ 1 & 1 \end{pmatrix} , \qquad
v_2^\top \mathrm{sign}(M) u_2 = 1 - \sin 2\theta \;<\; v_1^\top \mathrm{sign}(M) u_2 =
\cos 2\theta :$$
the rarer item is lost at any frequencies.
""".strip(),
        assumptions=(
            "n <= d orthonormal keys and as many orthonormal values, positive frequencies",
            r"the polar factor of $M = U S V^\top$ is $U V^\top$, over the nonzero singular values",
        ),
        kind="equal",
        source="derived here; [J2024] for the optimiser, [BWAA2018] for sign descent",
        status="proved",
        note=r"""
In the gradient of the cross-entropy the mean of the values is subtracted: its coefficients are $(I
- \frac1n \mathbf 1 \mathbf 1^\top) D$ with $D = \mathrm{diag}(p)$. The polar factor of this is an
isometry from the complement of $D^{-1} \mathbf 1$, which the rarest items dominate, onto the
complement of $\mathbf 1$: it equalises all items but the rarest. The claim is about $M$, as are WR2
to WR4; the check of WR4 takes the true gradient.
""".strip(),
    ),
    Claim(
        id="WR2",
        title="Under sign descent over sign vectors, the mean right score is d times a power index",
        statement=r"""
(a) Let all entries of keys and values be independent signs over $\sqrt d$, $p_i > 0$ without ties,
and $S = \mathrm{sign}(M)$, entry by entry, of $M = \sum_i p_i v_i u_i^\top$. With independent signs
$\varepsilon_j$ let
$$\beta_i = \mathbb{E}\, \varepsilon_i\, \mathrm{sign}\Big(\sum_j p_j \varepsilon_j\Big) ,$$
the Banzhaf index of voter $i$ in a vote with the weights $p$. At every $d$ and $n$, exactly,
$$\mathbb{E}\, v_i^\top S u_i = d\,\beta_i , \quad
\mathrm{Var}\, v_i^\top S u_i = 1 - \beta_i^2 ; \qquad
\mathbb{E}\, v_k^\top S u_i = 0 , \quad
\mathrm{Var}\, v_k^\top S u_i = 1 + (d - 1)(\beta_i^2 + \beta_k^2) .$$
(b) So sign descent writes a memory with the indices in place of the frequencies. If
$p_1 > \sum_{j > 1} p_j$ then $\beta = (1, 0, 0, \dots)$, and $S = d\, v_1 u_1^\top$ stores a single
item. This is the case for $p_i \propto i^{-\alpha}$ if $\zeta(\alpha) < 2$, that is
$\alpha > 1.7287$.
(c) With independent $\mathcal{N}(0, 1/d)$ entries instead
$$\mathbb{E}\, v_i^\top S u_i = \frac{2d}\pi \int_0^\infty \frac{p_i}{1 + s^2 p_i^2}
\prod_j \frac{ds}{\sqrt{1 + s^2 p_j^2}} ,$$
which at equal frequencies is $d\,\Gamma(\tfrac{n+1}2)/(\sqrt\pi\,\Gamma(\tfrac n2 + 1)) \sim
d \sqrt{2/(\pi n)}$.
""".strip(),
        assumptions=(
            "keys and values are independent, with independent entries: signs over sqrt(d), or "
            "N(0, 1/d)",
            "no choice of signs makes the sum of frequencies 0 (for the variances over sign "
            "vectors)",
        ),
        kind="equal",
        source="derived here",
        status="proved",
        note=r"""
Under gradient descent a wrong score has the variance $(\sum_j p_j^2 + (d - 1)(p_i^2 + p_k^2))/d^2$
(C1): this is the same with $p$ in place of $\beta$, $\sum_j p_j^2$ in place of 1, and scores that
are $d$ times smaller. In both cases a rare item competes with the frequent ones, with noise
$\beta_k \sqrt d$ against a signal $\beta_i d$, and $\beta_i$ is proportional to $p_i$ for rare
items. So the number of recalled items grows with the exponent $1/(2\alpha)$ in both cases (C3). At
equal frequencies the squared ratio of signal to noise is $2/\pi$ of that of gradient descent.
""".strip(),
    ),
    Claim(
        id="WR3",
        title="The right scores of the polar factor of many random pairs follow an explicit law",
        statement=r"""
Let $M = \sum_{i=1}^n p_i v_i u_i^\top$ over Gaussian keys and values and $Q$ its polar factor. As
$d \to \infty$, at bounded $p$ and $n/d$, the mean of $v_i^\top Q u_i$ over the items of one
frequency tends to
$$s_i = \frac2\pi \int_0^\infty \frac{\varphi(p_i\, g(t))}{p_i}\, dt , \qquad
t\, g(t) + \frac1d \sum_j \varphi(p_j\, g(t)) = 1 , \qquad \varphi(x) = \frac{x^2}{1 + x^2} ,$$
and $\|M\|_*$, the sum of its singular values, is $\sum_i p_i v_i^\top Q u_i$ exactly. At equal
frequencies and $c = n/d$
$$s = 1 - \frac c4 \;\; (c \le 1) , \qquad
s = \frac{(c + 2)\sqrt{c - 1} - c\,(c - 4) \arctan\frac1{\sqrt{c-1}}}{2\pi c} \;\; (c > 1) ,
\qquad s \sim \frac8{3\pi\sqrt c} \;\; (c \to \infty) .$$
For $p_i \propto i^{-\alpha}$, $\alpha > \tfrac12$, $n/d \to \infty$ and then $i/d \to \infty$
$$s_i \sim \frac4{\pi(\alpha + 1)} \Big(\frac d{K i}\Big)^\alpha , \qquad
K = \frac{\pi/(2\alpha)}{\sin(\pi/(2\alpha))} .$$
""".strip(),
        assumptions=(
            GAUSSIAN,
            "bounded frequencies, of which each class is a fraction of the items",
        ),
        kind="rate",
        source="derived here, by the resolvent and leaving one item out",
        status="proved in a limit",
        note=r"""
The error falls like $1/d$: at equal frequencies it is $-0.20/d$, $-0.16/d$ and $-0.14/d$ of the
score for $c = 2$, 4 and 16, from $d = 8$ on. Gradient descent has the score 1 at noise $\sqrt n/d$,
whereas the polar factor has the score above at noise $1/\sqrt d$. So at equal frequencies and with
many pairs it stores $(8/(3\pi))^2 = 0.72$ of what gradient descent stores: equalising helps only if
frequencies differ.
""".strip(),
    ),
    Claim(
        id="WR4",
        title="Polar steps recall d^(1 + 1/(2 alpha)) Zipf items, gradient steps d^(1/(2 alpha))",
        statement=r"""
Let $p_i \propto i^{-\alpha}$, $\alpha > \tfrac12$, with $n \gg d$ pairs over Gaussian keys and
values, and $Q$ the polar factor of $M$. Given $Q$ and a key, the score of a value that is
independent of both is exactly $\mathcal{N}(0, \|u_i\|^2/d)$, since $\|Q u_i\| = \|u_i\|$; with the
signal $s_i$ of WR3 an item is recalled where $\sqrt d\, s_i$ exceeds $z_n$,
$\Phi(z_n)^{n-1} = \tfrac12$, that is up to the rank
$$i^* \sim \frac dK \Big(\frac{4\sqrt d}{\pi(\alpha + 1)\, z_n}\Big)^{1/\alpha}
\;\propto\; d^{\,1 + \frac1{2\alpha}}\, z_n^{-1/\alpha} ,$$
where one step of gradient descent recalls $d^{1/(2\alpha)}$ items, times a constant (C3).
""".strip(),
        assumptions=(
            GAUSSIAN,
            "scores of different values count as independent, and the right one as "
            r"$\mathcal{N}(s_i, (1 - s_i^2)/d)$",
        ),
        kind="rate",
        source="derived here from WR3 and C3; [CDB2024] for the exponent of gradient descent",
        status="proved in a limit",
        note=r"""
The exponent is that of the limit, 1.33 for $\alpha = 1.5$; at $d = 32$ to 128 the law itself has
the exponent 1.32, which the logarithm of $n$ lowers. At each width, the check compares the number
of recalled items with the law, for the polar factor of the true gradient, in which the mean of the
values is subtracted.
""".strip(),
    ),
)
