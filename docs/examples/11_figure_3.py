"""
Figure 3, with one matrix frozen for a while
============================================

The memories as they form, when all matrices train from the start and when :math:`W_K^2` is frozen
for 150 updates. This example needs a clone of the repository, for the package ``validation``.
"""

import matplotlib.pyplot as plt
import numpy as np

from validation.dynamics.experiments import Scale, train
from validation.figures.forming import LINES
from validation.figures.sheets import SYMBOLS

scale = Scale(length=24, width=48, batch_size=64, steps=300, all_steps=300, frozen=150)
fig, grid = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for ax, name in zip(grid, ("all three", "W_K2 late"), strict=True):
    history = train(name, scale, np.random.default_rng(0), None).history
    for column, (label, colour) in LINES.items():
        ax.plot(history["step"], history[column], color=colour, label=label)
    ax.set(title=name.replace("W_K2", SYMBOLS["W_K2"]), xlabel="updates", ylim=(-0.03, 1.03))
grid[0].set_ylabel("share")
grid[0].legend(fontsize=7)
