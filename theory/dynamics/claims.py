"""Training dynamics: what gradient descent on in-context bigrams shows."""

from __future__ import annotations

from theory.record import Claim

_SCALE = (
    "the published setting at the quick scale: characters (N = 65), T = 32, d = 64, batches of 64, "
    "600 updates, K = 5 fixed triggers and loss on repeated triggers unless said otherwise; "
    "outputs are never triggers; float32",
    "an order is confirmed if ten pairs of fresh runs all agree with it, which has probability "
    "2^-10 if neither order is the likelier one; it is refuted if all ten disagree, and undecided "
    "otherwise",
)
_SOURCE = "[BCBJB2023], Section 5"
_ALL = (
    "loss on all tokens and W_F trained too",
    *_SCALE,
)

CLAIMS = (
    Claim(
        id="D1",
        title="One layer does not solve in-context bigrams, two layers do",
        statement=r"""(a) After training, in-context accuracy with two layers exceeds that with one
($x^1_t = x_t$, $W_K^2$ and $W_O^2$ trained); (b) it exceeds $\frac34$, and with one layer it is
below $\frac12$.""",
        assumptions=_SCALE,
        kind="order",
        source=_SOURCE,
        status="empirical",
        note="Chance is 1/60. One layer does better than chance by predicting tokens that occur "
        "often in the context, most of which are outputs of triggers. Figure depth shows the runs; "
        "their numbers are in validation/records/dynamics.csv.",
    ),
    Claim(
        id="D2",
        title="The output memory is the first to form, the previous-token memory the last",
        statement=r"""(a) Recall of $W_O^2$ reaches one half before that of $W_K^2$ and before that
of $W_K^1$ does; (b) recall of $W_K^1$ reaches nine tenths, or the end of training, after that of
$W_O^2$ and $W_K^2$. Each of the ten comparisons averages four runs.""",
        assumptions=_SCALE,
        kind="order",
        source=_SOURCE,
        status="empirical",
        note="This is the order of the three top-down steps. In single runs W_K2 can be first: "
        "it has only five triggers to store, so its recall is a multiple of a fifth. Freezing a "
        "memory delays those that the theory writes after it (figure 3).",
    ),
    Claim(
        id="D3",
        title="Global bigrams are learned before the induction head",
        statement=r"""Before in-context accuracy reaches one half, the divergence
$\mathrm{KL}(\pi_b(\cdot|z_t)\, \Vert\,\hat p)$ at tokens that are not triggers has fallen by (a)
half and (b) three quarters of its value at the start. The population gradient on $W_O^2$ predicts
this: its lead is negative at $W_F = 0$ and positive once the bigrams are known.""",
        assumptions=_ALL,
        kind="order",
        source=_SOURCE + "; the prediction is derived here",
        status="empirical",
        note="With loss on the triggers alone the bigrams are not learned at all: the divergence "
        "rises (figure 4 and page training).",
    ),
    Claim(
        id="D4",
        title="Fewer, rarer or random triggers slow the head down in so far as they repeat less",
        statement=r"""Compare accuracies after 600 updates, with triggers named by their rank of
frequency. (a) Tested on the third as the only trigger, training on the five most frequent gives
more than training on the third alone; training on the first and the third gives more than training
on the third alone, and more than training on the twenty most frequent. (b) In the same test and at
equal $\sum_q f_q^2$ (within one percent), training on ranks 2, 3 gives more than training on ranks
3, 4, 5, 6, 13. (c) Tested on five random triggers, training with $K = 5$ random triggers gives more
than with $K = 3$, and this more than with $K = 1$. (d) Tested on the five most frequent, training
on them gives more than training on five random ones. (e) With each tested on its own triggers, the
five most frequent give more than ranks 11 to 15. Runs on the five most frequent and with random
triggers are compared in means of four. Each sign is that of a difference of leads of the population
gradients at zero attention with the bigrams known: the lead of the row of $W_K^2$ of the tested
trigger, or that of $W_O^2$ if the test has several triggers.""",
        assumptions=_ALL,
        kind="order",
        source=_SOURCE + "; the predictions are derived here",
        status="empirical",
        note="The paper's three statements hold in this sense: fewer triggers, rare triggers "
        "and random triggers slow the head down because they repeat less. They do not hold as "
        "statements about K alone: at equal mass of repeats, more triggers are slower, and two "
        "triggers, one of which is the most frequent token, are faster than twenty that contain "
        "both, although the mass of repeats of the twenty is larger. Single runs with these "
        "triggers vary in when the head forms. Of twenty single pairs of five random against "
        "three random triggers, and of the top five against the third alone, one pair each has "
        "the opposite sign, and one set of ten single pairs of each was undecided (nine of ten "
        "for five): hence the means. W_O2 and W_K1 are shared by all triggers, whereas a row of "
        "W_K2 serves one; a trigger benefits from a more frequent one beside it. Two "
        "comparisons were undecided: between triggers of equal frequency (a uniform language, N "
        "= 14, K = 1 or 8, tested on the same one) in six pairs, and between the most frequent "
        "token alone and the twenty most frequent, tested on the former, in ten pairs (nine of "
        "ten for it alone).",
    ),
    Claim(
        id="D4-nested",
        title="Withdrawn: fewer fixed triggers do not slow the head down",
        statement=r"""With $K$ fixed triggers, accuracy after 600 updates is not smaller when $K$
is.""",
        assumptions=_ALL,
        kind="order",
        source="derived here, from runs on nested sets of triggers; withdrawn",
        status="refuted",
        note="Counterexample: tested on the third token as the only trigger, training on it "
        "alone gives a lower accuracy than training on the five most frequent, in each of ten "
        "pairs of runs. The claim had been based on the first, the five and the twenty most "
        "frequent tokens, each tested on its own triggers; all of these sets contain the token "
        "whose repetitions outweigh all others.",
    ),
    Claim(
        id="D5",
        title="An induction head trained on outputs from the bigrams generalises less well",
        statement=r"""After 1200 updates, (a) a model trained on uniform outputs has a larger
accuracy on uniform outputs than one trained on outputs drawn from the bigrams $\pi_b(\cdot|q)$. A
model trained on bigram outputs (b) has a larger accuracy on them than on uniform ones, and (c)
loses more accuracy by the change of outputs than a model trained on uniform ones does.""",
        assumptions=_SCALE,
        kind="order",
        source=_SOURCE,
        status="empirical",
        note="Outputs are never triggers here (`avoid='triggers'`). Otherwise two thirds of the "
        "positions with loss on bigram outputs lie in sequences caught in a cycle (page bigrams).",
    ),
    Claim(
        id="D6",
        title="With layer norm and nothing frozen W_K1 is recalled before W_O2, the opposite of D2",
        statement=r"""The reference transformer (two layers, four heads, layer norm, trained
embeddings, 250 updates of AdamW on the same data) (a) reaches accuracy $\frac9{10}$. In it, (b) the
recall of $W_K^1$, in the best head, reaches one half before that of $W_O^2$ does: the opposite of
D2.""",
        assumptions=_SCALE,
        kind="order",
        source="derived here, from runs of `validation.reference.training`",
        status="empirical",
        note="With trained embeddings and layer norm the output memory forms later. Without layer "
        "norm it forms first, as in the frozen model, but the model stays at accuracy 0.86. With "
        "feed-forward layers, these carry a part of the output memory, which the probe along the "
        "direct path does not see.",
    ),
    Claim(
        id="D7",
        title="W_F alone holds the global bigrams less well than the model does",
        statement=r"""After 600 updates, (a) the mean of $\mathrm{KL}(\pi_b(\cdot|i)\,\Vert\,
\mathrm{softmax}(W_U W_F w_E(i)))$ over the tokens $i$ that are not triggers, weighted by their
frequency, is below its value at the start, but more than twice the divergence of the model at the
positions of these tokens. (b) For more than a quarter and less than three quarters of the tokens,
$W_F$ recalls the likeliest next token, by the strict maximum of its scores.""",
        assumptions=_ALL,
        kind="order",
        source="derived here, for the memory of [BCBJB2023], Section 5",
        status="empirical",
        note="The logits of the model are $W_U (I + W_F)(x^1_t + W_O^2 o_t)$. Because layer 2 also "
        "attends to the current token, W_O2 reads it too and stores a part of what W_F would "
        "otherwise have to store. Figure 4 shows both divergences.",
    ),
)
