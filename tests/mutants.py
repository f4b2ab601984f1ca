"""Plant errors in a copy of the library, one at a time: the tests must catch each of them.

``make mutants`` runs all; ``python tests/mutants.py S2 sign`` those whose name holds a word given.
Every error is one text substitution, and its text must occur exactly once in its module. The exit
code is 1 if an error survives, cannot be planted, or if the tests fail without any.
"""

# ruff: noqa: E501 - one planted error a line

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("assocmem", "theory", "validation", "tests", "pyproject.toml", "setup.cfg")
WORKERS = 2
SECONDS = 300  # for the tests of one error

# The tests of a module: files, and which of its tests (fast ones, and those that look inside).
TESTS = {
    "vectors.families": ("test_embeddings.py", ""),
    "model.embeddings": ("test_embeddings.py", ""),
    "memory.associative": ("test_memory.py", ""),
    "memory.products": ("test_memory.py test_arrays_of_all_kinds.py", ""),
    "tasks.induction": ("test_tasks.py test_probes.py", ""),
    "model.blocks": ("test_blocks.py test_symmetry.py", ""),
    "model.families": ("test_blocks.py test_symmetry.py", ""),
    "gradients.roles": ("test_roles.py", ""),
    "model.streams": (
        "test_training_step.py test_transformer.py test_symmetry.py",
        "not arguments",
    ),
    "model.passes": ("test_training_step.py test_transformer.py test_symmetry.py", "not arguments"),
    "model.engine": ("test_training_step.py test_transformer.py test_symmetry.py", "not arguments"),
    "model.step": ("test_training_step.py test_transformer.py test_symmetry.py", "not arguments"),
    "model.arguments": ("test_transformer.py test_symmetry.py", ""),
    "model.transformer": ("test_transformer.py test_symmetry.py", ""),
    "gradients.lemmas": ("test_gradients.py", "not symbols and not large_length"),
    "gradients.steps": ("test_gradients.py", "not symbols and not large_length"),
    "gradients.chains": ("../bigrams/test_bigram_steps.py", "every_step"),
    "gradients.bigram_population": (
        "../bigrams/test_bigram_steps.py",
        "every_step or variates or position",
    ),
    "gradients.draws": ("../bigrams/test_bigram_steps.py", "draws_estimate"),
    "gradients.bigrams": ("../bigrams/test_bigram_steps.py", "every_step or leads"),
    "gradients.sampled": ("../bigrams/test_bigram_steps.py", "three"),
    "gradients.repeats": ("../test_claims.py", "B2"),
    "gradients.bigram_memories": ("../bigrams/test_top_down.py", ""),
    "gradients.previous_token": ("test_gradients.py", "(third or equal) and not symbols"),
    "probes.associations": ("test_probes.py", ""),
    "_statistics": ("test_probes.py", ""),
    "probes.evaluation": ("test_probes.py test_own_tasks.py", ""),
    "topdown.steps": ("test_topdown.py", ""),
    "_files": ("test_files.py", ""),
    "_checks": ("test_checks.py", ""),
    "vectors.bartlett": ("test_bartlett.py", ""),
    "vectors.overlaps": ("test_overlaps.py", ""),
    "tasks.symmetry": ("test_symmetry.py", ""),
    "tasks.alias": ("test_languages.py", ""),
    "tasks.counts": ("test_languages.py", ""),
    "tasks.bigrams": ("test_bigrams.py", ""),
    "tasks.bigram_batch": ("test_bigrams.py", ""),
    "model.symmetric": ("test_symmetry.py", ""),
    "capacity.laws": ("test_capacity.py", ""),
    "capacity.moments": ("test_capacity.py", ""),
    "capacity.rules": ("test_capacity.py", ""),
    "training.optimizers": ("test_optimizers.py", ""),
    "tasks.identity": ("test_training_checkpoints.py", ""),
    "training.metrics": ("test_training.py", ""),
    "training.start": ("test_training_checkpoints.py", ""),
    "training.settings": ("test_training.py", ""),
    "capacity.writers": ("../writers", "WR3 or WR4"),
    "training.presets": ("test_training.py", ""),
    "training.loop": ("test_training.py test_embeddings_that_train.py", ""),
    "training.run": ("test_training.py test_training_checkpoints.py", ""),
    "heads.null": ("test_heads_detectors.py", "null or permutations or evidence"),
    "heads.detectors": ("test_heads_detectors.py", "table or tables or statistic or level"),
    "heads.maps": ("test_heads_reading.py", ""),
    "heads.reading": ("test_heads_reading.py", ""),
    "heads.ours": ("test_heads_export.py", "one_head"),
    "heads.zoo": ("test_heads_detectors.py", "planted"),
    "sweeps.__init__": ("test_sweeps.py", "not dask and not mpi"),
    "sweeps.values": ("test_sweeps.py", "not dask and not mpi"),
    "sweeps.digest": ("test_sweeps.py", "not dask and not mpi"),
    "sweeps.log": ("test_sweeps.py", "not dask and not mpi"),
    "testing/properties": ("test_testing.py", ""),
}

