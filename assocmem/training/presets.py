"""The published experiments' setting, by name."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from assocmem._checks import Seed, checked_kind, checked_size, generator
from assocmem.model.embeddings import FrozenEmbeddings, require_memory, sizes_of
from assocmem.probes import Probe
from assocmem.tasks import BigramTask, Task


def published(
    task: Task, *, width: int = 128, rng: Seed = None, dtype: DTypeLike = np.float32, **changes: Any
) -> dict[str, Any]:
    """Return the arguments of `train` for the published setting, with any of them changed.

    Entries of tokens and positions are N(0, 1), attention scores are divided by √d, and every
    matrix at the start, trained or frozen, is uniform on ±1/√d: the output embeddings, W_V², both
    factors of Φ₁ = W_O¹ W_V¹, and W_K¹, W_K², W_O² (and W_F where it is trained). Plain SGD: batch
    512, learning rate 0.2, momentum 0.9, weight decay 1e-4; residual readout.

    Parameters
    ----------
    task : Task
        Its n_tokens, length and outputs are the sizes.
    width : int
        Dimension d of the residual stream.
    rng : int, generator of NumPy or None
        Seeds embeddings, start and data.
    dtype : {float32, float64}
        Of embeddings and run.
    **changes
        Arguments of `train` to change. Another ``optimizer`` comes with a momentum of its own.

    Returns
    -------
    dict
        Keywords for `train`, the embeddings among them.

    Raises
    ------
    TypeError, ValueError
        As `train` and `FrozenEmbeddings.random`.

    References
    ----------
    [BCBJB2023], Section 5 and its appendix on experiments.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=5, length=6)
    >>> setting = published(task, width=64, rng=0, batch_size=128)
    >>> setting["scale"], setting["batch_size"], setting["learning_rate"]
    (0.125, 128, 0.2)
    >>> setting["embeddings"]
    FrozenEmbeddings(published, N=5, T=6, M=4, width=64)
    """
    rng = generator(rng)
    setting = {
        "embeddings": published_embeddings(task, width=width, rng=rng, dtype=dtype),
        "scale": 1 / sqrt(width),
        "readout": "residual",
        "initial": "random",
        "batch_size": 512,
        "learning_rate": 0.2,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "rng": int(rng.integers(2**63)),
    }
    if changes.get("optimizer") is not None:
        del setting["momentum"]  # that of SGD
    return setting | changes


def published_embeddings(
    task: Task, *, width: int, rng: Seed = None, dtype: DTypeLike = np.float32
) -> FrozenEmbeddings:
    """Return the frozen half of the published setting, see `published`.

    >>> import assocmem as am
    >>> task = am.InductionTask(n_tokens=5, length=6)
    >>> emb = published_embeddings(task, width=400, rng=0)
    >>> bool(abs(emb.outputs).max() < 1 / 20), emb.dtype
    (True, dtype('float32'))
    """
    width, rng = checked_size("width", width), generator(rng)
    n_tokens, length, n_outputs = sizes_of(task)
    require_memory("width", width)
    square = (width, width)
    return FrozenEmbeddings.from_matrices(
        tokens=rng.standard_normal((n_tokens, width)),
        positions=rng.standard_normal((length, width)),
        outputs=uniform((n_outputs, width), rng=rng),
        Phi1=uniform(square, rng=rng) @ uniform(square, rng=rng),
        W_V2=uniform(square, rng=rng),
        family="published",
    ).astype(dtype)


def published_probes(task: BigramTask, embeddings: FrozenEmbeddings) -> dict[str, Probe]:
    """Return the probes of W_O2, W_K2 and W_K1 with the ranges of the published experiments.

    The probes of a history, `Metrics`, test what the task can teach: W_O2 on the possible outputs
    of triggers, W_K2 on the triggers among all tokens, and W_K1 on every position among those up to
    it. The published probes test W_O2 on every token, W_K2 on fixed triggers among themselves only,
    and W_K1 on every position but the first, among all positions but the last, including later
    ones.

    Parameters
    ----------
    task : BigramTask
        Whose triggers and positions are asked.
    embeddings : FrozenEmbeddings
        Those that the weights were trained with: ``run.embeddings``.

    Returns
    -------
    dict of Probe
        ``probe.recall(run.weights[name])`` for each name.

    References
    ----------
    [BCBJB2023], Section 5, and the code of its experiments.

    Examples
    --------
    >>> import assocmem as am
    >>> task = am.BigramTask(length=16)
    >>> emb = am.FrozenEmbeddings.orthonormal(task)
    >>> probes = published_probes(task, emb)
    >>> {name: (len(each.cues), round(1 / each.chance)) for name, each in probes.items()}
    {'W_O2': (65, 65), 'W_K2': (5, 5), 'W_K1': (15, 15)}
    """
    checked_kind("task", task, BigramTask)
    checked_kind("embeddings", embeddings, FrozenEmbeddings).check_fits(task)
    every, triggers = np.arange(task.n_tokens), task.trigger_tokens
    positions = embeddings.positions
    return {
        "W_O2": Probe("W_O2", embeddings.values[every], embeddings.outputs, every, None, False),
        "W_K2": Probe(
            "W_K2",
            embeddings.tokens[triggers],
            embeddings.remapped_tokens[triggers],
            np.arange(len(triggers)),
            None,
            True,
        ),
        "W_K1": Probe(
            "W_K1", positions[1:], positions[:-1], np.arange(task.length - 1), None, True
        ),
    }


def uniform(shape: tuple[int, int], *, rng: np.random.Generator) -> NDArray[np.float64]:
    """Entries uniform on ±1/√d, d the number of columns: the usual start of a linear layer."""
    bound = 1 / sqrt(shape[1])
    return rng.uniform(-bound, bound, size=shape)
