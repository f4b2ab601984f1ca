"""
Three gradient steps make an induction head
===========================================

One gradient step from zero on each matrix, in top-down order, makes an induction head. Change the
sizes or the margins and see how recall and accuracy change.
"""

import matplotlib.pyplot as plt

import assocmem as am

task = am.InductionTask(n_tokens=16, length=20)
run = am.top_down(task, margins=(0.5, 10, 20), rng=0)
print(run)

tokens = task.sample(50, rng=1).tokens
sequence = next(each for each in tokens if 6 < list(each).index(each[-1]) < 12)
fig, grid = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
am.plots.memory(
    run.memories["W_K1"].scores(keys=run.embeddings.positions, values=run.embeddings.positions),
    ax=grid[0],
)
grid[0].set(title="the previous-token memory", xlabel="key position", ylabel="query position")
for layer, maps in enumerate(run.model().attention(sequence[None])):
    am.plots.attention_map(maps[0], tokens=[str(z) for z in sequence], ax=grid[layer + 1])
    grid[layer + 1].set_title(f"attention of layer {layer + 1}")
    grid[layer + 1].tick_params(labelsize=6)