# One failing example is enough.
NO_SHRINKING = """
from hypothesis import Phase
settings.register_profile("mutants", settings(), phases=[Phase.explicit, Phase.generate], database=None)
settings.load_profile("mutants")
"""


class Mutant(NamedTuple):
    """One planted error: in a module, a text that occurs once, and what replaces it."""

    module: str
    name: str
    text: str
    replacement: str


MUTANTS = [
    # The building blocks L1, L2, L3.
    Mutant("gradients.lemmas", "L1: sign", "joint - predicted)", "predicted - joint)"),
    Mutant("gradients.lemmas", "L1: softmax over keys", "softmax(scores, axis=0)", "softmax(scores, axis=1)"),
    Mutant("gradients.lemmas", "L1: p(z) dropped", "* joint.sum(axis=0)", "* joint.sum()"),
    Mutant("gradients.lemmas", "L1: W transposed", "values @ W @ keys.T", "values @ W.T @ keys.T"),
    Mutant("gradients.lemmas", "L2: 1/p(y) dropped", "keys / label[:, None]", "keys"),
    Mutant("gradients.lemmas", "L2: p(y) dropped", "=np.diag(label)", "=np.eye(len(label))"),
    Mutant("gradients.lemmas", "L3: 1/T dropped", "[:, :, 0] / length", "[:, :, 0]"),
    Mutant("gradients.lemmas", "L3: sum for mean", "read.mean(axis=1)", "read.sum(axis=1)"),
    Mutant("gradients.lemmas", "L3: mean not subtracted", "(x - x.mean(axis=1, keepdims=True))", "x"),
    Mutant("gradients.lemmas", "L3: query of the first", "values=x[:, -1]", "values=x[:, 0]"),
    # In-context bigrams.
    Mutant("gradients.chains", "taboo: the chain goes on", "values[to < 0] = 0", "values[to < 0] = 1"),
    Mutant("gradients.chains", "push: rows follow the kernel too", "rest[self.rows.T, self._chains] = 0", "rest[self.rows.T, self._chains] *= 1"),
    Mutant("gradients.chains", "o_t: H_t for H_t - H_{r-1}", "here * (ahead[..., 1] - h[r - 1] * ahead[..., 0])", "here * ahead[..., 1]"),
    Mutant("gradients.chains", "J₂: not centred", "(X * b2 + S * b3 + here * y0)", "0 * (X * b2 + S * b3 + here * y0)"),
    Mutant("gradients.chains", "J₂: past of the causal mean", "S * (b1 - h2[s - 1] * b0)", "S * b1"),
    Mutant("gradients.chains", "J₂: future one step late", "own, mean = reading.at(s + 1)", "own, mean = reading.at(s)"),
    Mutant("gradients.chains", "J₂: future means dropped", "own / s * b0 + y2", "own / s * b0"),
    Mutant("gradients.bigram_population", "mass of the first visits kept", "mass = (laws - once)", "mass = (laws + 0 * once)"),
    Mutant("gradients.bigram_population", "residual without p̂", "residual = kernel - self.predictor", "residual = kernel - 0 * self.predictor"),
    Mutant("gradients.bigram_population", "variate with the other sign", "found.columns - effects.of(draws)", "found.columns + effects.of(draws)"),
    Mutant("gradients.draws", "outputs of others not permuted", "rng.permuted(np.tile(np.arange(size)[:, None], (1, k)), axis=0)", "np.tile(np.arange(size)[:, None], (1, k))"),
    Mutant("gradients.bigrams", "W_O2 by rows", 'by_cue = table.T if self.matrix == "W_O2" else table', "by_cue = table"),
    Mutant("gradients.repeats", "no trigger follows one: forgotten", "b.append(one - share * b[-1])", "b.append(one)"),
    Mutant("gradients.repeats", "M for M - 1", "(m - 1) / m**2", "m / m**2"),
    Mutant("gradients.bigram_memories", "all blocks move", "block[:, kept] = table[:, kept]", "block[:] = table"),
    # The steps S1, S2, S3.
    Mutant("gradients.steps", "S1: sign of 1/M", "- roles.one / task.n_outputs", "+ roles.one / task.n_outputs"),
    Mutant("gradients.steps", "S1: N for M", "roles.one / task.n_outputs", "roles.one / task.n_tokens"),
    Mutant("gradients.steps", "S1: transposed mean", "weight = matrix.sum(axis=0)", "weight = matrix.sum(axis=1)"),
    Mutant("gradients.steps", "S1: 1/T dropped", "matrix.sum(axis=0) * roles.one / length", "matrix.sum(axis=0) * roles.one"),
    Mutant("gradients.steps", "S2: not centred", "(roles.identity - roles.one / length) / length", "roles.identity / length"),
    Mutant("gradients.steps", "S2: trigger once", "[length - 3, 2, 1]", "[length - 3, 1, 1]"),
    Mutant("gradients.steps", "S2: query at T - 1", "roles.identity[-1]", "roles.identity[-2]"),
    Mutant("gradients.steps", "S2: sign of a moment", "different + np.outer(f.covariance", "different - np.outer(f.covariance"),
    Mutant("gradients.steps", "S2: sign of a covariance", "different - np.outer(content", "different + np.outer(content"),
    Mutant("gradients.steps", "S2: trace dropped", " + f.covariance * trace\n", "\n"),
    Mutant("gradients.steps", "S2: variance", "(one / c - one / c**2)", "one / c"),
    Mutant("gradients.steps", "S2: profile without f", "readout.mean.sum(axis=0) * roles.one / (length - 2)", "readout.constant"),
    Mutant("gradients.steps", "S3: lead not in the softmax", "softmax(lead * ", "softmax("),
    Mutant("gradients.steps", "S3: factor lead dropped", "+ lead * signal", "+ signal"),
    Mutant("gradients.steps", "S3: slope not centred", "signal.uniform * tilt", "signal.uniform * signal.scores"),
    Mutant("gradients.previous_token", "S3: own share dropped", "+ kappa * own", "+ kappa"),
    Mutant("gradients.previous_token", "S3: transposed mean", "roles.causal_mean.T\n", "roles.causal_mean\n"),
    Mutant("gradients.previous_token", "S3: value, sign", "- a.T @ (self.free * (average + at_output))", "+ a.T @ (self.free * (average + at_output))"),
    Mutant("gradients.previous_token", "S3: key, a term dropped", "+ (a * over_free).T @ self.output", ""),
    Mutant("gradients.previous_token", "S3: query, a variance", "kappa * (1 - one / c)", "kappa"),
    Mutant("gradients.previous_token", "S3: query, a term dropped", " + by_output @ self.output", ""),
    Mutant("gradients.previous_token", "S3: not centred on ū", "a * (u - (a * u).sum(axis=1, keepdims=True))", "a * u"),
    Mutant("gradients.previous_token", "S3: what score and reading share", "self._worth(own + to_output * from_free)", "self._worth(own)"),
    Mutant("gradients.previous_token", "S3: one τ too many", "/ (self._length - 2)\n", "/ (self._length - 1)\n"),
    Mutant("gradients.roles", "output at τ", "at[tau, tau + 1, OUTPUT]", "at[tau, tau, OUTPUT]"),
    Mutant("gradients.roles", "pairs of content", "(c - 2) * one / c", "(c - 1) * one / c"),
    Mutant("gradients.roles", "pairs of random triggers", "(n - 2) * (n - 3)", "(n - 2) * (n - 2)"),
    Mutant("gradients.roles", "causal mean from 0", "range(1, length + 1)", "range(2, length + 2)"),
    Mutant("gradients.roles", "covariance, 1/C dropped", "(values - mean) * one / c", "(values - mean) * one"),
    Mutant("gradients.roles", "form transposed", "(matrix @ left.reshape", "(matrix.T @ left.reshape"),
    Mutant("model.blocks", "trigger as a rival", "del wrong[0]  # triggers are not among the outputs", "pass"),
    Mutant("model.blocks", "same and different", "np.where(equal, block.same", "np.where(~equal, block.same"),
    Mutant("model.families", "classes shifted", "(tokens >= task.n_triggers)", "(tokens > task.n_triggers)"),
    # The forward pass.
    Mutant("model.streams", "attends to the next token", "np.tri(length, dtype=bool), 0, -np.inf)", "np.tri(length, k=1, dtype=bool), 0, -np.inf)"),
    Mutant("model.streams", "score of a query token", "by_token += self.position_token", "by_token -= self.position_token"),
    Mutant("model.streams", "layer 1: depends on no token", "self.shared = not any(largest[:3])", "self.shared = not any(largest[:1])"),
    Mutant("model.streams", "softmax overflows", "self.safe = sum(largest) <= limit", "self.safe = True"),
    Mutant("model.streams", "keys end early", "(last // KEYS + 1) * KEYS", "max(last // KEYS, 1) * KEYS"),
    Mutant("model.streams", "g_S without its mean", "g_S -= np.vecdot(g_S, b)[..., None]", "g_S -= 0 * np.vecdot(g_S, b)[..., None]"),
    Mutant("model.streams", "∂W_K1: transposed block", 'queries.T @ g_S.reshape(-1, keys)', 'queries[::-1].T @ g_S.reshape(-1, keys)'),
    Mutant("model.streams", "atoms: what layer 1 writes is lost", " + self.maps.apply(written)", ""),
    Mutant("model.streams", "atoms: values of layer 1 are lost", "self._scatter(self.maps.transposed(a), out[:, :, 1])", "self._scatter(0 * a, out[:, :, 1])"),
    Mutant("model.streams", "atoms: position dropped", "found += flat[:, :, self.n : self.n + length]", "found += 0"),
    Mutant("model.streams", "atoms: query token dropped", "        q += K2[tokens]\n", ""),
    Mutant("model.streams", "vectors: Φ₁ dropped", "np.matmul(b, self.V[:, : block.stop], out=y)", "np.matmul(b, self.x1[:, : block.stop], out=y)"),
    Mutant("model.passes", "layer 2: sees one token more", "where=keys > positions", "where=keys > 1 + positions"),
    Mutant("model.passes", "loss: weights dropped", "float(weights @ (np.log(sums)", "float((weights > 0) @ (np.log(sums)"),
    Mutant("model.passes", "loss: label counted as often as its class", "        asked = logits[right]\n        if log_counts is not None:\n            logits += log_counts.astype(logits.dtype)\n", "        if log_counts is not None:\n            logits += log_counts.astype(logits.dtype)\n        asked = logits[right]\n"),
    Mutant("model.passes", "∂ℓ/∂ξ: sign", "logits[right] -= weights", "logits[right] += weights"),
    Mutant("model.passes", "∂W_O2: wrong stream", "g_logits.T @ self.m\n", "g_logits.T @ self.x1\n"),
    Mutant("model.passes", "∂W_K2: transposed", "self.x1.T @ k", "k.T @ self.x1"),
    Mutant("model.passes", "g_s without its mean", "g_s -= np.vecdot(g_s, self.a)[:, :, None]", "g_s -= 0 * np.vecdot(g_s, self.a)[:, :, None]"),
    Mutant("model.passes", "∂W_K1: K2 transposed", '"g_x1", k, tables.K2.T)', '"g_x1", k, tables.K2)'),
    Mutant("model.passes", "∂W_K1: residual dropped", 'g_x1 += self._product("more g_x1"', 'self._product("more g_x1"'),
    Mutant("model.passes", "∂W_K1: value path dropped", "np.stack([g_s, self.a], 2", "np.stack([g_s, 0 * self.a], 2"),
    Mutant("model.passes", "∂W_K1: own row dropped", "+= own[c, l, 0, : block.stop]", "+= 0"),
    Mutant("model.passes", "fillers are added", "np.nonzero(chunk.real & (positions", "np.nonzero((chunk.real | True) & (positions"),
    Mutant("model.passes", "queries too late are skipped", ".sum(axis=1).min())", ".sum(axis=1).max())"),
    Mutant("model.passes", "a sequence lost per chunk", "rows = order[start : start + size]", "rows = order[start : start + size - (size > 1)]"),
    Mutant("model.engine", "fillers carry weight", "np.where(chunk.real, batch.weights[at], 0)", "batch.weights[at]"),
    Mutant("model.engine", "log-counts of another sequence", "log_counts[chunk.sequences]", "log_counts[::-1][chunk.sequences]"),
    Mutant("model.engine", "sums depend on workers", "for i in range(min(LANES, len(chunks)))", "for i in range(self._executor._max_workers if self._executor else 1)"),
    Mutant("model.engine", "predictions out of order", "before[chunk.sequences, None]", "before[np.sort(chunk.sequences)[::-1], None]"),
    Mutant("model.transformer", "W_F: sign", "outputs + self._product(", "outputs - self._product("),
    Mutant("model.transformer", "W_F: read without W_O2", "np.concatenate([emb.atoms, written])", "np.concatenate([emb.atoms, emb.values])"),
    Mutant("model.transformer", "∂W_K2: scale dropped", '"W_K2": self.scale * g["K2"]', '"W_K2": g["K2"]'),
    Mutant("model.transformer", "∂W_K1: scale dropped", "np.pad(self.scale * total.K1()", "np.pad(total.K1()"),
    Mutant("model.transformer", "attention: scale dropped", "FirstLayer(self.scale * scores", "FirstLayer(scores"),
    Mutant("model.step", "scale forgotten", "return self.scale * (inputs.T", "return (inputs.T"),
    Mutant("model.step", "W_F without attention", 'g["R"] + g["O"] @', 'g["R"] + 0 * g["O"] @'),
    # The backward pass.
    # What the model refuses.
    Mutant("model.arguments", "one token too many", "array.max() >= n)", "array.max() > n)"),
    Mutant("model.arguments", "positions from the end", "return queries % length", "return abs(queries)"),
    Mutant("model.arguments", "logarithm of multiplicities", "return np.log(counts)", "return counts"),
    # Recall, margins, arithmetic of memories.
    Mutant("memory.associative", "ties are right", "values)[0] > 0))", "values)[0] >= 0))"),
    Mutant("_statistics", "right answer as a rival", "np.put_along_axis(rivals, chosen, False, axis=-1)", "pass"),
    Mutant("memory.associative", "chance: mean inverted", "np.mean(1 / answers)", "1 / np.mean(answers)"),
    Mutant("memory.associative", "-W is W", "return self * -1", "return self * 1"),
    Mutant("memory.associative", "W not transposed back", "product(self.values.T, self.coefficients, self.keys)", "product(self.values.T, -self.coefficients, self.keys)"),
    Mutant("memory.products", "overflow before floats", "[factor.astype(dtype, copy=False) for factor in factors]", "list(factors)"),
    Mutant("memory.products", "products overflow", "max(map(abs, exponents)) <= room", "True"),
    Mutant("memory.products", "the exponent is lost", "multi_dot(small), sum(exponents)", "multi_dot(small), 0"),
    Mutant("memory.products", "float32 vanishes", "np.finfo(np.float32).minexp < reached <= 128", "reached <= 128"),
    Mutant("_statistics", "best wrong halved", "- np.where(", "- 0.5 * np.where("),
    Mutant("tasks.induction", "W_K1: cue t recalls t", "np.stack([positions, positions - 1], axis=1)", "np.stack([positions, positions], axis=1)"),
    Mutant("probes.evaluation", "attention elsewhere", "attention[np.arange(len(goal)), goal]", "attention[np.arange(len(goal)), goal - 1]"),
    Mutant("probes.associations", "W_K1: head looks ahead", "keys=positions[:-1], values=positions[1:]", "keys=positions[1:], values=positions[:-1]"),
    # Sampling and enumeration.
    Mutant("tasks.induction", "trigger in the content", "(words >= trigger)", "(words > trigger)"),
    Mutant("tasks.induction", "label is the trigger", "np.take_along_axis(tokens, place + 1, axis=1)", "np.take_along_axis(tokens, place, axis=1)"),
    Mutant("tasks.induction", "label not a class", "label - self.outputs[0]", "label"),
    Mutant("tasks.induction", "last token never drawn", "rng.integers(self.n_content, size", "rng.integers(self.n_content - 1, size"),
    Mutant("tasks.induction", "leftovers to the first", "rng.choice(kinds, left, replace=False)", "np.arange(left)"),
    # Embeddings.
    Mutant("vectors.families", "gaussian: variance", "standard_normal((n, d)) / sqrt(d)", "standard_normal((n, d)) / d"),
    Mutant("vectors.families", "orthonormal: not Haar", "(q * np.copysign(1.0, np.diagonal(r))).T", "q.T"),
    Mutant("vectors.families", "coherence: mean for maximum", "float(inner.max())", "float(inner.mean())"),
    Mutant("vectors.families", "bound: factor 2", "sqrt(2 * log(n * (n - 1) / delta) / d)", "sqrt(log(n * (n - 1) / delta) / d)"),
    Mutant("vectors.families", "Welch: n for n - 1", "sqrt((n - d) / (d * (n - 1)))", "sqrt((n - d) / (d * n))"),
    Mutant("model.embeddings", "W_V2 transposed", '@ arrays["W_V2"].T', '@ arrays["W_V2"]'),
    Mutant("model.embeddings", "compressed: values", "np.linalg.qr(self.values.T).R.T", "np.linalg.qr(self.values.T).R"),
    # The top-down run.
    Mutant("topdown.steps", "step up the loss", "memory = -memories[name]", "memory = memories[name]"),
    Mutant("topdown.steps", "step size is the margin", "size = margin / strength\n        step", "size = margin\n        step"),
    Mutant("topdown.steps", "step on a negative lead", "if not strength > 0:", "if not strength:"),
    Mutant("topdown.steps", "super-diagonal", "scores[tuple(wanted[name].T)]", "scores.T[tuple(wanted[name].T)]"),
    Mutant("topdown.steps", "λ is the first margin", "settings.margins[1])", "settings.margins[0])"),
    # Rooms that came later, in the order of the imports.
    Mutant("training.optimizers", "decay", "gradient + weight_decay * matrix", "gradient + weight_decay * gradient"),
    Mutant("training.optimizers", "momentum", 'momentum * _remembered(state, "velocity", gradient)', '_remembered(state, "velocity", gradient)'),
    Mutant("training.optimizers", "Adam without correction", "mean / (1 - self.beta1**count) / root", "mean / root"),
    Mutant("training.optimizers", "warm-up from zero", "self.peak * (step + 1)", "self.peak * step"),
    Mutant("tasks.identity", "attributes forgotten", "parts = {name: described(", "parts = {} and {name: described("),
    Mutant("training.settings", "schedule", "self._frozen.get(name, 0) <= step", "self._frozen.get(name, 0) < step"),
    Mutant("training.run", "resume", "history=saved.history.before(saved.step)", "history=saved.history"),
    Mutant("training.metrics", "attention probe", "tokens[sequence[repeated], :-1]", "tokens[sequence[repeated], 1:]"),
    Mutant("training.metrics", "KL", "(xlogy(law, law) - law * log_p).sum()", "(-law * log_p).sum()"),
    Mutant("training.metrics", "early positions", "rows[:, 0] < EARLY", "rows[:, 0] <= EARLY"),
    Mutant("training.loop", "fresh batches", "stream(settings.seed, BATCH, i)", "stream(settings.seed, BATCH, 0)"),
    Mutant("training.loop", "old embeddings", "step = step.with_embeddings(run.embeddings)", "pass"),
    Mutant("model.streams", "gradient on inputs", "g[c, chunk.positions[c, l]] += own[c, l]", "pass"),
    Mutant("capacity.writers", "slope along g", "(1 - filled + slope)", "(1 - filled)"),
    Mutant("training.presets", "Phi1", "uniform(square, rng=rng) @ uniform(square, rng=rng)", "uniform(square, rng=rng)"),
    Mutant("training.start", "pairs forgotten", 'described("pairs", metrics.pairs)', "None"),
    Mutant("_files", "atomic", 'open(partial, "xb") as file', 'open(target, "wb") as file'),
    Mutant("tasks.symmetry", "P: powers for falling factorials", "math.perm(c, b) / (slots * c**slots)", "c**b / (slots * c**slots)"),
    Mutant("tasks.symmetry", "P: absent tokens count once", "np.where(present, 1.0, each[:, None])", "np.ones(present.shape)"),
    Mutant("tasks.symmetry", "P: one absent trigger too many", "task.n_triggers - 1", "task.n_triggers"),
    Mutant("model.symmetric", "P: multiplicities dropped", "multiplicities=patterns.multiplicities", "multiplicities=None"),
    Mutant("model.families", "average: pairs with themselves counted", "- np.diag(n_rows),", "- 0 * np.diag(n_rows),"),
    Mutant("sweeps.__init__", "suspects in order", "in reversed(waiting)", "in waiting"),
    Mutant("sweeps.__init__", "all lost cells in flight", "other.running()", "True"),
    Mutant("sweeps.digest", "constants unwatched", "constants, ", ""),
    Mutant("sweeps.digest", "closure unwatched", "for cell in function.__closure__ or ()", "for cell in ()"),
    Mutant("_files", "no lock", "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass"),
    Mutant("_files", "links replaced", "Path(os.path.realpath(checked_path(name, path)))", "checked_path(name, path)"),
    Mutant("sweeps.__init__", "sweep: seed ignored", "[seed, *hashlib", "[0, *hashlib"),
    Mutant("sweeps.values", "infinity loses its sign", '"Infinity" if leaf > 0 else "-Infinity"', '"Infinity"'),
    Mutant("sweeps.log", "sweep: torn line kept", "self._file.truncate(whole)", "self._file.truncate()"),
    Mutant("_checks", "a bool is a number", "if not isinstance(number, bool) and isinstance(number, Real):", "if isinstance(number, Real):"),
    Mutant("_checks", "negative seeds", "if rng < 0:", "if False:"),
    Mutant("vectors.bartlett", "degrees of freedom", "d - np.arange(n)", "d + 0 * np.arange(n)"),
    Mutant("vectors.bartlett", "images not transposed", "rows[n_inputs:n_atoms].T", "rows[n_inputs:n_atoms][:, ::-1].T"),
    Mutant("vectors.bartlett", "values: factor transposed", "= value_rows.T", "= value_rows"),
    Mutant("vectors.bartlett", "family also for G", "np.r_[:n_inputs, n_atoms:n]", "np.r_[:n]"),
    Mutant("vectors.overlaps", "moment: i for 2i", "Fraction(2 * i + 1, d + 2 * i)", "Fraction(2 * i + 1, d + i)"),
    Mutant("vectors.overlaps", "quantile: n^2 pairs", "-log(q) / comb(n, 2)", "-log(q) / n**2"),
    Mutant("vectors.overlaps", "band: m for m - 1", "half * (comb(n, 2) - 1)", "half * comb(n, 2)"),
    Mutant("vectors.overlaps", "how many fit: n^2", "(1 + isqrt(1 + 4 * most)) // 2", "isqrt(most)"),
    Mutant("vectors.overlaps", "signs: rounding moves a value", "np.floor(count + 4 * np.finfo(float).eps * self.d)", "np.floor(count)"),
    Mutant("testing/properties", "recall: a tie passes", "if (margin > 0).all()", "if (margin >= 0).all()"),
    Mutant("testing/properties", "near-orthogonal: a loose bound", "if measured > allowed:", "if measured > 1.5 * allowed:"),
    Mutant("testing/properties", "the target is its own rival", "rivals[chosen, columns] = False", "pass"),
    Mutant("testing/properties", "memories: values are the keys", "draw(n if m is None else m, d, rng=rng)", "keys if m is None else draw(m, d, rng=rng)"),
    Mutant("capacity.moments", "variance of C without its square", "variance + (excess**2 - 1) * squares", "variance + excess**2 * squares"),
    Mutant("capacity.moments", "covariance without the swapped pair", "covariance = (1 + other) * shared - product", "covariance = shared - product"),
    Mutant("capacity.moments", "covariance sign", "variance[chosen, keys] - 2 * covariance", "variance[chosen, keys] + 2 * covariance"),
    Mutant("capacity.laws", "own class", "right = (d * (weight**2 + own) + others)", "right = (d * weight**2 + others)"),
    Mutant("capacity.laws", "rivals twice", "+ own + others - rivals) / d**2", "+ own + others + rivals) / d**2"),
    Mutant("capacity.laws", "sampled own class", "+ sqrt(own) * rng.standard_normal(size)", "+ 0 * rng.standard_normal(size)"),
    Mutant("capacity.laws", "pseudo-inverse dimensions", "rng.chisquare(n - d, size)", "rng.chisquare(n - 1, size)"),
    Mutant("capacity.laws", "sign along f", "- np.sum(f * h, axis=1)", "+ np.sum(f * h, axis=1)"),
    Mutant("capacity.laws", "zipf first rival", "np.arange(1, reach * place + 2)", "np.arange(2, reach * place + 2)"),
    Mutant("capacity.laws", "the last term of the count dropped", "max(0, terms - 64), terms)", "max(0, terms - 64), terms - 1)"),
    Mutant("capacity.laws", "planes", "planes = n * n * (n - 1) // 2", "planes = n * (n - 1) // 2"),
    Mutant("capacity.rules", "step not centred", "(answer - 1 / m) / n", "answer / n"),
    Mutant("capacity.rules", "cross-entropy gradient", "error = (np.exp(log_p) - answer) / len(u)", "error = (np.exp(log_p) + answer) / len(u)"),
    Mutant("tasks.alias", "alias mass", "mass[j] -= 1 - mass[i]", "mass[j] -= mass[i]"),
    Mutant("tasks.bigram_batch", "first counts as repeated", "repeated[rows, occurs.argmax(axis=1)] = False", "pass"),
    Mutant("tasks.bigrams", "avoids nothing", "np.put_along_axis(admitted, ids[:, None, :], 0, axis=2)", "pass"),
    Mutant("tasks.bigrams", "uniform race", "rng.standard_exponential((size, len(ids))) / self.language.unigram[ids]", "rng.standard_exponential((size, len(ids)))"),
    Mutant("tasks.bigrams", "with replacement", "chance = float((unigram[triggers] / left).prod())", "chance = float(unigram[triggers].prod())"),
    Mutant("tasks.bigrams", "targets shifted", "targets=words[:, 1:],", "targets=words[:, :-1],"),
    Mutant("tasks.counts", "circle backwards", "ids[np.roll(codes, -1)]", "ids[np.roll(codes, 1)]"),
    # Heads of other people's transformers.
    Mutant("heads.null", "spread by rows", "/ W.shape[1])", "/ W.shape[0])"),
    Mutant("heads.null", "the other tail", "stats.norm.sf(self.z)", "stats.norm.cdf(self.z)"),
    Mutant("heads.null", "permutations without signs", "rng.integers(2, size=(size, d)) * 2 - 1", "np.ones((size, d))"),
    Mutant("heads.null", "D itself not counted", "reached, columns = 1,", "reached, columns = 0,"),
    Mutant("heads.detectors", "mean beyond the cue", "[self.asked] / (self.asked + 1.0)", "[self.asked] / (self.asked + 2.0)"),
    Mutant("heads.detectors", "bias of the query", "asked = head.W_Q @ head.norm.bias + head.b_Q", "asked = 0 * head.b_Q"),
    Mutant("heads.detectors", "a level for each test", "self.level / len(self.detections)", "self.level"),
    Mutant("heads.maps", "key bias without that of the norm", "self.W_Q @ self.norm.bias + self.b_Q\n        return self.scale", "self.b_Q\n        return self.scale"),
    Mutant("heads.maps", "rotation the other way", "angles = -distance", "angles = distance"),
    Mutant("heads.maps", "bias of the output dropped", "np.zeros_like(x) + bias", "np.zeros_like(x)"),
    Mutant("heads.reading", "from the right, kept", 'return array if side == "left" else array.T', "return array"),
    Mutant("heads.reading", "unknown names accepted", "    if extra:\n", "    if False:\n"),
    Mutant("heads.ours", "W_F dropped", "emb.outputs + emb.outputs @ W_F", "emb.outputs"),
    Mutant("heads.zoo", "shuffled is not", 'shift=kind == "shuffled"', "shift=0"),
]  # fmt: skip


