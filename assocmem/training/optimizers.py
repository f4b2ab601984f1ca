"""Optimisers: from a gradient to the direction of an update, W ← W − η · direction.

An optimiser is any object with one method, `Optimizer.direction`. What it remembers of a matrix are
arrays by name, which it takes and returns, so that a checkpoint resumes every one bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, inf, pi
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from assocmem._checks import Array, at_least, checked_mapping, checked_number, checked_option
from assocmem.capacity import polar_factor

State: TypeAlias = Mapping[str, ArrayLike]  # what an optimiser remembers of one matrix
LearningRate: TypeAlias = float | Callable[[int], float]  # a constant, or by updates so far


@runtime_checkable
class Optimizer(Protocol):
    """What `train` requires of an optimiser, a single method: write it to define your own.

    Examples
    --------
    >>> import numpy as np, assocmem as am
    >>> class Clipped:
    ...     def direction(self, matrix, gradient, state):
    ...         return gradient / max(1, np.linalg.norm(gradient)), state
    >>> isinstance(Clipped(), am.training.Optimizer)
    True
    """

    def direction(self, matrix: Array, gradient: Array, state: State) -> tuple[Array, State]:
        """Return the direction, of the gradient's shape, and the state to keep for this matrix.

        The update is W ← W − η · direction.

        Parameters
        ----------
        matrix : array, shape (d, d)
            The matrix W, or the rows of an embedding; not to be changed in place.
        gradient : array of that shape
            That of the loss with the decay in it, g + λW; not to be changed in place.
        state : mapping of str to array
            What the call before returned for the same matrix; empty at the first one.

        Returns
        -------
        direction : array of that shape
            What the update goes against.
        state : mapping of str to array
            What to remember of this matrix.
        """


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with heavy-ball momentum, v ← μ v + g; the direction is v.

    Without dampening, and g with the decay in it: `torch.optim.SGD`.

    Parameters
    ----------
    momentum : float
        The factor μ, in [0, 1).

    Raises
    ------
    TypeError, ValueError
        For another momentum.

    References
    ----------
    [P1964].

    Examples
    --------
    >>> v, state = SGD(momentum=0.5).direction(np.zeros(1), np.array([4.0]), {})
    >>> SGD(momentum=0.5).direction(np.zeros(1), np.array([1.0]), state)[0]  # 0.5 · 4 + 1
    array([3.])
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        checked_rate("momentum", self.momentum, below=1)

    def direction(self, matrix: Array, gradient: Array, state: State) -> tuple[Array, State]:
        """Return v as the direction, and v as the state.

        Parameters
        ----------
        matrix, gradient, state
            As in `Optimizer.direction`.

        Returns
        -------
        direction : array
            The velocity v.
        state : dict of str to array
            The velocity v.
        """
        velocity = _velocity(self.momentum, gradient, state)
        return velocity, {"velocity": velocity}


@dataclass(frozen=True)
class Adam:
    r"""Adam: the mean of the gradients over the root of the mean of their squares.

    At the n-th update of a matrix, with the decay in g, as `torch.optim.Adam` has it:

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        s \leftarrow \beta_2 s + (1 - \beta_2) g^2, \\
        \text{direction} &= \frac{m / (1 - \beta_1^n)}{\sqrt{s / (1 - \beta_2^n)} + \epsilon}.

    Parameters
    ----------
    beta1, beta2 : float
        How much of the old means of g and of g² stays, in [0, 1).
    epsilon : float
        The summand ε under the direction, at least 0.

    Raises
    ------
    TypeError, ValueError
        For numbers out of range.

    References
    ----------
    [KB2015].

    Examples
    --------
    >>> direction, _ = Adam().direction(np.zeros(2), np.array([3.0, -1e-3]), {})
    >>> direction.round(4)  # at first the sign of every entry
    array([ 1., -1.])
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2"):
            checked_rate(name, getattr(self, name), below=1)
        checked_rate("epsilon", self.epsilon)

    def direction(self, matrix: Array, gradient: Array, state: State) -> tuple[Array, State]:
        """Return the corrected mean over the corrected root, and both means and n as the state.

        Parameters
        ----------
        matrix, gradient, state
            As in `Optimizer.direction`.

        Returns
        -------
        direction : array
            The corrected mean over the corrected root.
        state : dict of str to array
            Both means, and n.
        """
        count = int(np.asarray(state.get("count", 0))) + 1
        mean = self.beta1 * _remembered(state, "mean", gradient) + (1 - self.beta1) * gradient
        square = _remembered(state, "square", gradient)
        square = self.beta2 * square + (1 - self.beta2) * gradient**2
        root = np.sqrt(square / (1 - self.beta2**count)) + self.epsilon
        direction = mean / (1 - self.beta1**count) / root
        return direction, {"mean": mean, "square": square, "count": np.array(count)}


@dataclass(frozen=True)
class SignDescent:
    """The sign of every entry of v ← μ v + g: each entry of W moves by the learning rate.

    Parameters
    ----------
    momentum : float
        The factor μ, in [0, 1).

    Raises
    ------
    TypeError, ValueError
        For another momentum.

    References
    ----------
    [BWAA2018], signSGD with momentum.

    Examples
    --------
    >>> SignDescent().direction(np.zeros(3), np.array([3.0, 0.0, -1e-9]), {})[0]
    array([ 1.,  0., -1.])
    """

    momentum: float = 0.9

    def __post_init__(self) -> None:
        checked_rate("momentum", self.momentum, below=1)

    def direction(self, matrix: Array, gradient: Array, state: State) -> tuple[Array, State]:
        """Return sign(v) as the direction, and v as the state.

        Parameters
        ----------
        matrix, gradient, state
            As in `Optimizer.direction`.

        Returns
        -------
        direction : array
            The signs of v; 0 where v is 0.
        state : dict of str to array
            The velocity v.
        """
        velocity = _velocity(self.momentum, gradient, state)
        return np.sign(velocity), {"velocity": velocity}


