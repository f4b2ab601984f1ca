"""
A sweep on a Dask cluster
=========================

Any executor can run the cells of a sweep; the results depend neither on the executor nor on the
order of the cells. Replace the local cluster by the address of yours. This example needs ``pip
install 'assocmem[distributed]'``.
"""

import matplotlib.pyplot as plt
from dask.distributed import Client

import assocmem as am


def coherence(n, d, rng):
    """One cell: the coherence of n random vectors."""
    return {"coherence": am.coherence(am.sphere(n, d, rng=rng))}


grid = {"n": [16, 64, 256], "d": [32, 128, 512]}
with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
    table = am.sweeps.run(coherence, grid, executor=client.get_executor(), rng=0)
print(table)
assert table["coherence"] == am.sweeps.run(coherence, grid, rng=0)["coherence"]

fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for n in grid["n"]:
    rows = [row for row in table.rows if row["n"] == n]
    ax.plot([row["d"] for row in rows], [row["coherence"] for row in rows], "o-", label=f"n = {n}")
ax.set(xscale="log", yscale="log", xticks=grid["d"], xticklabels=grid["d"])
ax.minorticks_off()
ax.set(xlabel="width d", ylabel="largest |cos|")
ax.legend()
