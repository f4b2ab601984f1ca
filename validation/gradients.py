"""The closed forms of `assocmem.gradients` against automatic differentiation of the definitions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import autograd.numpy as anp
import numpy as np
from autograd import grad
from autograd.scipy.special import logsumexp
from scipy.special import softmax
from scipy.stats import norm

import assocmem as am
from validation import reference
from validation.cases import FALSE_ALARM, ROUNDING, Case, Check, Context, agreement
from validation.paired import dropped_part

Array = Any

# L1, L2, L3: the definitions, differentiated


def _loss_of_linear(w: Array, inputs: Array, values: Array, joint: Array) -> Array:
    logits = anp.dot(values, anp.dot(w, inputs.T))
    return -anp.sum(joint * (logits - logsumexp(logits, axis=0, keepdims=True)))


def _gradient_of_linear(matrix: Array, inputs: Array, values: Array, joint: Array) -> Array:
    return grad(_loss_of_linear)(matrix, inputs, values, joint)


def _second_derivative(matrix: Array, direction: Array, *data: Array) -> float:
    return float(grad(grad(lambda t: _loss_of_linear(matrix + t * direction, *data)))(0.0))


def _gradient_of_attention(x: Array, y: Array, outputs: Array, Phi2: Array) -> Array:
    def loss(w: Array) -> Array:
        scores = anp.matmul(x, anp.dot(x[:, -1], w)[:, :, None])[:, :, 0]
        weights = anp.exp(scores - logsumexp(scores, axis=1, keepdims=True))
        read = anp.sum(weights[:, :, None] * x, axis=1)
        logits = anp.dot(read, anp.dot(outputs, Phi2).T)
        log_p = logits - logsumexp(logits, axis=1, keepdims=True)
        return -anp.mean(log_p[np.arange(len(y)), y])

    return grad(loss)(np.zeros((x.shape[2], x.shape[2])))


def check_L1(context: Context) -> Iterator[Case]:
    rng, (n, m, d) = context.rng, (7, 5, 16)
    keys, values = am.gaussian(n, d, rng=rng), am.gaussian(m, d, rng=rng)
    joint = rng.dirichlet(np.ones(n * m)).reshape(m, n)
    matrix = rng.normal(size=(d, d))
    for name, w in (("at W = 0", 0 * matrix), ("at a random W", matrix)):
        closed = -am.gradients.linear_step(keys, values, joint, matrix=w).matrix
        measured = _gradient_of_linear(w, keys, values, joint)
        yield agreement(f"gradient {name}, largest difference", closed, measured, ROUNDING)
    direction, probabilities = rng.normal(size=(d, d)), joint.sum(axis=0)
    curvature = _second_derivative(matrix, direction, keys, values, joint)
    logits, along = values @ matrix @ keys.T, values @ direction @ keys.T
    predicted = softmax(logits, axis=0)
    variance = (predicted * along**2).sum(axis=0) - (predicted * along).sum(axis=0) ** 2
    convex = probabilities @ variance  # a mean of variances: never negative
    yield Case("second derivative along a line", convex, curvature, ROUNDING * convex)
    step = am.gradients.linear_step(np.eye(n), np.eye(m), joint)
    measured = -_gradient_of_linear(np.zeros((m, n)), np.eye(n), np.eye(m), joint)
    wanted = am.AssociativeMemory(keys=np.eye(n), values=np.eye(m), coefficients=measured)
    yield Case("keys whose likeliest label one step recalls", 1, wanted.recall(joint.argmax(0)), 0)
    likeliest = joint.argmax(0)[0]
    entry = step.coefficients[likeliest, 0]
    yield Case("coefficient of a likeliest pair", entry, measured[likeliest, 0], ROUNDING)


def check_L2(context: Context) -> Iterator[Case]:
    rng, (n, length) = context.rng, (6, 4)
    x, values = rng.normal(size=(9, 8)), rng.normal(size=(4, 8))
    joint, matrix = rng.dirichlet(np.ones(36)).reshape(4, 9), rng.normal(size=(8, 8))
    closed = -am.gradients.noisy_linear_step(x, values, joint, matrix=matrix).matrix
    measured = _gradient_of_linear(matrix, x, values, joint)
    yield agreement("gradient at a random W, largest difference", closed, measured, ROUNDING)
    atoms = np.eye(n + length)
    pairs = [(token, position) for token in range(n) for position in range(length)]
    x = np.array([atoms[token] + atoms[n + position] for token, position in pairs])
    joint = np.array([[token == k for token, _ in pairs] for k in range(n)]) / len(pairs)
    step = -_gradient_of_linear(np.zeros((n, n + length)), x, np.eye(n), joint)
    closed = am.gradients.noisy_linear_step(x, np.eye(n), joint).matrix
    yield agreement("one step on token + position, largest difference", closed, step, ROUNDING)
    yield Case("weight of w_U(k) w_E(k), (N-1)/N^2", (n - 1) / n**2, step[0, 0], ROUNDING)
    yield Case("weight of w_U(k) w_E(i), -1/N^2", -1 / n**2, step[0, 1], ROUNDING)
    yield Case("largest weight of a position", 0, np.abs(step[:, n:]).max(), ROUNDING)


def check_L3(context: Context) -> Iterator[Case]:
    rng = context.rng
    x, y = rng.normal(size=(10, 5, 6)), rng.integers(4, size=10)
    outputs, Phi2 = rng.normal(size=(4, 7)), rng.normal(size=(7, 6))
    closed = am.gradients.attention_step(x, y, outputs, Phi2).matrix
    measured = -_gradient_of_attention(x, y, outputs, Phi2)
    yield agreement("gradient at W = 0, largest difference", closed, measured, ROUNDING)
    yield Case("its largest entry", closed.max(), measured.max(), ROUNDING * closed.max())


# S1, S2, S3(a): the reference transformer on the whole population


def small_tasks() -> list[am.InductionTask]:
    """Every valid (N, K, T) with N <= 5, T <= 6, both vocabularies, and random triggers."""
    vocabularies: tuple[Literal["content", "all"], ...] = ("content", "all")
    return [
        am.InductionTask(n, length, k, predict)
        for n in (3, 4, 5)
        for length in (3, 4, 5, 6)
        for k, predict in [
            *((k, p) for k in range(1, n - 1) for p in vocabularies),
            ("random", vocabularies[1]),
        ]
    ]


def reference_parameters(
    emb: am.FrozenEmbeddings, weights: dict[str, am.AssociativeMemory]
) -> dict[str, Array]:
    """The reference's matrices for given embeddings and learned memories."""
    learned = {name: memory.matrix for name, memory in weights.items()}
    return reference.parameters(
        emb.tokens, emb.positions, emb.outputs, emb.Phi1, emb.W_V2, **learned
    )


