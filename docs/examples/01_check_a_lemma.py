r"""
A lemma of your own, with its error bar
=======================================

For two independent sign vectors, :math:`\mathbb{E}\langle u, v\rangle^4 = 3/d^2 - 2/d^3`. The
lemma is compared with the mean of random draws; a true lemma fails with probability at most
:math:`10^{-6}`. Without its second term it is refuted at d = 4 and 8, where the draws are precise
enough to see the difference. A lemma about a gradient is compared with a transformer in the same
way.
"""

import matplotlib.pyplot as plt
import numpy as np

import assocmem as am

widths, found = [4, 8, 16, 32], []
for d in widths:
    u, v = am.rademacher(50_000, d, rng=1), am.rademacher(50_000, d, rng=2)
    draws = (u * v).sum(axis=1) ** 4
    found.append(am.testing.check_mean(3 / d**2 - 2 / d**3, draws))
    print(f"d = {d}: {found[-1]}")
    print(f"   without the second term: {am.testing.check_mean(3 / d**2, draws)}")

predicted = np.array([each.predicted for each in found])
measured = np.array([each.measured for each in found])
tolerance = np.array([each.tolerance for each in found])
fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.errorbar(widths, measured / predicted, tolerance / predicted, fmt="o", label="measured")
ax.plot(widths, 3 / np.square(widths) / predicted, "--", label="without the second term")
ax.axhline(1, color="grey", linewidth=1)
ax.set(xscale="log", xticks=widths, xticklabels=widths)
ax.set(xlabel="width d", ylabel="fourth moment / predicted")
ax.minorticks_off()
ax.legend()

# %%
# The same for a gradient step: first exactly, on all sequences of a small task, then on draws.
task = am.InductionTask(n_tokens=4, length=6)
print(am.testing.check_gradient(task, "W_O2", am.gradients.first_step(task)))
print(am.testing.check_gradient(task, "W_O2", am.gradients.first_step(task), sequences=5000, rng=0))
