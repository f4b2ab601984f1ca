"""Step 3 on in-context bigrams: the position block of W_K1, by all sequences or stratified draws.

At finite W_K2 the layer-2 softmax couples all positions, and no short recursion is left (to first
order in W_K2 there is one, see `bigram_step`). Sequences are drawn in sets in which the output of
each trigger is spread evenly over its law by a random permutation; sets are independent, and their
spread is the standard error.
"""

from __future__ import annotations

import numpy as np

from assocmem._checks import Array, Seed, at_least, checked_kind, generator
from assocmem.gradients.bigrams import BigramStep
from assocmem.gradients.draws import spread_outputs, spread_triggers
from assocmem.model import FrozenTransformer
from assocmem.tasks import BigramBatch, BigramTask
from assocmem.tasks.batch import checked_batch_size

ENUMERATED_BYTES = 2**24  # of the words of a task that is enumerated


def previous_token_step(
    model: FrozenTransformer,
    task: BigramTask,
    *,
    sequences: int = 4000,
    sets: int = 8,
    rng: Seed = None,
) -> BigramStep:
    """Return the step on the position block of W_K1 of a model, exactly or with standard errors.

    Parameters
    ----------
    model : FrozenTransformer
        After steps 1 and 2, which are what makes the previous token worth attending to.
    task : BigramTask
        If all its sequences fit into 16 MiB they are enumerated.
    sequences, sets : int
        Else sequences in all, and the independent sets they are drawn in, at least 2.
    rng : int, generator of NumPy or None
        Where the draws come from; None draws anew each time.

    Returns
    -------
    BigramStep
        Of "W_K1": coefficients (T, T) over positions, row = query.

    Raises
    ------
    ValueError
        For fewer than two sets, or embeddings that do not fit the task.

    References
    ----------
    [BCBJB2023], Section 6, third step.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.BigramTask(am.Language.uniform(3), length=5, n_triggers=1)
    >>> model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    >>> step = am.gradients.previous_token_step(model, task)
    >>> step.replicates is None, step.coefficients.shape    # exact: few sequences exist
    (True, (5, 5))
    """
    checked_kind("model", model, FrozenTransformer).embeddings.check_fits(
        checked_kind("task", task, BigramTask)
    )
    sets, rng = at_least("sets", sets, 2), generator(rng)
    size = -(-checked_batch_size("sequences", sequences, task.length) // sets)
    try:
        batch = task.enumerate(max_bytes=ENUMERATED_BYTES)
    except ValueError:
        pass  # too many
    else:
        return BigramStep(task, "W_K1", _position_block(model, batch))
    drawn = [_stratified(task, size, rng) for _ in range(sets)]
    # the sum of the weights of a batch is 1: its positions with loss say how much it counts
    masses = np.array([np.count_nonzero(batch.weights) for batch in drawn], dtype=float)
    totals = np.array([_position_block(model, b) * m for b, m in zip(drawn, masses, strict=True)])
    mass = masses.mean()
    coefficients = totals.mean(axis=0) / mass
    replicates = coefficients + (totals - masses[:, None, None] * coefficients) / mass
    return BigramStep(task, "W_K1", coefficients, replicates)


def _stratified(task: BigramTask, size: int, rng: np.random.Generator) -> BigramBatch:
    triggers = spread_triggers(task, size, rng)
    outputs = spread_outputs(task.output_law(triggers), rng)
    words = task._walk(triggers, outputs, rng)
    return task._assemble(words, triggers, outputs, task._has_loss(words, triggers))


def _position_block(model: FrozenTransformer, batch: BigramBatch) -> Array:
    _, memories = model.loss_and_memories(batch, ("W_K1",))
    n = model.embeddings.n_tokens
    return -memories["W_K1"].coefficients[n:, n:]
