"""Optimisers: each against its definition, without its recursion; schedules; whole runs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import cos, pi

import numpy as np
import pytest

from assocmem.capacity import polar_factor
from assocmem.tasks import BigramTask, Language
from assocmem.training import SGD, Adam, Muon, Schedule, SignDescent, TrainingRun, published, train
from assocmem.training.optimizers import update
from tests.rounding import CHAINS, OPERATION, PRODUCTS, SUMS

TASK = BigramTask(Language.zipf(7, rng=3), length=12, n_triggers=2)
GRADIENTS = np.random.default_rng(5).normal(size=(9, 4, 4))


@dataclass(frozen=True)
class Clipped:
    """Somebody's own: a step of limited length, with a count and a list of arrays to remember."""

    most: float = 0.1

    def direction(self, matrix, gradient, state):
        count = state.get("count", 0) + 1
        mean = state.get("mean", 0 * gradient)
        mean = mean + (gradient - mean) / count
        return mean / max(1, np.linalg.norm(mean) / self.most), {"count": count, "mean": mean}


def published_run(steps, checkpoint=None, *, dtype=np.float32, **changes):
    options = {"batch_size": 8, "evaluate_every": 7, "evaluate_on": 20, "checkpoint_every": 4}
    setting = published(TASK, width=16, rng=0, dtype=dtype, **(options | changes))
    return train(TASK, **setting, steps=steps, checkpoint=checkpoint)


def directions(optimizer, gradients):
    """Every direction of one matrix that has these gradients."""
    state, found = {}, []
    for gradient in gradients:
        direction, state = optimizer.direction(np.zeros_like(gradient), gradient, state)
        found.append(direction)
    return np.array(found)


def velocity(momentum, n):
    return sum(momentum ** (n - k) * GRADIENTS[k] for k in range(n + 1))


def adam(beta1, beta2, epsilon, n):
    """A weighted mean over the root of a weighted mean, the weights normalised by their own sum."""
    first, second = (beta ** np.arange(n, -1, -1.0) for beta in (beta1, beta2))
    mean = np.tensordot(first / first.sum(), GRADIENTS[: n + 1], 1)
    square = np.tensordot(second / second.sum(), GRADIENTS[: n + 1] ** 2, 1)
    return mean / (np.sqrt(square) + epsilon)


def newton_polar(matrix):
    """The polar factor by Newton's iteration, X ← (X + X⁻ᵀ)/2, which uses no singular values."""
    for _ in range(60):
        matrix = (matrix + np.linalg.inv(matrix).T) / 2
    return matrix


DEFINITIONS = {
    SGD(0.7): lambda n: velocity(0.7, n),
    SGD(0): lambda n: GRADIENTS[n],
    Adam(0.8, 0.9, 1e-3): lambda n: adam(0.8, 0.9, 1e-3, n),
    SignDescent(0.7): lambda n: np.where(velocity(0.7, n) > 0, 1, -1),
    Muon(0.7): lambda n: newton_polar(velocity(0.7, n)),
}


@pytest.mark.parametrize("optimizer", DEFINITIONS, ids=repr)
def test_directions_are_those_of_the_definition(optimizer):
    expected = np.array([DEFINITIONS[optimizer](n) for n in range(9)])
    # nine updates of a few operations; Newton's iteration adds the condition number, below 1e4
    np.testing.assert_allclose(directions(optimizer, GRADIENTS), expected, rtol=0, atol=CHAINS)


@pytest.mark.parametrize("optimizer", DEFINITIONS, ids=repr)
def test_the_check_of_directions_sees_another_rule(optimizer):
    other = {
        SGD: lambda: SGD(0.7 * 1.001 if optimizer.momentum else 1e-6),
        Adam: lambda: Adam(0.8, 0.9 * 1.001, 1e-3),
        SignDescent: lambda: SignDescent(0.95),
        Muon: lambda: Muon(0.7 * 1.001),
    }[type(optimizer)]()
    difference = directions(other, GRADIENTS) - directions(optimizer, GRADIENTS)
    assert abs(difference).max() > 1e-7


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_they_agree_with_torch(name):
    torch = pytest.importorskip("torch")
    ours, theirs = {
        "SGD": (SGD(0.7), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.7, weight_decay=0.01)),
        "Adam": (Adam(), lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.01)),
    }[name]
    matrix, state = GRADIENTS[0], {}
    parameter = torch.tensor(matrix, requires_grad=True)
    optimizer = theirs([parameter])
    for gradient in GRADIENTS:
        matrix, state = update(ours, matrix, gradient, state, learning_rate=0.1, weight_decay=0.01)
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(matrix, parameter.detach().numpy(), rtol=0, atol=PRODUCTS)


