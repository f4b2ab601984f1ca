"""
Find the induction head in a transformer
========================================

A model with a planted induction head among decoys is read like any checkpoint: for every head,
the detectors test what it recalls, and whether chance explains it. For a file of your own, use
``am.heads.read("model.safetensors", n_heads=12)``.
"""

import matplotlib.pyplot as plt

import assocmem as am

planted = am.heads.specimen(
    n_tokens=24, length=24, width=192, n_heads=3, decoys=["shuffled"], rng=0
)
found = am.heads.find(planted.heads)
print(found)
print("planted:", planted.circuit, " found:", found.circuits)

first, second = found.circuits[0]
fig, grid = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
am.plots.head_table(am.heads.previous_token(planted.heads, first), ax=grid[0])
am.plots.head_table(am.heads.induction(planted.heads, first, second), ax=grid[1])
grid[0].set_title(f"head {first}: the position before")
grid[1].set_title(f"head {second}: what followed the same token")
