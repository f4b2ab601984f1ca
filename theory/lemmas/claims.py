"""The building blocks: gradients of one linear memory and of one attention layer."""

from __future__ import annotations

from theory.record import Claim

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="L1",
        title="The gradient of a linear memory is a memory; one step recalls the likeliest label",
        statement=r"""(a) For $L(W) = \mathbb{E}\,\ell(y, W_U W w_E(z))$ with cross-entropy $\ell$
and any $W$,
$$\nabla L(W) = \sum_k \mathbb{E}_z\big[(\hat p_W(k|z) - p(k|z))\, w_U(k) w_E(z)^\top\big].$$
(b) $L$ is convex. (c) With orthonormal embeddings, one step from $W = 0$ recalls $\arg\max_k
p(k|z)$ for every $z$ that occurs and has one most likely label.""",
        assumptions=("cross-entropy loss", "(c): orthonormal embeddings"),
        kind="equal",
        source="[BCBJB2023], Lemma 1",
        status="proved",
    ),
    Claim(
        id="L2",
        title="With noisy inputs, one step keeps the token and drops the independent noise",
        statement=r"""(a) For inputs $x \in \mathbb{R}^d$ and any $W$,
$$\nabla L(W) = \sum_k p(y{=}k)\, w_U(k)(\hat\mu_k - \mu_k)^\top,\quad
\mu_k = \mathbb{E}[x|y{=}k],\quad \hat\mu_k = \mathbb{E}[\hat p_W(k|x)\,x]/p(y{=}k).$$
(b) If $x = w_E(y) + p_t$ with $y$ uniform on $N$ tokens and $t$ independent of $y$, a step of size
$\eta$ from 0 writes
the coefficient $\eta\frac{N-1}{N^2}$ of $w_U(k)w_E(k)^\top$, the coefficient $-\frac{\eta}{N^2}$ of
$w_U(k)w_E(i)^\top$ for $i \ne k$, and 0 for every $p_t$.""",
        assumptions=("cross-entropy loss", "(b): orthonormal embeddings"),
        kind="equal",
        source="[BCBJB2023], Lemma 2",
        status="proved",
        note=r"The source gives the orders, $\eta/N$ and $O(\eta/N^2)$; here they are exact.",
    ),
    Claim(
        id="L3",
        title="At zero, the gradient of one attention layer stores which inputs carry the answer",
        statement=r"""For $\xi = W_U \Phi_2 \sum_t \sigma(x_T^\top W x_t)\, x_t$ and $\bar x =
\frac1T\sum_t x_t$,
$$-\nabla L(0) = \sum_k \mathbb{E}\Big[(1\{y{=}k\} - \hat p(k|X))\,\tfrac1T \sum_t (w_U(k)^\top
\Phi_2 x_t)\; x_T (x_t - \bar x)^\top\Big].$$""",
        assumptions=("cross-entropy loss", "W = 0"),
        kind="equal",
        source="[BCBJB2023], Lemma 3",
        status="proved",
    ),
)