def failing(module: str, change: Callable[[Path], None]) -> str:
    """Return what the tests of a module say of a changed copy: 'passed', 'failed' or trouble."""
    files, selection = TESTS[module]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += [
        "--tb=no",
        "-m",
        "not slow",
        "-k",
        selection,
        *(f"tests/library/{file}" for file in files.split()),
    ]
    with TemporaryDirectory() as folder:
        for name in COPIED:
            if (ROOT / name).is_dir():
                ignore = shutil.ignore_patterns("__pycache__", ".*")
                shutil.copytree(ROOT / name, Path(folder, name), ignore=ignore)
            else:
                shutil.copy(ROOT / name, folder)
        with Path(folder, "tests", "conftest.py").open("a") as conftest:
            conftest.write(NO_SHRINKING)
        change(source_of(module, Path(folder)))
        try:
            # no bytecode: a copy of the same size and second could be taken for another
            code = subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"},
                capture_output=True,
                timeout=SECONDS,
            ).returncode
        except subprocess.TimeoutExpired:
            return f"no end in {SECONDS} s"
    return {0: "passed", 1: "failed"}.get(code, f"pytest exit code {code}")


def source_of(module: str, root: Path) -> Path:
    """The file of a module of the library, by its dotted name."""
    return root.joinpath("assocmem", *module.split(".")).with_suffix(".py")


