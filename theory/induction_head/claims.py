"""The induction head built by hand, and what the learned head does where that head has a tie."""

from __future__ import annotations

from theory.record import Claim

_TASK = ("InductionTask at infinite width", "fixed triggers, prediction over the content")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="IH",
        title="The hand-built head solves the task, up to a tie if the trigger is the first token",
        statement=r"""Let $W_K^1 = \beta\sum_{t\ge2} p_t p_{t-1}^\top$, $W_K^2 = \beta\sum_{q\in Q}
w_E(q)(\Phi_1 w_E(q))^\top$ and $W_O^2 = \sum_k w_U(k)(W_V^2 w_E(k))^\top$, and let all else be
frozen at random. (a) As $\beta, d \to \infty$, the weight with which the last position attends to
$\tau+1$ tends to $1$ for $\tau \ge 2$, and to $\frac12$ for $\tau = 1$. At infinite width and
finite $\beta$, the scores of layer 2 are exactly $e_{\tau+1} = \beta e^\beta/(e^\beta+\tau)$,
$e_s = \beta/(e^\beta+s-1)$ for the other $s > \tau$ (twice that at $s = T$), $e_\tau =
\beta/(e^\beta+\tau-1)$ for $\tau \ge 2$, $e_1 = \beta$ for $\tau = 1$, and 0 before. (b) The tie
does no harm when the trigger is not among the predicted classes. Otherwise the trigger's logit
$a_1 + a_T$, with $a$ the attention of layer 2, beats that of the output if $\beta \ge T$, and
accuracy is $1 - \frac1{T-2}$.""",
        assumptions=(
            "InductionTask",
            "W_O2 holds all predicted classes",
            "the accuracies: infinite width and beta >= T",
        ),
        kind="equal",
        source="[BCBJB2023], Section 4.2; the tie and its cost are derived here",
        status="proved",
        note=r"At $\tau = 1$ the attention on position 1 exceeds that on position 2 only by a "
        r"relative $\beta e^{-\beta}$, as much as about beta later positions receive together. At "
        "smaller beta, an output that occurs more than beta + 1 further times in the sequence "
        "therefore wins the tie.",
    ),
    Claim(
        id="tie",
        title="If the trigger is the first token, the learned head mostly fails for K = 2 and 3",
        statement=r"""(a) For $\tau = 1$ both $x^1_1$ and $x^1_2$ carry $\Phi_1 w_E(q)$, so the
wanted memory alone scores them alike; the other blocks of $J_2$ do not. With $b$ the attention of
layer 1, and with two content positions equal with probability $1/C$, the mean layer-2 scores are
$e_s = \mathrm{score}(x_s) + \sum_r b_{sr}\,\mathrm{score}(\Phi_1 x_r)$, a closed form in terms of
the blocks. With margins $(0.5, 10, 20)$ at $(N,T,K) = (32,32,1), (64,64,1), (32,64,2)$, the score
of position 2 exceeds that of position 1 by 30, 21 and 26, and the attention on the output, by the
softmax of $e$, is $0.76$, $0.97$ and only $0.09$. (b) At $(N,T,K) = (20,48,2)$, $(24,40,3)$ and
$(40,64,3)$, the learned head answers less than half of the sequences with $\tau = 1$ correctly, and
the hand-built head (IH) all of them.""",
        assumptions=(
            "infinite width",
            "W_K1 moves in its position block only",
            "closed-form steps",
        ),
        kind="equal",
        source="derived here",
        status="empirical",
        note="So the learned head can fail on sequences that begin with the trigger, but not by "
        "the tie of the hand-built head: position 1 never wins. The position columns of W_K2 "
        "disfavour position 2, and later positions receive the attention that it loses. The "
        "accuracy at tau = 1 is 1.00, 1.00 and 0.40 at the sizes of (a), and at most 0.17, 0.12 "
        "and 0.14 at those of (b). A larger m2 makes it worse at (32,64,2) (figure margins).",
    ),
)
