"""Memory capacity: how many associations a matrix of width d stores, by rule and by weights."""

from theory.record import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="C3",
        title="About d^(1/(2 alpha)) items are recalled under Zipf weights of exponent alpha",
        statement=r"""
Let $W = \sum_{i=1}^n i^{-\alpha} v_i u_i^\top$ with $\alpha > \tfrac12$ over Gaussian keys and
values. (a) As $d \to \infty$ with $\ln n = o(d)$, the item of rank $i = x\,d^{1/(2\alpha)} \le n$
is, at fixed $x > 0$, recalled with a probability that tends to
$$F_\alpha(x) = \prod_{k=1}^{\infty} \Phi\Big(\Big(\frac kx\Big)^{\alpha}\Big) .$$
At every $d$ and $i \le n$ it is at most $c\,\rho^K$, with $K$ the integer part of
$\min(x, d^{1/(2\alpha+2)})$, $\rho = 1 - \tfrac12\Phi(-4)$ and $c$ a function of $\alpha$. (b) So
if $n\,d^{-1/(2\alpha)} \to \infty$ and $\ln n = o(d^{1/(2\alpha+2)})$, for example $n$ a power of
$d$, the expected number of recalled items is
$$d^{1/(2\alpha)} \int_0^\infty F_\alpha(x)\, dx\; (1 + o(1)) ,$$
whatever $n$, without logarithm.
""".strip(),
        assumptions=(
            "keys and values are independent families with independent N(0, 1/d) entries",
            r"weights $i^{-\alpha}$, $\alpha > \frac12$, so that their squares have a finite sum",
            r"$\ln n$ is small against $d$; for the number of items, against $d^{1/(2\alpha + 2)}$",
        ),
        kind="rate",
        source="derived here; [CDB2024] for weighting schemes on Zipf data",
        status="proved in a limit",
        note=r"""
The value of a heavy item $k$ answers any key with noise $k^{-\alpha}/\sqrt d$, from the overlap of
its own key with that key. The crosstalk of all items together is smaller, of order $1/d$. So an
item competes with the heavy items only, and is lost when its weight falls below theirs divided by
$\sqrt d$. For $\alpha = 1$ about $\sqrt d$ items are recalled, where equal weights allow
$d^2/(2 \ln n)$. How fast the limit is approached depends on $n$ and is not derived: at $d = 64$,
$\alpha = 1$ the item of rank 40 is recalled in
$$\begin{array}{lrrrrr} n & 40 & 100 & 400 & 4000 & \text{limit} \\ \text{percent of draws} & 8.0 &
6.4 & 4.5 & 2.3 & 13 \end{array}$$
For $\alpha \le \frac12$ the sum of squares grows with $n$, and recall depends on $n$. The constants
of the bound are crude, because it only serves to exchange limit and sum: at $\alpha = 1$ it is
below 1 for $K > 1.25 \cdot 10^5$, that is $d > 2.5 \cdot 10^{20}$. For more items than (b) allows
the bound does not suffice, because it ignores that at most one of all items of negligible weight
can have the largest score.
""".strip(),
    ),
    Claim(
        id="C4",
        title="Outer products, least squares and one gradient step have the same leading capacity",
        statement=r"""
(a) Store $n$ pairs one to one over Gaussian keys and values. Recall is $\Pr(X > Y)$ with $X$, $Y$
as in C2, but for
$$\cos^2\theta \sim \mathrm{Beta}\Big(\frac d2, \frac{n-1}2\Big) \text{ for outer products}, \qquad
\cos^2\theta \sim \mathrm{Beta}\Big(\frac d2, \frac{n-d}2\Big) \text{ for the pseudo-inverse}, \;
n > d,$$
and $\theta = 0$ for the pseudo-inverse at $n \le d$, where $W u_i = v_i$. So at $n + d - 1$ pairs
the pseudo-inverse has the angle of outer products at $n$ pairs, but $d - 1$ more competitors. As
$n, d \to \infty$ its recall tends to 1 where $d^2/((n + d)\, z_n^2)$ stays above $1 + \varepsilon$
for some $\varepsilon > 0$, and to 0 where it stays below $1 - \varepsilon$; for outer products this
is $d^2/((n - 1 + 2d)\, z_n^2)$.

(b) One gradient step on the cross-entropy from zero,
$C = (I - \tfrac1n \mathbf 1 \mathbf 1^\top)/n$, ranks the scores by $\gamma f + (I - ff^\top) h$
with $f \propto b - \bar b$, $b = (\chi_d, \text{normals})$, where outer products have
$f \propto b$. In units of its mean the variance of its margin is that of outer products times
$$1 - \frac{2(n + d + 1)}{n\,(2n + 6d + 5)} ,$$
between $1 - \frac1n$ and 1; its recall has the limits of outer products. Hence each of the three
recalls half of the pairs only at
$$n^* \sim \frac{d^2}{2\ln n^*} , \qquad
\frac{n^* \log_2 n^*}{d^2} \to \frac{1}{2 \ln 2} \approx 0.72 \text{ bits per parameter.}$$
""".strip(),
        assumptions=(
            "keys and values are independent families with independent N(0, 1/d) entries",
            "n >= 3 pairs of equal weight, each key with its own value; a tie is an error",
        ),
        kind="equal",
        source="derived here; L1 for the gradient step",
        status="proved in a limit",
        note=r"""
The laws and the moments are exact. The capacity is a limit, in which the gain of $d$ pairs is of
lower order than what is proved. For example, at $d = 32$ outer products recall a share of 0.503 of
98 pairs and 0.383 of $98 + d - 1$, whereas the pseudo-inverse recalls 0.488 of $98 + d - 1$. The
bits count $\log_2 n$ for each of the $n^*$ pairs. Only half of these are recalled at $n^*$; for
nearly all to be recalled at slightly fewer pairs, $\ln n$ has to be large. For outer products at $d
= 128$, $n^*/d^2$ is 0.076, which is 0.78 bits per parameter. Least squares removes the crosstalk
within the span of the keys; for $n > d$ the crosstalk that it cannot remove has $n - d$ dimensions
instead of $n - 1$.
""".strip(),
    ),
    Claim(
        id="C5",
        title="No rule recalls all of more than about 2 d^2 pairs: W has too few regions",
        statement=r"""
Whatever the vectors and the rule, let the $n$ keys be paired with the $n$ values at random. Some
$W \in \mathbb{R}^{d \times d}$ recalls all pairs with probability at most
$$\frac{2}{n!} \sum_{i=0}^{d^2 - 1} \binom{n^2(n-1)/2 - 1}{i} ,$$
which is below any $\delta$ beyond $n = (2 + o(1))\, d^2$. The largest number of pairs that some $W$
recalls in full is at least that of outer products, and is found by minimising the cross-entropy,
which is convex (L1).
""".strip(),
        assumptions=("the pairing is uniform and independent of the vectors",),
        kind="upper",
        source="derived here; [C1965], Theorem 1, for the number of regions",
        status="proved",
        note=r"""
The bound holds for every rule at once, and is loose: at $d = 16$ it is $663 = 2.6\,d^2$, whereas
the minimum of the cross-entropy recalls all of about $60 = 0.23\,d^2$ pairs, and outer products
recall all of about 10. The tolerance is what is proved about its tightness: the number of pairs
that outer products recall in full, in the mean of the same draws. At $d = 4$ and $8$ this case
would therefore detect a bound that is seven times too small, but none that is less wrong. The
ingredients of the bound are checked exactly: the regions between drawn hyperplanes are counted, and
the first $n$ at which they are too few is found in exact fractions.
""".strip(),
    ),
    Claim(
        id="C6",
        title="Cross-entropy recalls 99 % of the pairs where outer products recall half",
        statement=r"""
Over Gaussian keys and values, one to one, with $n^*(d)$ the number of pairs of which outer products
recall half: (a) at $d = 8, 16, 32$ and $n = n^*(d)$ the minimum of the cross-entropy recalls at
least 0.99 of the pairs, in the mean over draws; (b) at $n = 4\,n^*(d)$ it recalls less than half.
""".strip(),
        assumptions=("Gaussian keys and values, one to one, d from 8 to 32",),
        kind="empirical",
        source="derived here; [CSB2024] for gradient descent on associative memories",
        status="empirical",
        note=r"""
The minimum is found by L-BFGS; the loss is convex, so gradient descent converges to the same
minimum. The transition is sharp: once the pairs cannot be separated, the minimum recalls few of
them. The levels 0.99 and one half are round numbers, chosen with room after the first draws (1.000,
and 0.12 to 0.17). Recall one half is reached at about $n = 0.44$, $0.29$, $0.19\,d^2$ for $d = 8$,
16, 32, which is more than $d$ and about twice $n^*$.
""".strip(),
    ),
    Claim(
        id="C7",
        title="The Gaussian approximation of recall errs by at most 1/(2d) at equal weights",
        statement=r"""
Divide the scores of a key by the factor $\|u_i\| \|V^\top f\|$ that they share, and take them as
independent normals. For equal weights and $r = n/m$, the right one has mean $1 - \frac1{2d}$ and
variance $(n - r + dr)/d^2$, and the wrong ones have mean 0 and variance
$(n - r - 1 + d(1 + r))/d^2$. The probability of recall computed in this way differs from the exact
one by at most $\frac1{2d}$, at every $n$. With the moments of C1 instead, the error is up to ten
times larger. The variance of a wrong score is exact; the mean and the mean square of the right one
are accurate to $1/(4d^2)$.
""".strip(),
        assumptions=("Gaussian keys and values, equal weights, one to one or many to one, d >= 8",),
        kind="empirical",
        source="derived here",
        status="empirical",
        note=r"""
The error was measured against the law of C2 at $d = 8$ to 64, for recall from 0.05 to 0.99. Unequal
weights are not covered, because a heavy competitor makes up a large part of the noise that it is
compared with. For Zipf weights with $\alpha = 1$ the largest error over items is
$$\begin{array}{lrrrrrr} d & 64 & 64 & 64 & 64 & 256 & 1024 \\ n & 48 & 200 & 1000 & 10^4 & 1000 &
1000 \\ \text{error} & 0.06 & 0.09 & 0.12 & 0.17 & 0.03 & {<}\,0.01 \end{array}$$
The moments and the integral are derived; the error is measured.
""".strip(),
    ),
)
