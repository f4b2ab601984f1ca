"""
How many pairs does your memory hold?
=====================================

For a memory of outer products over random keys and values, the share of pairs that it recalls is
measured and predicted, and so is the number of pairs of which half are recalled.
"""

import matplotlib.pyplot as plt
import numpy as np

import assocmem as am
from assocmem import capacity

d, rng = 48, np.random.default_rng(0)
half = capacity.capacity(d)
sizes = np.unique(np.geomspace(half / 8, 6 * half, 9).astype(int))
drawn = []
for n in sizes:
    keys, values = am.gaussian(n, d, rng=rng), am.gaussian(n, d, rng=rng)
    drawn.append(capacity.memorise(keys, values).recall())
print(f"half of {half:.0f} pairs are recalled at width {d}")

fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.plot(sizes, [capacity.recall_probability(int(n), d) for n in sizes], label="predicted")
ax.plot(sizes, drawn, "o", label="one memory each")
ax.axvline(half, color="grey", linestyle=":", label="half recalled")
ax.set(xscale="log", xlabel="pairs stored", ylabel="share recalled", ylim=(-0.03, 1.03))
ax.legend()