# --- the polar factor ----------------------------------------------------------------------------


def test_the_polar_factor_turns_with_the_matrix():
    """polar(A M B) = A polar(M) B for orthogonal A, B; and M = (M Mᵀ)^½ polar(M).

    Singular values are from 1 to 5: a polar factor is as uncertain as the least of them is small.
    """
    rng = np.random.default_rng()
    A, B, C, D = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in (5, 7, 5, 7))
    matrix = C * rng.uniform(1, 5, size=5) @ D[:5]
    factor = polar_factor(matrix)
    np.testing.assert_allclose(polar_factor(A @ matrix @ B), A @ factor @ B, atol=PRODUCTS)
    np.testing.assert_allclose(factor @ factor.T, np.eye(5), atol=PRODUCTS)
    stretch = matrix @ factor.T
    np.testing.assert_allclose(stretch, stretch.T, atol=PRODUCTS)
    assert np.linalg.eigvalsh(stretch).min() > 0
    np.testing.assert_allclose(stretch @ factor, matrix, atol=PRODUCTS)


def test_the_polar_factor_of_low_rank():
    u, v = np.eye(4)[:2] * 3, np.eye(4)[2:]
    np.testing.assert_allclose(polar_factor(v.T @ u), v.T @ u / 3, atol=OPERATION)
    assert not polar_factor(np.zeros((3, 2))).any()
    with pytest.raises(ValueError, match="matrix: expected finite numbers"):
        polar_factor([[np.nan]])


# --- schedules -----------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", ["cosine", "linear", "constant"])
def test_schedules(decay):
    rate = Schedule(0.3, steps=50, warmup=10, decay=decay, last=0.1)
    expected = {
        "cosine": lambda x: 0.2 + 0.1 * cos(pi * x),
        "linear": lambda x: 0.3 - 0.2 * x,
        "constant": lambda x: 0.3,
    }[decay]
    for i in range(70):
        value = 0.03 * (i + 1) if i < 10 else expected(min(1, (i - 10) / 40))
        assert rate(i) == pytest.approx(value, rel=PRODUCTS)


@pytest.mark.parametrize(
    "learning_rate", [Schedule(0.2, steps=9, warmup=2), lambda step: 0.2 / (1 + step)]
)
def test_a_run_moves_by_the_rate_of_its_schedule(learning_rate):
    """With plain gradient descent on the same gradients steps are as long as their rates."""
    settings = {"optimizer": SGD(0), "weight_decay": 0.0, "dtype": np.float64}
    runs = [published_run(i, learning_rate=learning_rate, **settings) for i in range(4)]
    for i, (now, then) in enumerate(itertools.pairwise(runs)):
        rate = learning_rate(i)
        plain = published_run(i + 1, learning_rate=Fixed(i, learning_rate), **settings)
        for name in now.weights:
            moved = then.weights[name] - now.weights[name]
            gradient = (plain.weights[name] - now.weights[name]) / Fixed.last
            np.testing.assert_allclose(moved, rate * gradient, rtol=0, atol=SUMS)


@dataclass(frozen=True)
class Fixed:
    """Another rate, but for one last update, where it is 1."""

    step: int
    before: object
    last = 1.0

    def __call__(self, step):
        return self.before(step) if step < self.step else self.last


# --- runs ----------------------------------------------------------------------------------------