def measured_gradient(
    task: am.InductionTask, name: str, along: Sequence[dict[str, Array]] = ()
) -> Array:
    """-∇ of the reference's exact population loss at zero weights, differentiated along."""
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    params = reference_parameters(emb, {})
    gradients = reference.gradients(
        params, batch.tokens, batch.targets, batch.weights, wrt=[name], along=along
    )
    return -gradients[name]


def _step(table: am.BlockTable) -> Array:
    return table.memory(am.FrozenEmbeddings.orthonormal(table.task)).matrix


def _describe(task: am.InductionTask) -> str:
    return f"N={task.n_tokens} T={task.length} K={task.n_triggers} {task.predict}"


def _wanted(name: str, task: am.InductionTask, matrix: Array) -> float:
    """The wanted coefficient of a matrix in orthonormal coordinates: that of its first cue."""
    probe = am.probe(name, task, am.FrozenEmbeddings.orthonormal(task))
    scores = am.AssociativeMemory(
        keys=np.eye(len(matrix)), values=np.eye(len(matrix)), coefficients=matrix
    )
    scores = scores.T if probe.by_query else scores
    return float(scores.scores(keys=probe.cues, values=probe.answers)[probe.targets[0], 0])


def _compare(
    name: str,
    closed_form: Callable[[am.InductionTask], Array],
    measure: Callable[[am.InductionTask], Array],
    shown: Callable[[am.InductionTask, Array], float],
) -> Iterator[Case]:
    """Rows with a coefficient one can read, then the largest difference over all blocks."""
    examples = (am.InductionTask(4, 6), am.InductionTask(4, 6, "random", "all"))
    for task in examples:
        closed, measured = closed_form(task), measure(task)
        tolerance = ROUNDING * np.abs(measured).max()
        case = f"{name}, {_describe(task)}"
        yield Case(case, shown(task, closed), shown(task, measured), tolerance)
    differences = []
    for task in small_tasks():
        closed, measured = closed_form(task), measure(task)
        differences.append(np.abs(closed - measured).max() / np.abs(measured).max())
    worst = np.max(differences)  # unlike max, NaN if one of them is
    yield Case(f"{len(differences)} populations, largest difference", 0, worst, ROUNDING)


