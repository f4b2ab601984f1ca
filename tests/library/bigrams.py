"""The definition of the bigram task, in loops, and tasks to compare with it."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from assocmem.tasks import BigramTask, Language

FALSE_ALARM = 1e-6  # of each statistical test below
seeds = st.integers(0, 2**32 - 1)
modest = settings(max_examples=50, deadline=None)
# Five tokens of different frequencies, and a row that allows two successors only.
LANGUAGE = Language(
    unigram=np.array([10, 6, 3, 2, 1]) / 22,
    bigram=np.array(
        [[1, 4, 2, 2, 1], [3, 1, 1, 4, 1], [5, 0, 0, 5, 0], [2, 2, 2, 2, 2], [1, 2, 3, 3, 1]]
    )
    / 10,
)
OPTIONS = {
    "triggers": ["fixed", "random", (3, 1)],
    "trigger_outputs": ["uniform", "bigram"],
    "avoid": ["nothing", "trigger", "triggers"],
    "output_tokens": [None, (4, 0, 2)],
}
SETTINGS = [
    dict(zip(OPTIONS, values, strict=True)) for values in itertools.product(*OPTIONS.values())
]


def label(options):
    return "-".join(map(str, options.values()))


# --- the definition, in loops --------------------------------------------------------------------


def trigger_law(task):
    """{triggers in the order drawn: probability}."""
    unigram, k = task.language.unigram, task.n_triggers
    if task.triggers == "fixed":
        order = sorted(range(task.n_tokens), key=lambda i: (-unigram[i], i))
        return {tuple(order[task.trigger_offset : task.trigger_offset + k]): 1.0}
    if task.triggers != "random":
        return {tuple(task.triggers): 1.0}
    law = {}
    for drawn in itertools.permutations(np.flatnonzero(unigram).tolist(), k):
        law[drawn] = 1.0
        for i, q in enumerate(drawn):
            law[drawn] *= unigram[q] / sum(
                unigram[j] for j in range(len(unigram)) if j not in drawn[:i]
            )
    return law


def output_law(task, q, triggers):
    """The law (N,) of the output of q in a sequence with these triggers."""
    ruled_out = {"nothing": (), "trigger": (q,), "triggers": triggers}[task.avoid]
    tokens = range(task.n_tokens) if task.output_tokens is None else task.output_tokens
    admitted = [o for o in tokens if o not in ruled_out]
    weight = {o: task.language.bigram[q, o] for o in admitted}
    if task.trigger_outputs == "uniform" or not any(weight.values()):
        weight = dict.fromkeys(admitted, 1.0)
    total = sum(weight.values())
    return np.array([weight.get(o, 0) / total for o in range(task.n_tokens)])


def loss_mask(task, sequence, triggers):
    """The positions with loss among the first T of a sequence of T + 1 tokens."""
    inputs = sequence[:-1]
    return [task.loss == "all" or (z in triggers and z in inputs[:t]) for t, z in enumerate(inputs)]


def brute_force(task):
    """{(triggers, outputs, T + 1 tokens): probability}, those that have one."""
    law, tokens = {}, range(task.n_tokens)
    for triggers, chance in trigger_law(task).items():
        laws = [output_law(task, q, triggers) for q in triggers]
        for outputs in itertools.product(tokens, repeat=len(triggers)):
            follow = dict(zip(triggers, outputs, strict=True))
            odds = chance * np.prod([law[o] for law, o in zip(laws, outputs, strict=True)])
            for z in itertools.product(tokens, repeat=task.length + 1):
                probability = odds * task.language.unigram[z[0]]
                for a, b in itertools.pairwise(z):
                    probability *= (follow[a] == b) if a in follow else task.language.bigram[a, b]
                if probability:
                    law[triggers, outputs, z] = probability
    return law


def sequences(batch):
    """The T + 1 tokens of each sequence."""
    return np.concatenate([batch.tokens, batch.targets[:, -1:]], axis=1)


def keys(batch):
    """What `brute_force` calls each row of a batch."""
    parts = (batch.triggers, batch.outputs, sequences(batch))
    return list(zip(*([tuple(row) for row in part.tolist()] for part in parts), strict=True))


# --- exact enumeration ---------------------------------------------------------------------------

TERNARY = Language(unigram=[0.5, 0.25, 0.25], bigram=[[0.5, 0, 0.5], [0.25, 0.5, 0.25], [0, 1, 0]])
TINY = [
    BigramTask(TERNARY, length=3, n_triggers=1, loss="all"),
    BigramTask(TERNARY, length=4, n_triggers=1, avoid="nothing"),
    BigramTask(TERNARY, length=3, n_triggers=2, avoid="trigger", trigger_outputs="bigram"),
    BigramTask(TERNARY, length=3, n_triggers=1, triggers="random", trigger_outputs="bigram"),
    BigramTask(TERNARY, length=3, n_triggers=2, triggers="random", loss="all"),
    BigramTask(TERNARY, length=3, triggers=(2, 1), output_tokens=(1, 0), avoid="nothing"),
]