OPTIMIZERS = [SGD(0.5), Adam(), SignDescent(), Muon(), Clipped()]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("rate", [0.01, Schedule(0.02, steps=12, warmup=3)], ids=str)
def test_a_resumed_run_has_the_same_bits(optimizer, rate, tmp_path):
    path = tmp_path / "run"
    options = {"optimizer": optimizer, "learning_rate": rate, "frozen_until": {"W_K1": 5}}
    published_run(6, path, **options)
    resumed, whole = published_run(11, path, **options), published_run(11, **options)
    for name, matrix in whole.weights.items():
        assert matrix.tobytes() == resumed.weights[name].tobytes()
        assert matrix.dtype == np.float32
    assert set(whole.state) == set(resumed.state)
    for name, state in whole.state.items():
        assert set(state) == set(resumed.state[name])
        for key, array in state.items():
            assert array.tobytes() == resumed.state[name][key].tobytes()
    for name, column in whole.history.items():
        np.testing.assert_array_equal(column, resumed.history[name])
    other = published_run(11, **options | {"optimizer": SGD(0.51)})
    assert (other.weights["W_O2"] != whole.weights["W_O2"]).any()  # the comparison can fail


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_optimizer_learns(optimizer):
    """The loss on held-out sequences falls by more than its noise, in 30 updates."""
    rate = {SGD: 0.2, Adam: 0.01, SignDescent: 0.003, Muon: 0.05, Clipped: 5}[type(optimizer)]
    run = published_run(30, optimizer=optimizer, learning_rate=rate, evaluate_on=500, batch_size=64)
    assert run.history["loss"][-1] < run.history["loss"][0] - 0.1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"optimizer": SGD(0.8)}, "optimizer.momentum=0.5, not 0.8"),
        ({"optimizer": Adam()}, "optimizer.class=.*SGD', not .*Adam'"),
        ({"optimizer": Clipped()}, "optimizer.class=.*, not .*Clipped'"),
        ({"learning_rate": Schedule(0.1, steps=9)}, "learning_rate=0.2, not"),
    ],
)
def test_another_optimizer_does_not_go_on(changes, text, tmp_path):
    published_run(3, tmp_path / "run", optimizer=SGD(0.5))
    with pytest.raises(ValueError, match=f"checkpoint: expected a run of these .*{text}"):
        published_run(5, tmp_path / "run", **({"optimizer": SGD(0.5)} | changes))


def test_settings_of_a_loaded_run_are_its_own(tmp_path):
    options = {"optimizer": Adam(0.5), "learning_rate": Schedule(0.1, steps=3)}
    run = published_run(2, tmp_path / "run", **options)
    assert TrainingRun.load(tmp_path / "run").settings == run.settings
    run = published_run(2, tmp_path / "own", optimizer=Clipped())
    loaded = TrainingRun.load(tmp_path / "own")
    assert loaded.settings.optimizer.description["most"] == 0.1
    loaded.save(tmp_path / "again")  # and compares as it did
    assert published_run(4, tmp_path / "again", optimizer=Clipped()).step == 4
    with pytest.raises(TypeError, match="optimizer: expected the object itself; got"):
        loaded.settings.optimizer.direction(0, 0, {})


class Answer:
    def __init__(self, answer):
        self.answer = answer

    def direction(self, matrix, gradient, state):
        return self.answer(gradient)


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (lambda g: g, TypeError, "optimizer: expected direction and state"),
        (lambda g: (g, None), TypeError, "optimizer: expected direction and state"),
        (lambda g: (g[0], {}), ValueError, r"optimizer: expected a direction .* \(16, 16\); got"),
        (lambda g: (g * 1j, {}), ValueError, "optimizer: expected a direction of real numbers"),
        (lambda g: (g, {"a": "text"}), TypeError, "optimizer: expected a state of arrays"),
        (lambda g: (g, {0: g}), TypeError, "optimizer: expected a state of arrays"),
        (lambda g: (g * np.nan, {}), ValueError, "learning_rate: expected W_K1 that stays finite"),
    ],
)
def test_an_optimizer_that_answers_otherwise_is_refused(answer, error, text):
    with pytest.raises(error, match=text):
        published_run(1, optimizer=Answer(answer))


def test_bad_optimizers_and_rates(tmp_path):
    with pytest.raises(TypeError, match="optimizer: expected an object with the method direction"):
        published_run(1, optimizer="adam")
    with pytest.raises(ValueError, match="momentum: expected none along with an optimizer"):
        published_run(1, optimizer=Adam(), momentum=0.9)
    with pytest.raises(ValueError, match="learning_rate: expected a number"):
        published_run(1, learning_rate=lambda step: -1)
    with pytest.raises(TypeError, match="learning_rate: expected, along with a checkpoint"):
        published_run(1, tmp_path / "run", learning_rate=lambda step: 0.1)
    with pytest.raises(ValueError, match="steps: expected at least 11; got 10"):
        Schedule(0.1, steps=10, warmup=10)
