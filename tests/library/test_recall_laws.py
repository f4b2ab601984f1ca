"""The exact laws of the memories' scores against their definition: d x d matrices and all.

Two samples of `DRAWS`: Kolmogorov's distances stay below their bound but for 1e-6.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import assocmem as am
from assocmem.width import recall as recall_laws
from validation.width.w1 import same_law
from validation.width.w2 import asked
from validation.width.written import written

TASK = am.InductionTask(n_tokens=5, length=4)
DRAWS = 20_000
WIDTHS = {"W_O2": 3, "answers of W_O2": 3, "W_K2": 9, "W_K1": 9, "head": 9}  # the least
NAMES = ("W_O2", "answers of W_O2", "W_K2", "W_K1", "head")
OF = {
    "W_O2": recall_laws.output_scores,
    "answers of W_O2": recall_laws.output_answers,
    "W_K2": recall_laws.trigger_scores,
}
TOKENS = np.array([0, 2, 4, 0])
BLOCKS = {"all": slice(18), "plain": slice(9), "remapped": slice(9, 18), "an image": slice(10, 11)}
TESTS = 8 * len(NAMES) * len(BLOCKS)


def table(name, block="all"):
    """Coefficients without any zero or symmetry in a block: an index that is mixed up shows."""
    rows, columns = {"W_K2": (18, 18), "W_K1": (4, 4), "head": (4, 4)}.get(name, (4, 18))
    C = np.random.default_rng(0).standard_normal((rows, columns))
    if "W_O2" in name:  # what the last cue leads to, and its image, are the largest
        C = 0.1 * C + np.eye(4, 18, k=1) + np.eye(4, 18, k=10)
    if name == "W_K2":  # the trigger leads to its own image
        C[0, 9] += 10
    if name in OF:
        kept = np.zeros(18, bool)
        kept[BLOCKS[block]] = True
        C[:, ~kept] = 0
    return C


def definition(name, C, d, rng):
    """(DRAWS, cues, answers) from the vectors and matrices themselves."""

    def normal(*shape):
        return rng.standard_normal((DRAWS, *shape)) / np.sqrt(d)

    inputs, remapping = normal(9, d), normal(d, d)
    tokens, positions = inputs[:, :5], inputs[:, 5:]
    images = inputs @ remapping.swapaxes(1, 2)
    atoms = np.concatenate([inputs, images], axis=1)
    if "W_O2" in name:
        values, outputs = atoms @ normal(d, d), normal(4, d)
        answers = values[:, TASK.contents] @ values.swapaxes(1, 2) @ C.T
        return answers if name != "W_O2" else answers @ outputs @ outputs.swapaxes(1, 2)
    if name == "W_K2":
        queries, answers = tokens[:, TASK.triggers], images[:, :5]
        return queries @ atoms.swapaxes(1, 2) @ C @ atoms @ answers.swapaxes(1, 2)
    streams = positions + tokens[:, TOKENS] if name == "head" else positions
    scores = streams @ positions.swapaxes(1, 2) @ C @ positions @ streams.swapaxes(1, 2)
    return scores[:, 1:-1]


def law(name, C, d, rng):
    if name in OF:
        return OF[name](TASK, C, d, draws=DRAWS, rng=rng)
    tokens = TOKENS if name == "head" else None
    return recall_laws.head_scores(C, d, tokens, draws=DRAWS, rng=rng)[:, 1:-1]


def statistics(name, scores):
    """Of the last cue; the law of W_O2 leaves their common scale open."""
    last = scores[:, -1]
    share = last / np.linalg.norm(last, axis=-1, keepdims=True)
    found = {f"share of answer {k}": share[:, k] for k in (0, 1, -1)}
    found["product of shares"] = share[:, 0] * share[:, 1]
    if name != "W_O2":
        found |= {f"score of answer {k}": last[:, k] for k in (0, 1, -1)}
        found["product of scores"] = last[:, 0] * last[:, 1]
    return found


def rejected(name, one, other):
    one, other = statistics(name, one), statistics(name, other)
    cases = [same_law(f"{name}: {s}", one[s], other[s], tests=TESTS) for s in one]
    return [case.case for case in cases if not case.passed("equal")]


@pytest.mark.parametrize(
    ("name", "block"),
    [*product(OF, BLOCKS), ("W_K1", "all"), ("head", "all")],
)
def test_the_law_is_that_of_the_definition(name, block, seed):
    d, rng, C = WIDTHS[name], np.random.default_rng(seed), table(name, block)
    assert rejected(name, definition(name, C, d, rng), law(name, C, d, rng)) == [], seed


@pytest.mark.parametrize("name", NAMES)
def test_another_width_has_another_law(name, seed):
    d, rng, C = WIDTHS[name], np.random.default_rng(seed), table(name)
    assert rejected(name, definition(name, C, d, rng), law(name, C, 100 * d, rng)), seed


@pytest.mark.parametrize("name", ["W_O2", "W_K2"])
def test_the_definition_is_that_of_the_library(name):
    """Infinite width: both give the scores of orthonormal atoms, W_O2 up to a factor."""
    limit, C = am.FrozenEmbeddings.orthonormal(TASK), table(name)
    rows = {"W_O2": limit.outputs, "W_K2": limit.atoms}[name]
    keys = {"W_O2": limit.values, "W_K2": limit.atoms}[name]
    memory = am.AssociativeMemory(keys=keys, values=rows, coefficients=C)
    expected = asked(written(memory, name, limit), am.probe(name, TASK, limit))
    found = law(name, C, 10**12, np.random.default_rng(0))[0]
    if name == "W_O2":
        found *= (np.linalg.norm(expected, axis=1) / np.linalg.norm(found, axis=1))[:, None]
    np.testing.assert_allclose(found, expected, atol=1e-4)  # noise of 10^-6 times 18 terms


def test_recalled_is_a_strict_maximum_among_the_admissible():
    scores = np.array([[[1.0, 3.0, 2.0], [5.0, 5.0, 0.0]]])
    assert recall_laws.recalled(scores, np.array([1, 0])).tolist() == [[True, False]]
    among = np.array([[True, True], [False, False], [True, True]])
    assert recall_laws.recalled(scores, np.array([2, 0]), among).tolist() == [[True, True]]
