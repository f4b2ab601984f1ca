"""What each top-down step on in-context bigrams writes: the block of its memory, and no other.

The other blocks of these gradients hold how often tokens and positions occur. Over content alone
(`InductionTask`) they are harmless; on a language they outweigh the memories after one step.
"""

from __future__ import annotations

import numpy as np

from assocmem._checks import Array, Seed, at_least, checked_kind, checked_option, generator
from assocmem.gradients.bigram_moments import columns_of
from assocmem.gradients.bigrams import bigram_predictor, bigram_step
from assocmem.gradients.sampled import previous_token_step
from assocmem.memory import AssociativeMemory
from assocmem.model import FrozenTransformer
from assocmem.model.families import REMAPPED_TOKENS, TOKENS
from assocmem.tasks import BigramTask
from assocmem.tasks.batch import checked_batch_size

LEAST = 1e-4  # what the memory of the bigrams gives a successor that never comes


def bigram_memory_step(
    name: str,
    model: FrozenTransformer,
    task: BigramTask,
    *,
    sequences: int = 8000,
    sets: int = 8,
    rng: Seed = None,
) -> AssociativeMemory:
    """Return the memory that the next top-down step writes into a model on in-context bigrams.

    Parameters
    ----------
    name : {"W_F", "W_O2", "W_K2", "W_K1"}
        W_F: where its flow ends, the logarithms of the bigrams, centred (one step is not enough,
        see claim B0). W_O2: w_U by W_V² w_E, by the exact step. W_K2: w_E by Φ₁ w_E, by the exact
        step at the model's W_O2. W_K1: position by position, see `previous_token_step`.
    model : FrozenTransformer
        With W_F the predictor is the bigrams, without it uniform.
    task : BigramTask
        Whose population the step is taken over.
    sequences, sets : int
        For what is not exact: of `previous_token_step`, and of `bigram_step`; the sequences are
        those of W_K1.
    rng : int, generator of NumPy or None
        Where the draws come from; None draws anew each time.

    Returns
    -------
    AssociativeMemory
        The step -∇ on its own block, to be scaled by a step size.

    Raises
    ------
    ValueError
        For another name, and for W_K2 before W_O2.

    References
    ----------
    [BCBJB2023], Section 6, carried over to its Section 5.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.BigramTask(length=16, n_triggers=1, loss="all")
    >>> emb = am.FrozenEmbeddings.orthonormal(task)
    >>> W_F = bigram_memory_step("W_F", am.FrozenTransformer(emb, readout="residual"), task)
    >>> model = am.FrozenTransformer(emb, W_F=W_F, readout="residual")
    >>> W_O2 = bigram_memory_step("W_O2", model, task)
    >>> am.probe("W_O2", task, emb).recall(W_O2)
    1.0
    """
    checked_option("name", name, ("W_F", "W_O2", "W_K2", "W_K1"))
    emb = checked_kind("model", model, FrozenTransformer).embeddings
    emb.check_fits(checked_kind("task", task, BigramTask))
    checked_batch_size("sequences", sequences, task.length)
    sets, rng = at_least("sets", sets, 2), generator(rng)
    if name == "W_F":
        scores = np.log(np.maximum(bigram_predictor(task, "bigrams", rng=rng), LEAST)).T
        scores = scores - scores.mean(axis=0)
        return AssociativeMemory(keys=emb.tokens, values=emb.outputs, coefficients=scores)
    if name == "W_K1":
        return previous_token_step(model, task, sequences=sequences, sets=sets, rng=rng).memory(emb)
    columns = columns_of(task)
    predictor = "bigrams" if "W_F" in model.weights else "uniform"
    if name == "W_O2":
        step = bigram_step(task, "W_O2", predictor=predictor, sets=sets, rng=rng)
        return _block(step.coefficients, columns[TOKENS], emb.values, emb.outputs)
    written = model.weights.get("W_O2")
    if not isinstance(written, AssociativeMemory):
        raise ValueError(
            "model: expected one whose W_O2 is a memory over the atoms, as step 2 reads through "
            "it; got none. Take step 1 first."
        )
    first = written.coefficients
    step = bigram_step(task, "W_K2", predictor=predictor, first=first, sets=sets, rng=rng)
    queries = np.zeros((len(emb.atoms), len(emb.atoms)))
    queries[: task.n_tokens] = step.coefficients
    return _block(queries, columns[REMAPPED_TOKENS], emb.atoms, emb.atoms)


def _block(table: Array, kept: slice, keys: Array, values: Array) -> AssociativeMemory:
    """The table with all other columns 0."""
    block = np.zeros_like(table)
    block[:, kept] = table[:, kept]
    return AssociativeMemory(keys=keys, values=values, coefficients=block)
