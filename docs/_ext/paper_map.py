"""What stands where in the paper: a row a statement, for the page that maps it."""

from __future__ import annotations

Place = tuple[str, str, str, tuple[str, ...], tuple[str, ...]]
# What stands where in the paper: section, statement, equation, claims, public functions.
PAPER: tuple[Place, ...] = (
    ("3", "the in-context bigram task", r"z_1 \sim \pi_u,\; z_{t+1} \sim \pi_b(\cdot | z_t),\;"
     r" q_k \to o_k", ("B0",), ("BigramTask", "InductionTask")),
    ("4.1", "near-orthogonality", r"u_i^\top u_j \approx 0,\; i \ne j",
     ("NO1", "NO2", "NO3", "NO4", "NO5", "NO6", "NO7"), ("gaussian", "coherence")),
    ("4.1", "associative memory", r"W = \sum_{i, j} \alpha_{ij}\, v_j u_i^\top,\;"
     r" v_j^\top W u_i \approx \alpha_{ij}", ("AM1", "C1", "C2"), ("AssociativeMemory",)),
    ("4.1", "remapping by a random matrix", r"w_1(i) = \Phi_1 w_E(i)", ("NO4",),
     ("FrozenEmbeddings",)),
    ("4.2", "the simplified transformer",
     r"x_t = w_E(z_t) + p_t,\; x^1_t = x_t + \Phi_1 \sum_s \sigma(x_t^\top W_K^1 x_s)\, x_s",
     (), ("FrozenTransformer",)),
    ("4.2", "the previous-token head", r"W_K^1 = \sum_{t \ge 2} p_t\, p_{t-1}^\top", ("IH", "H3"),
     ("induction_head", "heads.find")),
    ("4.2", "the induction head", r"W_K^2 = \sum_{q \in Q} w_E(q)\, (\Phi_1 w_E(q))^\top",
     ("IH", "tie", "H3"), ("induction_head", "heads.find")),
    ("4.2", "the output memory", r"W_O^2 = \sum_k w_U(k)\, (W_V^2 w_E(k))^\top", ("IH", "H3"),
     ("induction_head", "heads.find")),
    ("4, 5", "memory recall, a probe", r"\arg\max_j\, v_j^\top W u_i", ("H1", "H2"),
     ("probe", "evaluate")),
    ("5", "Figure 2: attention before and after", "", ("D1", "D2"), ("plots.attention_map",)),
    ("5", "Figure 3: the order in which memories form", "", ("D2", "D6"), ("training.train",)),
    ("5", "Figure 4: global bigrams first; what slows the head down", "",
     ("D3", "D4", "D4-nested", "D5", "D7", "B1", "B2"), ("training.published",)),
    ("6", "Lemma 1: the gradient of a memory",
     r"\nabla L = \sum_k \mathbb{E}_z[(\hat p_W(k|z) - p(k|z))\, w_U(k) w_E(z)^\top]", ("L1",),
     ("gradients.linear_step",)),
    ("6", "Lemma 2: noisy inputs",
     r"\nabla L = \sum_k p(y{=}k)\, w_U(k) (\hat\mu_k - \mu_k)^\top", ("L2",),
     ("gradients.noisy_linear_step",)),
    ("6", "Lemma 3: an attention layer at zero",
     r"-\nabla L(0) = \sum_k \mathbb{E}[(1\{y{=}k\} - \hat p)\, \tfrac1T \sum_t (w_U(k)^\top"
     r" \Phi_2 x_t)\, x_T (x_t - \bar x)^\top]", ("L3",), ("gradients.attention_step",)),
    ("6, appendix", "theorem, step 1 on $W_O^2$", r"G_1 = -\nabla_{W_O^2} L(0)", ("S1", "T-S1"),
     ("gradients.first_step",)),
    ("6, appendix", "theorem, step 2 on $W_K^2$",
     r"J_2 = \mathbb{E}[x^1_T \otimes \mathrm{Cov}_s(u_s, x^1_s)]",
     ("S2", "S2-limit", "T-S2", "T-m1", "P2"), ("gradients.second_step",)),
    ("6, appendix", "theorem, step 3 on $W_K^1$", r"(-\partial_{\eta_1} \nabla_{W_K^1} L)_{tr} ="
     r" \tfrac1t\, \mathbb{E}[D_t \cdot (\Phi_1 x_r - \tfrac1t \sum_{r'} \Phi_1 x_{r'})]",
     ("S3a", "S3b", "S3b-bound", "T-S3"),
     ("gradients.third_step",)),
    ("6, appendix", "theorem, the three steps together", "", ("T", "P1", "P3", "W3", "W6", "W7"),
     ("top_down",)),
)  # fmt: skip