def check_S1(context: Context) -> Iterator[Case]:
    yield from _compare(
        "w_E(k) to w_U(k)",
        lambda task: _step(am.gradients.first_step(task)),
        lambda task: measured_gradient(task, "W_O2"),
        lambda task, matrix: _wanted("W_O2", task, matrix),
    )
    task = am.InductionTask(4, 6, "random", "all")
    emb, measured = am.FrozenEmbeddings.orthonormal(task), measured_gradient(task, "W_O2")
    for k, predicted in ((0, 1 / 48), (1, -1 / 144)):
        coefficient = emb.outputs[0] @ measured @ emb.values[k]
        yield Case(f"random triggers, w_E({k}) to w_U(0)", predicted, coefficient, ROUNDING)


def _first(task: am.InductionTask) -> dict[str, Array]:
    """The direction W_O2 = G₁, as the reference itself measures it."""
    return {"W_O2": measured_gradient(task, "W_O2")}


def check_S2(context: Context) -> Iterator[Case]:
    yield from _compare(
        "w_E(q) to Phi1 w_E(q)",
        lambda task: _step(am.gradients.second_step(task)),
        lambda task: measured_gradient(task, "W_K2", [_first(task)]),
        lambda task, matrix: _wanted("W_K2", task, matrix),
    )


def _measured_lead(task: am.InductionTask) -> float:
    matrix = measured_gradient(task, "W_K2", [_first(task)])
    probe = am.probe("W_K2", task, am.FrozenEmbeddings.orthonormal(task))
    return float(np.median(probe.margins(matrix)))


def check_S2_sign(context: Context) -> Iterator[Case]:
    for task in (
        am.InductionTask(4, 6, "random", "all"),
        am.InductionTask(4, 6),
        am.InductionTask(4, 4),
    ):
        predicted = am.gradients.second_step(task).lead
        tolerance = ROUNDING * np.abs(measured_gradient(task, "W_K2", [_first(task)])).max()
        yield Case(f"lead, {_describe(task)}", predicted, _measured_lead(task), tolerance)
    sizes = [(4, 1), (4, 2), (5, 1), (5, 3)] if context.full else [(4, 1), (4, 2)]
    for n, k in sizes:
        leads = {t: _measured_lead(am.InductionTask(n, t, k)) for t in (3, 4, 5, 6)}
        measured = min((t for t, lead in leads.items() if lead > 0), default=np.nan)
        yield Case(f"smallest T with a positive lead, N={n} K={k}", 5, measured, 0)
    for n, k in ((10, 1), (1000, 10), (10**6, 1), (10**6, 1000)):
        closed = [am.gradients.second_step(am.InductionTask(n, t, k)).lead for t in range(3, 33)]
        first = 3 + int(np.argmax(np.array(closed) > 0))
        stays = bool((np.array(closed[first - 3 :]) > 0).all())
        yield Case(f"the same for N={n} K={k}, closed form", 5, first if stays else np.nan, 0)
    for length, predicted in ((5, 38), (6, 11), (7, 8), (8, 7)):
        tasks = (am.InductionTask(n, length, "random", "all") for n in range(4, 64))
        negative = [task.n_tokens for task in tasks if am.gradients.second_step(task).lead <= 0]
        name = f"random triggers, T={length}: lead > 0 from N"
        yield Case(name, predicted, max(negative) + 1, 0)


def check_S2_limit(context: Context) -> Iterator[Case]:
    def expansion(length: int) -> float:
        x = np.log(length) + np.euler_gamma
        correction = -(x**2) / 2 + (9 + np.pi**2 / 6) * x - 12 - 7 * np.pi**2 / 12
        return float(2 * x - 4 - np.pi**2 / 6 + correction / length)

    lengths = (64, 256, 512, 1024) if context.full else (64, 256, 512)
    for length, (content, k) in itertools.product(lengths, ((30, 1), (30, 4), (10**9, 1))):
        task = am.InductionTask(content + k, length, k)
        first, second = am.gradients.first_step(task), am.gradients.second_step(task)
        measured = second.lead * k * length**2 / first.lead
        factor = 1 - content ** (-2.0 if k == 1 else -1.0)
        remainder = np.log(length) ** 3 / length**2
        name = f"K T^2 lead / u, T={length} K={k} C={content:g}"
        yield Case(name, factor * expansion(length), measured, factor * remainder)


