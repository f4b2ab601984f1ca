"""The induction head as a whole: built by hand (IH), by three gradient steps (T), and its tie."""

from __future__ import annotations

from theory.claims import Claim

CLAIMS = (
    Claim(
        id="IH",
        title="The hand-built memories solve the task, up to a tie when the trigger stands first",
        statement=r"""$W_K^1 = \beta\sum_{t\ge2} p_t p_{t-1}^\top$, $W_K^2 = \beta\sum_{q\in Q}
w_E(q)(\Phi_1 w_E(q))^\top$,
$W_O^2 = \sum_k w_U(k)(W_V^2 w_E(k))^\top$, all else frozen at random: as $\beta, d \to \infty$ the
last position attends to $\tau+1$ with weight
$\to 1$ for $\tau \ge 2$, and $\to \frac12$ for $\tau = 1$. At infinite width and finite $\beta$
the scores are exactly $e_{\tau+1} = \beta e^\beta/(e^\beta+\tau)$,
$e_s = \beta/(e^\beta+s-1)$ for the other $s > \tau$ (twice that at $s = T$), $e_\tau =
\beta/(e^\beta+\tau-1)$, and 0 before. The tie
costs nothing when the trigger is not among the predicted classes; otherwise its logit $a_1 + a_T$
beats $a_2$, and accuracy is $1 - \frac1{T-2}$.""",
        assumptions=(
            "InductionTask",
            "W_O2 holds all predicted classes",
            "beta large against ln T for the accuracies",
        ),
        kind="equal",
        source="[BCBJB2023], Section 4.2; the tie and its cost are derived here",
        status="proved",
    ),
    Claim(
        id="tie",
        title="After the three steps position terms decide tau = 1: no tie, but diluted attention",
        statement=r"""For $\tau = 1$ both $x^1_1$ and $x^1_2$ carry $\Phi_1 w_E(q)$, so the wanted
memory alone scores them alike.
The other blocks of $J_2$ do not. With layer-1 attention $b$ and two content positions coinciding
with probability $1/C$, the mean layer-2
scores are $e_s = \mathrm{score}(x_s) + \sum_r b_{sr}\,\mathrm{score}(\Phi_1 x_r)$, a closed form
of the blocks. With margins $(0.5, 10, 20)$ at $(N,T,K) = (32,32,1), (64,64,1), (32,64,2)$ position
2
beats position 1 by 30, 21 and 26, and the attention on the output is the softmax of $e$:
$0.76$, $0.97$ and only $0.09$.""",
        assumptions=(
            "infinite width",
            "W_K1 moves in its position block only",
            "closed-form steps",
        ),
        kind="equal",
        source="derived here",
        status="proved",
        note="So sequences that begin with the trigger can fail, but not by the tie of the "
        "hand-built head: position 1 never wins. Position terms of W_K2 are against position 2, "
        "and the later positions share what it loses. Accuracy at tau = 1: 1.00, 1.00 and 0.40; a "
        "larger m2 makes it worse at (32,64,2) (figure margins).",
    ),
    Claim(
        id="T",
        title="Three top-down steps recall all three memories, and the induction head works",
        statement=r"""On InductionTask at infinite width, for $(N,T,K) \in \{(32,32,1), (64,64,1),
(32,64,2)\}$, one step each on $W_O^2$, $W_K^2$, $W_K^1$ (position
block) with leads $m_1, m_2, m_3$ recalls all of $W_O^2$ and $W_K^2$ and all rows of $W_K^1$ but at
most $2$ and $T-1$; the second layer then attends to
$\tau + 1$ and the label is predicted with probability at least $0.999$ for every $\tau \ge 2$
(closed-form steps), $0.99$ (population gradients).""",
        assumptions=("infinite width", "m2 = 10 and m3 = 20; see figure margins for the range"),
        kind="lower",
        source="[BCBJB2023], Section 6 and appendix, the theorem on three gradient steps",
        status="empirical",
        note="The second layer attends to tau + 1 in the sense of its strict maximum. Range for "
        "tau > 1 (figure margins): with closed forms m3 >= 10 and m2 from 2 to 50, or to 20 at "
        "(32,64,2), and from m3 = 5 on if m2 >= 10; with sampled gradients also m1 <= 0.5. Recall "
        "of all three does not imply accuracy: at (16,64,4), margins (0.5, 30, 20), recall is 1 "
        "and accuracy 0.90. Sequences with tau = 1 are the subject of claim tie.",
    ),
)
