"""
Figure 4, with rare triggers
============================

Global bigrams and the induction head during training, with five frequent triggers and with five
rare ones. This example needs a clone of the repository, for the package ``validation``.
"""

import matplotlib.pyplot as plt
import numpy as np

from validation.dynamics.experiments import Scale, train
from validation.figures.bigrams import TRIGGERS

scale = Scale(length=24, width=48, batch_size=64, steps=300, all_steps=300)
fig, grid = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for name in ("K = 5 fixed", "K = 5 rare"):
    history = train(name, scale, np.random.default_rng(0), None).history
    for ax, column in zip(grid, ("accuracy", "bigram_kl"), strict=True):
        ax.plot(history["step"], history[column], color=TRIGGERS[name], label=name)
grid[0].set(xlabel="updates", ylabel="accuracy in context")
grid[1].set(xlabel="updates", ylabel="divergence from the global bigrams", yscale="log")
grid[0].legend()