def check_S3a(context: Context) -> Iterator[Case]:
    def block(task: am.InductionTask, matrix: Array) -> Array:
        positions = slice(task.n_tokens, task.n_tokens + task.length)
        return matrix[positions, positions]

    def second_direction(task: am.InductionTask) -> dict[str, Array]:
        return {"W_K2": measured_gradient(task, "W_K2", [_first(task)])}

    def previous(task: am.InductionTask, table: Array) -> float:
        return float(table[1, 0])

    yield from _compare(
        "A: p_2 to p_1",
        lambda task: am.gradients.third_step(task, 0)["p", "p"],
        lambda task: block(task, measured_gradient(task, "W_K1", [_first(task)])),
        previous,
    )
    yield from _compare(
        "B: p_2 to p_1",
        lambda task: am.gradients.third_step_slope(task, second=am.gradients.second_step(task))[
            "p", "p"
        ],
        lambda task: block(
            task, measured_gradient(task, "W_K1", [_first(task), second_direction(task)])
        ),
        previous,
    )


def check_S3b(context: Context) -> Iterator[Case]:
    """Exactly on enumerated populations; in the full profile also by paired sampling, T <= 64."""
    contents = np.array([8, 16, 32, 40])
    exact = []
    for content in contents:
        task = am.InductionTask(int(content) + 1, 5)
        batch = task.enumerate()
        result = dropped_part(task, lead=1.0, batch=batch)
        exact.append(result.relative)
        if content <= 16:
            rounding = ROUNDING * len(batch) ** 0.5
            measured, where = _reference_third_step(task, 1.0), f"C={content} T=5"
            yield agreement(
                f"paired sums are the reference's, {where}", result.exact, measured, rounding
            )
            closed = am.gradients.third_step(task, 1.0)["p", "p"]
            yield agreement(f"closed form is what is kept, {where}", closed, result.kept, rounding)
    # Dropped = (c_0 + c_1/C + c_2/C^2) / C^2 + ...: three sizes give the c, the fourth checks them.
    powers = (1 / contents[:, None]) ** np.arange(3)
    coefficients = np.linalg.solve(powers[:3], (contents**2 * exact)[:3])
    name = "C^2 dropped part, T=5, C=40 from C <= 32"
    last_term = abs(coefficients[2] * powers[3, 2])
    yield Case(name, powers[3] @ coefficients, 40**2 * exact[3], last_term)

    z = norm.isf(FALSE_ALARM / 8)
    for length in (8, 16, 32, 64) if context.full else ():  # small differences: many sequences
        sizes = np.array([8, 32, 32]) * 2**18 // length
        scaled, errors = [], []
        for content, size in zip((16, 32, 64), sizes, strict=True):
            task = am.InductionTask(content + 1, length)
            batch = task.sample(int(size), rng=context.rng)
            result = dropped_part(task, lead=10.0, batch=batch)
            scaled.append(content**2 * result.sub_diagonal)
            errors.append(content**2 * result.sub_diagonal_error)
        # c_0 + c_1/C, from C = 16 and 32 on to 64; half of that step for the terms beyond.
        step = (scaled[1] - scaled[0]) / 2
        tolerance = z * np.linalg.norm(np.array([0.5, 1.5, 1.0]) * errors) + abs(step) / 2
        name = f"C^2 dropped part, T={length}, C=64, sampled"
        yield Case(name, scaled[1] + step, scaled[2], tolerance)


def _reference_third_step(task: am.InductionTask, lead: float) -> Array:
    emb, batch = am.FrozenEmbeddings.orthonormal(task), task.enumerate()
    second = am.gradients.second_step(task)
    params = reference_parameters(emb, {"W_K2": second.memory(emb) * (lead / second.lead)})
    gradient = reference.gradients(
        params, batch.tokens, batch.targets, batch.weights, wrt=["W_K1"], along=[_first(task)]
    )["W_K1"]
    positions = slice(task.n_tokens, task.n_tokens + task.length)
    return -gradient[positions, positions]


CHECKS: dict[str, Check] = {
    "L1": check_L1,
    "L2": check_L2,
    "L3": check_L3,
    "S1": check_S1,
    "S2": check_S2,
    "S2-sign": check_S2_sign,
    "S2-limit": check_S2_limit,
    "S3a": check_S3a,
    "S3b": check_S3b,
}
