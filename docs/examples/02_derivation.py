r"""
A derivation with symbolic N and K
==================================

The closed forms take SymPy symbols. This example gives the wanted coefficient of step 1 at T = 6
as a function of the vocabulary size N and the number of triggers K, and a derivation that SymPy
checks step by step. It needs a clone of the repository, for the package ``theory``.
"""

import matplotlib.pyplot as plt
import sympy

import assocmem as am
from theory.derivation import Derivation

N, K = sympy.symbols("N K", positive=True, integer=True)
task = am.InductionTask(n_tokens=N, length=6, n_triggers=K)
block = am.gradients.first_step(task)["outputs", "tokens"]
wanted, other = (sympy.factor(entry) for entry in (block.same[-1], block.different[-1][-1]))
print("wanted:", wanted, "   other:", other)

derivation = Derivation("lead of step 1")
derivation.say("The lead is the wanted coefficient minus its competitor.")
derivation.equal(
    "It is one over the content tokens and the length.", wanted - other, 1 / (6 * (N - K))
)
for step in derivation.steps:
    print("checked" if step.checked else "said   ", step.text, step.latex)

fig, ax = plt.subplots(figsize=(5, 3), layout="constrained")
sizes = range(4, 40)
ax.plot(sizes, [wanted.subs({N: n, K: 1}) for n in sizes], label="wanted coefficient")
ax.plot(sizes, [other.subs({N: n, K: 1}) for n in sizes], label="competitor")
ax.set(xlabel="vocabulary N, at K = 1 and T = 6", ylabel="coefficient")
ax.legend()
