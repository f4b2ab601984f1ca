"""
Why global bigrams are learned first
====================================

With loss on all tokens, the first gradient step on :math:`W_O^2` does not point towards the
induction head; once the global bigrams are known, it does. The gradients are exact, on the
default characters.
"""

import matplotlib.pyplot as plt

import assocmem as am

lengths, leads = [8, 16, 32, 64], {"uniform": [], "bigrams": []}
for length in lengths:
    task = am.BigramTask(length=length, n_triggers=1, loss="all")
    for predictor, found in leads.items():
        found.append(am.gradients.bigram_step(task, "W_O2", predictor=predictor).lead)
print(leads)

fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.plot(lengths, leads["uniform"], "o-", label="nothing known ($W_F = 0$)")
ax.plot(lengths, leads["bigrams"], "s-", label="the bigrams known")
ax.axhline(0, color="grey", linewidth=1)
ax.set(xscale="log", xticks=lengths, xticklabels=lengths)
ax.set(xlabel="length T", ylabel="median lead of the gradient")
ax.minorticks_off()
ax.legend()
