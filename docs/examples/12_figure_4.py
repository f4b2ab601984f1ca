"""
Figure 4, with rare triggers
============================

Global bigrams and the induction head in training, by the kind of triggers: five frequent ones and
five rare ones. It needs a clone of the repository, for the package ``validation``.
"""

import matplotlib.pyplot as plt
import numpy as np

from validation.dynamics.experiments import Scale, histories, rows_of
from validation.figures.bigrams import TRIGGERS

scale = Scale(length=24, width=48, batch_size=64, steps=300, all_steps=300)
names = ["K = 5 fixed", "K = 5 rare"]
found = histories(names, scale=scale, seeds=1, rng=np.random.default_rng(0))
rows = rows_of(found, ["accuracy", "bigram_kl"])

fig, grid = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for ax, column in zip(grid, ("accuracy", "bigram_kl"), strict=True):
    for name in names:
        of_run = [row for row in rows if row["experiment"] == name]
        x, y = ([row[key] for row in of_run] for key in ("step", column))
        ax.plot(x, y, color=TRIGGERS[name], label=name)
    ax.set(xlabel="updates", ylabel=column.replace("_", " "))
grid[0].legend()
