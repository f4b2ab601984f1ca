"""
A phase diagram: where the head works
=====================================

The accuracy after the three steps depends on the width of the random embeddings and the length of
the sequences. At width 100 000 a draw costs no more than at a width equal to the number of atoms.
"""

import matplotlib.pyplot as plt
import numpy as np

import assocmem as am

lengths, widths = [12, 16, 24, 32], [64, 256, 1024, 100_000]
accuracy = np.zeros((len(lengths), len(widths)))
for i, length in enumerate(lengths):
    task = am.InductionTask(n_tokens=12, length=length)
    for j, width in enumerate(widths):
        emb = am.FrozenEmbeddings.random(task, width=width, compressed=True, rng=0)
        run = am.top_down(task, emb, margins=(0.5, 10, 20), evaluate_on=500, rng=0)
        accuracy[i, j] = run.accuracy.value

fig, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
image = am.plots.phase_map(
    accuracy, rows=lengths, columns=widths, text="{:.2f}".format, ax=ax, vmin=0, vmax=1
)
ax.set(xlabel="width d", ylabel="length T")
fig.colorbar(image, ax=ax, label="accuracy")
