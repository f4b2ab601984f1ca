"""
Figure 2, with a narrower model
===============================

The attention of both layers of a trained transformer, as in Figure 2 of the paper, but at width
48 and after short training. This example needs a clone of the repository, for the package
``validation``.
"""

import matplotlib.pyplot as plt
import numpy as np

from validation.dynamics.experiments import Scale
from validation.figures import attention

scale = Scale(length=24, width=48, batch_size=64, steps=300, all_steps=300)
rows = attention.measure(scale, np.random.default_rng(0), None)
fig, grid = plt.subplots(1, 2, figsize=(8, 4.4), layout="constrained")
for panel, ax in zip(attention.PANELS.values(), grid, strict=True):  # its panels, in these axes
    panel(rows, ax)
print(attention.draw(rows).get_label())
