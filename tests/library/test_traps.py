"""The public interface says what it does: each test failed on an interface that misled."""

from __future__ import annotations

import numpy as np
import pytest

import assocmem as am


def joint_law(rng, *shape):
    joint = rng.random(shape)
    return joint / joint.sum()


# --- one convention of sign ---------------------------------------------------------------------


def cross_entropy(matrix, keys, values, joint):
    scores = values @ matrix @ keys.T
    return (joint * (np.log(np.exp(scores).sum(axis=0)) - scores)).sum()


@pytest.mark.parametrize("name", ["linear_step", "noisy_linear_step"])
def test_what_is_called_a_step_descends(name):
    rng = np.random.default_rng()
    keys, values, W = rng.normal(size=(4, 3)), rng.normal(size=(5, 2)), rng.normal(size=(2, 3))
    joint = joint_law(rng, 5, 4)
    step = getattr(am.gradients, name)(keys, values, joint, matrix=W).matrix
    slope = -(step**2).sum()  # of the loss along the step, if it is -∇
    h = 1e-4 / np.abs(step).max()
    ahead, behind = (cross_entropy(W + s * h * step, keys, values, joint) for s in (1, -1))
    assert (ahead - behind) / (2 * h) == pytest.approx(slope, rel=1e-4)


def test_the_first_step_descends():
    task = am.InductionTask(n_tokens=4, length=5)
    model = am.FrozenTransformer(am.FrozenEmbeddings.orthonormal(task))
    _, gradients = model.loss_and_gradients(task.enumerate())
    step = am.gradients.first_step(task).memory(model.embeddings).matrix
    np.testing.assert_allclose(step, -gradients["W_O2"], rtol=0, atol=1e-15)


def test_old_names_keep_their_signs_and_warn():
    rng = np.random.default_rng()
    inputs, values, joint = rng.normal(size=(4, 3)), rng.normal(size=(5, 2)), joint_law(rng, 5, 4)
    W = rng.normal(size=(2, 3))
    for name in ("linear", "noisy_linear"):
        with pytest.warns(DeprecationWarning, match=rf"gradients\.{name}_step.*descent"):
            gradient = getattr(am.gradients, name)(inputs, values, joint, matrix=W)
        step = getattr(am.gradients, f"{name}_step")(inputs, values, joint, matrix=W)
        np.testing.assert_array_equal(gradient.matrix, -step.matrix)
    x, Phi2 = rng.normal(size=(2, 3, 3)), rng.normal(size=(2, 3))
    with pytest.warns(DeprecationWarning, match=r"gradients\.attention_step.*the same"):
        old = am.gradients.attention(x, [0, 4], values, Phi2)
    new = am.gradients.attention_step(x, [0, 4], values, Phi2)
    np.testing.assert_array_equal(old.matrix, new.matrix)
