"""
A hand-built head at a finite width
===================================

The three memories of an induction head are written by hand over random embeddings; the accuracy
of the head grows with the width.
"""

import matplotlib.pyplot as plt

import assocmem as am

task = am.InductionTask(n_tokens=16, length=16)
widths, accuracy = [32, 64, 128, 256, 512, 1024], []
for width in widths:
    emb = am.FrozenEmbeddings.random(task, width=width, rng=0).compressed()
    model = am.FrozenTransformer(emb, **am.induction_head(task, emb, beta=20))
    accuracy.append(am.evaluate(model, task.sample(1000, rng=1)).accuracy)

low, high = zip(*(rate.interval(0.95) for rate in accuracy), strict=True)
fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
am.plots.recall_curve(widths, [rate.value for rate in accuracy], low, high, ax=ax)
ax.set(xscale="log", xlabel="width d", ylabel="accuracy", ylim=(-0.03, 1.03))