@dataclass(frozen=True)
class Muon:
    """The polar factor of v ← μ v + g: every singular value of it becomes 1.

    The factor is exact, by a singular value decomposition, where Muon takes five steps of a Newton
    iteration that leaves singular values between about 0.7 and 1.2. Rows of embeddings, which are
    matrices too, are treated alike.

    Parameters
    ----------
    momentum : float
        The factor μ, in [0, 1).

    Raises
    ------
    TypeError, ValueError
        For another momentum.

    References
    ----------
    [J2024].

    Examples
    --------
    >>> Muon().direction(np.zeros((2, 2)), np.array([[0.0, 5.0], [1e-3, 0.0]]), {})[0].round(12)
    array([[0., 1.],
           [1., 0.]])
    """

    momentum: float = 0.95

    def __post_init__(self) -> None:
        checked_rate("momentum", self.momentum, below=1)

    def direction(self, matrix: Array, gradient: Array, state: State) -> tuple[Array, State]:
        """Return the polar factor of v as the direction, and v as the state.

        Parameters
        ----------
        matrix, gradient, state
            As in `Optimizer.direction`.

        Returns
        -------
        direction : array
            The polar factor of v.
        state : dict of str to array
            The velocity v.
        """
        velocity = _velocity(self.momentum, gradient, state)
        return polar_factor(velocity), {"velocity": velocity}


OPTIMIZERS = (SGD, Adam, SignDescent, Muon)


@dataclass(frozen=True)
class Schedule:
    """A learning rate that rises to a peak and decays, as a function of the number of updates.

    Parameters
    ----------
    peak : float
        The rate after the warm-up, in which it is peak · (i + 1) / warmup at update i.
    steps : int
        Where the decay ends: from there on the rate is ``last``.
    warmup : int
        Updates before the decay begins.
    decay : {"cosine", "linear", "constant"}
        How it falls from ``peak`` to ``last``; "constant" does not.
    last : float
        The rate at the end.

    Examples
    --------
    >>> rate = Schedule(0.2, steps=100, warmup=10, decay="linear")
    >>> [round(rate(i), 4) for i in (0, 4, 9, 55, 100, 200)]
    [0.02, 0.1, 0.2, 0.1, 0.0, 0.0]
    """

    peak: float
    steps: int
    warmup: int = 0
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    last: float = 0.0

    def __post_init__(self) -> None:
        for name in ("peak", "last"):
            checked_rate(name, getattr(self, name))
        at_least("warmup", self.warmup, 0)
        at_least("steps", self.steps, self.warmup + 1)
        checked_option("decay", self.decay, ("cosine", "linear", "constant"))

    def __call__(self, step: int) -> float:
        """Return the learning rate of the update after so many updates."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        done = min(1.0, (step - self.warmup) / (self.steps - self.warmup))
        left = {"cosine": (1 + cos(pi * done)) / 2, "linear": 1 - done, "constant": 1.0}
        return self.last + (self.peak - self.last) * left[self.decay]


def checked_rate(name: str, number: Any, below: float = inf) -> float:
    """A number of at least 0 and below a limit."""
    return checked_number(name, number, f"a number in [0, {below})", lambda rate: 0 <= rate < below)


def update(
    optimizer: Optimizer,
    matrix: Array,
    gradient: Array,
    state: State,
    *,
    learning_rate: float,
    weight_decay: float,
) -> tuple[Array, dict[str, Array]]:
    """Return W − η · direction and the optimiser's state, both checked.

    Raises TypeError or ValueError for an optimiser that returns anything but a direction of the
    shape of the gradient and a mapping of names to arrays.
    """
    answer = optimizer.direction(matrix, gradient + weight_decay * matrix, state)
    if not isinstance(answer, tuple) or len(answer) != 2 or not isinstance(answer[1], Mapping):
        raise TypeError(
            f"optimizer: expected direction and state, a mapping, from its method direction; got "
            f"{type(answer).__name__}. Return an empty dict to remember nothing."
        )
    direction = np.asarray(answer[0])
    if direction.shape != matrix.shape or direction.dtype.kind not in "iuf":
        raise ValueError(
            f"optimizer: expected a direction of real numbers of the gradient's shape "
            f"{matrix.shape}; got {direction.dtype} of shape {direction.shape}."
        )
    kept = {name: np.asarray(value) for name, value in checked_mapping("state", answer[1]).items()}
    if bad := [k for k, v in kept.items() if not isinstance(k, str) or v.dtype.kind not in "biuf"]:
        raise TypeError(f"optimizer: expected a state of arrays by name; got others for {bad}.")
    moved = (matrix - learning_rate * direction).astype(matrix.dtype, copy=False)
    return moved, kept


def _velocity(momentum: float, gradient: Array, state: State) -> Array:
    return momentum * _remembered(state, "velocity", gradient) + gradient


def _remembered(state: State, name: str, gradient: Array) -> Array:
    """An array of the state, zero at first."""
    return np.asarray(state[name]) if name in state else np.zeros_like(gradient)
