"""Heads read from their weights: a valid null for a detector, an invalid one, and what is found."""

from theory.record import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="H1",
        title="Rotating a head's weights at random is a valid null, with exact moments",
        statement=r"""
Let the score of a detector be $D = \langle W, N\rangle = \mathrm{tr}(N^\top W)$, linear in one
weight matrix $W \in \mathbb{R}^{m \times d}$ of the head, where $N$ is made of the atoms and of the
head's other weights. Let $B = N^\top W$, and let $D_Q = \mathrm{tr}(QB)$ be the score after $W$ is
rotated by $Q$:

(a) for $Q$ uniform on $O(d)$, $\mathbb{E} D_Q = 0$,
$$\mathbb{E} D_Q^2 = \frac{\|B\|_F^2}{d} , \qquad
\mathbb{E} D_Q^4 = \frac{3\,\big[(d+1)\,\|B\|_F^4 - 2\,\mathrm{tr}\,(B^\top B)^2\big]}
{d\,(d-1)\,(d+2)} \;\le\; 3\,\big(\mathbb{E} D_Q^2\big)^2 ,$$
with equality only if $B^\top B$ is a multiple of the identity;

(b) for $Q$ uniform on the signed permutations, the mean is 0 and the variance is the same. If the
entries of $W$ are independent with one symmetric law, then the permutation p-value, the share of
$D$ and $n$ draws of $D_Q$ that are at least $D$, is at most $\alpha$ with probability at most
$\alpha$, for every $n$ and $\alpha$;

(c) where the entries of $W$ are independent $\mathcal{N}(0, \sigma^2)$, $\sigma$ unknown, and
independent of $N$, $D/(\|W\|_F \|N\|_F)$ has exactly the law of the overlap of two random unit
vectors in $md$ dimensions, whatever $N$ and with it the Gram matrices of the atoms.
""".strip(),
        assumptions=(
            "$N$ does not depend on $W$",
            "(a), (b): $W$ and $N$ are given, and $Q$ is drawn; (c): $W$ is drawn",
            "d >= 2",
        ),
        kind="equal",
        source="derived here; the law of an overlap as in NO6",
        status="proved",
        note="""
(c) is exact and needs no draws, but it is a null for weights without any structure. Trained weights
have few large singular values, and large overlaps are then more frequent than (c) says: in a
trained head, p = 2e-4 by (c) was 6e-3 by (a) and by the permutations of (b), which preserve the
singular values. So detectors report (a), with a normal law, for trained weights. The normal law is
asymptotic in the rank of B; since the fourth moment of D never exceeds that of the normal law, the
tails are not heavier to this order.
""".strip(),
    ),
    Claim(
        id="H2",
        title="Permuting the right answers is not a valid null: its variance is too small",
        statement=r"""
Let the scores be $S = X A Y^\top$ between cues $X$ and answers $Y$, both $n \times d$, where the
entries of $A$ are uncorrelated with mean 0 and variance $\sigma^2$; let
$D_\pi = \sum_i (S_{i\pi(i)} - \bar S_i)$ be the score of the pairing $\pi$, $\bar S_i$ the mean of
row $i$. (a) With the centred Gram matrices $G = J X X^\top J$ and $H = J Y Y^\top J$,
$J = I - \tfrac1n \mathbf 1 \mathbf 1^\top$,
$$\mathrm{Var}\, D_{\mathrm{id}} = \sigma^2 \langle G, H\rangle , \qquad
\frac1{n!} \sum_\pi \mathrm{Var}\, D_\pi = \sigma^2\, \frac{\mathrm{tr}\,G\;\mathrm{tr}\,H}{n-1} ,$$
so that a test that permutes the pairing underestimates the standard deviation by a factor
$\sqrt\rho$, with
$$\rho = \frac{(n-1)\, \langle G, H\rangle}{\mathrm{tr}\,G\; \mathrm{tr}\,H} .$$
(b) If $G$ and $H$ are multiples of each other, as for a token that attends to itself,
$$\rho \ge \frac{n-1}{d} .$$
""".strip(),
        assumptions=("the entries of $A$ are uncorrelated, with mean 0 and one variance",),
        kind="equal",
        source="derived here; moments of permuted sums as in [H1951]",
        status="proved",
        note=r"""
For this reason the null of H1 keeps the pairing and rotates the weights. For the table of a copying
head with an untied unembedding, G and H are independent and rho is near 1, so that both nulls
agree. Trained embeddings, whose cosines are often 0.8 to 0.9, make the underestimate worse: what
matters is the number of directions in which they differ. If G and H are multiples of each other,
rho is never below 1: by the Cauchy-Schwarz inequality it is at least $(n - 1)/\mathrm{rank}\,G$,
and the rank of $G$ is at most $n - 1$.
""".strip(),
    ),
    Claim(
        id="H3",
        title="Detectors find the heads that are there, and only them",
        statement=r"""
(a) In models with a planted previous-token head and a planted induction head, among random heads
and decoys (duplicate-token, shuffled, recent, anti-copying, and one that composes with a random
head), $\texttt{heads.find}$ at level $10^{-7}$ finds the planted heads and nothing else, in every
model. A detector that requires attention above one half on the token that followed, on repeated
sequences, also reports the anti-copying head, which lowers the logit of the token it attends to.

(b) In a transformer with two heads per layer and layer norm, all of whose parameters were trained
on in-context bigrams, each of the three memories of the induction head is found with $p < 10^{-6}$:
by the law of H1 (a), and by $2 \cdot 10^6$ signed permutations.
""".strip(),
        assumptions=(
            "(a): N = T = 24, width 192, four heads in each of three layers",
            "(b): 24 tokens, length 32, width 48, 900 steps of AdamW",
        ),
        kind="empirical",
        source="derived here; [BCBJB2023], section 4, for the three memories",
        status="empirical",
        note="""
The check of (b) reads the weights of the documentation in the quick profile. Only in the full
profile does it train a new model and draw the permutations; none of them reaches D, and their
p-value cannot be below one over their number. A head may be significant without being one of the
three: in the trained model, the other head of layer 1 prefers near positions, with p of 1e-9 or
less but a recall of 0. Only the p-value and the recall together identify heads.
""".strip(),
    ),
)
