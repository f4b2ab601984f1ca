"""The induction head as a whole: built by hand (IH), by three gradient steps (T), and its tie."""

from __future__ import annotations

from theory.claims import Claim

_TASK = ("InductionTask at infinite width", "fixed triggers, predict = content")

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
\beta/(e^\beta+\tau-1)$ for $\tau \ge 2$, $e_1 = \beta$ for $\tau = 1$, and 0 before. The tie
costs nothing when the trigger is not among the predicted classes; otherwise its logit $a_1 + a_T$
beats that of the output if $\beta \ge T$, and accuracy is $1 - \frac1{T-2}$.""",
        assumptions=(
            "InductionTask",
            "W_O2 holds all predicted classes",
            "the accuracies: infinite width and beta >= T",
        ),
        kind="equal",
        source="[BCBJB2023], Section 4.2; the tie and its cost are derived here",
        status="proved",
        note="At tau = 1 position 1 is ahead of position 2 by a share of beta / exp(beta) only, as "
        "much as about beta later positions have: at smaller beta an output that stands more than "
        "beta + 1 further times in the sequence wins the tie.",
    ),
    Claim(
        id="tie",
        title="After the three steps position terms decide tau = 1: no tie, but diluted attention",
        statement=r"""For $\tau = 1$ both $x^1_1$ and $x^1_2$ carry $\Phi_1 w_E(q)$, so the wanted
memory alone scores them alike.
The other blocks of $J_2$ do not. With layer-1 attention $b$ and two content positions coinciding
with probability $1/C$, the mean layer-2
scores are $e_s = \mathrm{score}(x_s) + \sum_r b_{sr}\,\mathrm{score}(\Phi_1 x_r)$, a closed form
of the blocks. Evaluated with margins $(0.5, 10, 20)$ at $(N,T,K) = (32,32,1), (64,64,1),
(32,64,2)$ position 2 beats position 1 by 30, 21 and 26, and the attention on the output is the
softmax of $e$: $0.76$, $0.97$ and only $0.09$.""",
        assumptions=(
            "infinite width",
            "W_K1 moves in its position block only",
            "closed-form steps",
        ),
        kind="equal",
        source="derived here",
        status="empirical",
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
    Claim(
        id="T-S1",
        title="Step 1 always recalls, but a head with random triggers may read the trigger instead",
        statement=r"""Fixed triggers: $\mathrm{lead}(G_1) = \frac{1}{CT}$ at every $(N, T, K)$.
Random triggers, $C = N - 1$, with $H$ and $w$ the means over $\tau$ of $h_{\tau+1}$ and $h_\tau +
\frac1T$: the memories of $W_V^2 w_E(k)$ and of $W_V^2 \Phi_1 w_E(k)$ lead by
$$\frac{C^2 - 2C + T - 3}{T N C^2},\qquad \frac{H C^2 - w C + T - w - H}{T N C^2};$$
the first is positive except at $N = T = 3$, where it is 0. Read by a perfect head, the output's
logit is ahead of the trigger's by the difference of the two, which for $T \ge 4$ is positive if and
only if $C$ is above the root of $(1-H) C^2 - (2-w) C - (3-w-H)$, $C \sim T/(\ln T + \gamma - 2)$ as
$T \to \infty$.""",
        assumptions=(
            "InductionTask at infinite width, W_O2 = G_1",
            "second part: hand-built W_K1 and W_K2 with large beta, tau >= 2",
        ),
        kind="equal",
        source="derived here from S1",
        status="proved",
        note="With fixed triggers the second memory costs nothing: over the content it reads every "
        "label alike, over all tokens it is against the triggers. At (16, 64) with random triggers "
        "the head attends to the output and answers with the trigger, in every sequence.",
    ),
    Claim(
        id="T-S2",
        title="Step 2 recalls if and only if T is below about C N / K, when all tokens are classes",
        statement=r"""The lead of $J_2$ is positive exactly in these cases. Fixed triggers,
prediction over the content: $T \ge 5$. Prediction over all tokens, $T \ge 5$: $C > C^*(T, K)$, the
positive root of
$$\Phi\, C^2 + \big((K-1)\Phi + Kc + 2a + wb\big) C - K \big(\Phi + (T-2) a + (T-w) b\big),$$
with $a, b, c, w, \Phi$ rational in $T$, $H_T$ and $H_T^{(2)}$; as $T \to \infty$,
$C^* (C^* + K) = K T\,(1 + O(1/\ln T))$, that is $T^*(N, K) \sim \frac{CN}{K}$. $T = 3$: $(C, K) =
(2,1), (2,2)$ only; $T = 4$: $K = 1$ and $C \le 11$, or $K = 2$ and $3 \le C \le 9$. Random
triggers: $N \ge N^*(T)$ with $N^* = 38, 11, 8, 7$ at $T = 5, ..., 8$, $6$ for $T = 9..13$, $5$ for
$14..40$ and $4$ from $T = 41$ on; besides, $N = T = 3$.""",
        assumptions=("InductionTask at infinite width, m1 -> 0",),
        kind="equal",
        source="derived here from S2",
        status="proved",
        note="Derived at symbolic T, step by step; the library's tables are compared at T = 3..6 "
        "in symbols, and by number up to T = 64 in the check. The margin is the wanted coefficient "
        "J of the derivation, times 1 + 1/C for K = 1 and random triggers. The law is slow: "
        "C N / (K T*) = 1 + (1 + pi^2/12) / ln T* + ... for K much smaller than C. The "
        "specification says that step 2 fails when T is large against N/K; the law is C N/K.",
    ),
    Claim(
        id="T-m1",
        title="A finite first step repairs step 2: it learns which classes are never labels",
        statement=r"""Fixed triggers, prediction over all tokens, $T \ge 5$ and $C < C^*$. After a
