"""
How nearly orthogonal is your embedding?
========================================

The coherence of an embedding is compared with that of the same number of random vectors of the
same width; inside the band it is as nearly orthogonal as random vectors are. An embedding whose
vectors share a direction lies above the band.
"""

import matplotlib.pyplot as plt
import numpy as np

import assocmem as am

rng, n, widths = np.random.default_rng(0), 200, [32, 64, 128, 256, 512]
random = [am.coherence(am.sphere(n, d, rng=rng)) for d in widths]
yours = []
for d in widths:
    vectors = am.sphere(n, d, rng=rng) + 0.4 * am.sphere(1, d, rng=rng)  # a shared direction
    yours.append(am.coherence(vectors))

low, high = zip(*(am.coherence_band(n, d, delta=0.01) for d in widths), strict=True)
fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
ax.fill_between(widths, low, high, alpha=0.3, label="99 % of random embeddings")
ax.plot(widths, random, "o", label="random on the sphere")
ax.plot(widths, yours, "s", label="with a shared direction")
ax.plot(widths, [am.welch_bound(n, d) for d in widths], ":", label="no embedding can be below")
ax.set(xscale="log", yscale="log", xticks=widths, xticklabels=widths)
ax.minorticks_off()
ax.set(xlabel="width d", ylabel=f"largest |cos| of {n} vectors")
ax.legend()