def unchanged(path: Path) -> None:
    """Plant nothing."""


def judge(mutant: Mutant) -> tuple[str, float]:
    """Plant one error and return the verdict and the seconds it took."""
    started = time.perf_counter()
    count = source_of(mutant.module, ROOT).read_text().count(mutant.text)
    if count != 1:
        return f"NOT PLANTED: its text occurs {count} times", 0.0

    def plant(path: Path) -> None:
        path.write_text(path.read_text().replace(mutant.text, mutant.replacement))

    outcome = failing(mutant.module, plant)
    verdict = {"failed": "caught", "passed": "SURVIVED"}.get(outcome, f"NOT RUN: {outcome}")
    return verdict, time.perf_counter() - started


def main(words: list[str]) -> int:
    """Run all errors, or those whose module and name hold one of the words."""
    started = time.perf_counter()
    chosen = [m for m in MUTANTS if not words or any(w in f"{m.module} {m.name}" for w in words)]
    with ThreadPoolExecutor(WORKERS) as pool:
        modules = list({mutant.module: None for mutant in chosen})
        outcomes = pool.map(lambda module: failing(module, unchanged), modules)
        broken = {
            m: outcome for m, outcome in zip(modules, outcomes, strict=True) if outcome != "passed"
        }
        for module, outcome in broken.items():
            print(f"{module}: {TESTS[module][0]} without any planted error: {outcome}")
        if broken:
            return 1
        missed = 0
        for mutant, (verdict, seconds) in zip(chosen, pool.map(judge, chosen), strict=True):
            print(f"{mutant.module:15} {mutant.name:28} {verdict:10} {seconds:5.1f} s", flush=True)
            missed += verdict != "caught"
    print(f"{len(chosen) - missed} of {len(chosen)} caught, {time.perf_counter() - started:.0f} s")
    return int(missed > 0 or not chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