first step of margin $m_1$ the predicted probability of the triggers is about $\pi = K/(K + C e^{m_1
\bar\psi})$, $\bar\psi = 3 - \frac{H_T}{T} + \frac{(T-2)^2 + (T-w)^2}{TC} + \frac{4 + w^2}{TK}$, and
the lead of step 2 changes from negative to positive at
$$m_1^* = \frac{1}{\bar\psi} \ln \frac{K (1 - \pi^*)}{C \pi^*},\qquad \pi^* = \frac{(1 - \frac1C)
\Phi}{\frac{(T-2)a + (T-w)b}{C} - c - \frac{2a + wb}{K}}.$$""",
        assumptions=(
            "InductionTask at infinite width",
            "logits of the content labels at their mean: C large",
        ),
        kind="equal",
        source="derived here from S2",
        status="empirical",
        note="The derivation replaces logits by their means, an error of relative order m1/C that "
        "is not bounded. The check finds the sign negative at 2/3 m1* and positive at 3/2 m1*, by "
        "sampled population gradients; in exploration the change was within a few percent of m1* "
        "from C = 10 on. m1* is small: 0.09 at (C, K, T) = (10, 4, 32).",
    ),
    Claim(
        id="T-S3",
        title="At small lead step 3 writes all rows of the previous-token head but the second",
        statement=r"""Rows $t = 2..T-1$ of $A + \lambda B$ (S3a) as $\lambda \to 0$, fixed triggers,
prediction over the content. Row 2 is not recalled; a row $t \ge 3$ is if and only if $B_{t,t-1} >
B_{tr}$ for the other $r = 2..t$. $T = 5$: row 4 never. $T = 6, ..., 10$: all rows $t \ge 3$ if $C
\ge 3$ and $K \le K^* = 3, 6, 10, 15, 20$, and not if $K > K^*$ and $C$ is large. For $C \to \infty$
and every $T$, with $\rho = 2 + \frac1T + \frac{4}{T^2}$, $\sigma = K(1 + \frac1T) + 1 +
\frac{4}{T^2}$ and $y_s$ the coefficient of $p_s$ in S2-limit,
$$\frac{K T^3}{u^2}\, t\,(B_{t,t-1} - B_{tr}) = \tfrac{\rho\Phi}{T-2}\Big[1 + \tfrac HT (h_{r+1} -
h_t + h_{r-1} - h_{t-2})\Big] - \tfrac\sigma T y_t \sum_{s=r}^{t-2} \tfrac{y_s}{s},\quad r \le t-2.
$$
At fixed $t$, $T \to \infty$: $\frac{KT^3}{u^2} B_{t,t-1} \sim \frac{2\Phi}{Tt}(1 - \frac1t +
\frac{2}{t^2})$, its largest competitor $\sim -\frac{2\Phi}{Tt} (\frac1t - \frac{2}{t^2})$, rows are
recalled up to $K + 1 = \frac{360}{13} \Phi$, and row 2 too once $\lambda > \lambda_2 \to
\Phi/(2\Phi + (K+1)(\frac32 + \frac{\pi^2}{6}))$.""",
        assumptions=(*_TASK, "lambda -> 0; lambda_2 to first order in lambda"),
        kind="equal",
        source="derived here from S3a",
        status="proved",
        note="The formula for C -> infinity keeps means given tau, as coincidences are of order "
        "1/C; it is the limit of the library's table in symbols at T = 5..8, by number up to "
        "T = 32. T = 11, 12 (K* = 25, 30) are among the slow tests; with C = 2 the largest K is "
        "9, 11, 8, 6, 5 at T = 6..10. Beyond T = 12 at finite C the rows are computed, not proved: "
        "few content tokens lose rows at large T (C = 2, K = 1 from T near 67). With prediction "
        "over all tokens A is not flat, and no row t >= 4 is recalled; with random triggers rows 2 "
        "and T - 1 are lost. At (32, 32, 1) it is 29 rows of 30.",
    ),
)
