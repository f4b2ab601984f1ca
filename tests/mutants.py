"""Plant errors in a copy of the library, one at a time: the tests must catch each of them.

``make mutants`` runs all; ``python tests/mutants.py S2 sign`` those whose name holds a word given.
Every error is one text substitution, and its text must occur exactly once in its function. The exit
code is 1 if an error survives, cannot be planted, or if the tests fail without any.
"""

# ruff: noqa: E501 - one planted error a line

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("assocmem", "theory", "validation", "tests", "pyproject.toml", "setup.cfg")
WORKERS = 2
SECONDS = 300  # for the tests of one error

# The tests of a module: files, and which of its tests (fast ones, and those that look inside).
TESTS = {
    "vectors.families": ("test_families.py", ""),
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
    "gradients.lemmas": ("test_gradients.py", "not symbols"),
    "gradients.steps": ("test_gradients.py", "not symbols"),
    "gradients.chains": (
        "../bigrams/test_bigram_steps.py ../bigrams/test_small_second.py",
        "(every_step or both_orders) and any",
    ),
    "gradients.bigram_moments": (
        "../bigrams/test_bigram_steps.py ../bigrams/test_small_second.py",
        "(every_step or both_orders) and any",
    ),
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
    "tasks.bigrams": ("test_bigrams.py test_bigram_laws.py", ""),
    "tasks.bigram_batch": ("test_bigrams.py test_bigram_laws.py", ""),
    "model.symmetric": ("test_symmetry.py", ""),
    "capacity.laws": ("test_capacity.py", ""),
    "capacity.moments": ("test_capacity.py", ""),
    "capacity.rules": ("test_capacity.py", ""),
    "training.optimizers": ("test_optimizers.py", ""),
    "tasks.identity": ("test_training_checkpoints.py", ""),
    "training.metrics": ("test_training.py test_training_metrics.py", ""),
    "training.start": ("test_training_checkpoints.py", ""),
    "training.settings": ("test_training.py test_training_metrics.py", ""),
    "capacity.writers": ("../test_claims.py", "derivation and (WR3 or WR4)"),
    "training.presets": ("test_training.py test_training_metrics.py", ""),
    "training.loop": (
        "test_training.py test_training_metrics.py test_embeddings_that_train.py",
        "",
    ),
    "training.run": (
        "test_training.py test_training_metrics.py test_training_checkpoints.py",
        "",
    ),
    "heads.null": ("test_heads_detectors.py", "null or permutations or evidence"),
    "heads.detectors": ("test_heads_detectors.py", "table or tables or statistic or level"),
    "heads.maps": ("test_heads_reading.py test_heads_refused.py", ""),
    "heads.reading": ("test_heads_reading.py test_heads_refused.py", ""),
    "heads.ours": ("test_heads_export.py", "one_head"),
    "heads.zoo": ("test_heads_detectors.py", "planted"),
    "sweeps.__init__": ("test_sweeps.py test_sweeps_killed.py", "not dask and not mpi"),
    "sweeps.values": ("test_sweeps.py test_sweeps_functions.py", "not dask and not mpi"),
    "sweeps.digest": ("test_sweeps_functions.py", ""),
    "sweeps.log": ("test_sweeps.py test_sweeps_killed.py", "not dask and not mpi"),
    "testing.properties": ("test_testing.py test_testing_memories.py", ""),
}

# One failing example is enough.
NO_SHRINKING = """
from hypothesis import Phase
settings.register_profile("mutants", settings(), phases=[Phase.explicit, Phase.generate], database=None)
settings.load_profile("mutants")
"""


class Mutant(NamedTuple):
    """One planted error: in a function, a text that occurs once, and what replaces it.

    The function is named as in its module, ``BlockTable.lead``; where two modules have one of that
    name, ``gradients.steps:first_step``. So an error moves with its function.
    """

    function: str
    name: str
    text: str
    replacement: str


MUTANTS = [
    # The building blocks L1, L2, L3.
    Mutant("linear_step", "L1: sign", "joint - predicted)", "predicted - joint)"),
    Mutant("linear_step", "L1: softmax over keys", "softmax(scores, axis=0)", "softmax(scores, axis=1)"),
    Mutant("linear_step", "L1: p(z) dropped", "* joint.sum(axis=0)", "* joint.sum()"),
    Mutant("linear_step", "L1: W transposed", "values @ W @ keys.T", "values @ W.T @ keys.T"),
    Mutant("noisy_linear_step", "L2: 1/p(y) dropped", "keys / label[:, None]", "keys"),
    Mutant("noisy_linear_step", "L2: p(y) dropped", "=np.diag(label)", "=np.eye(len(label))"),
    Mutant("attention_step", "L3: 1/T dropped", "[:, :, 0] / length", "[:, :, 0]"),
    Mutant("attention_step", "L3: sum for mean", "read.mean(axis=1)", "read.sum(axis=1)"),
    Mutant("attention_step", "L3: mean not subtracted", "(x - x.mean(axis=1, keepdims=True))", "x"),
    Mutant("attention_step", "L3: query of the first", "values=x[:, -1]", "values=x[:, 0]"),
    # In-context bigrams.
    Mutant("Chains.pull", "taboo: the chain goes on", "values[to < 0] = 0", "values[to < 0] = 1"),
    Mutant("Chains.push", "push: rows follow the kernel too", "rest[self.rows.T, self._chains] = 0", "rest[self.rows.T, self._chains] *= 1"),
    Mutant("output_moments", "o_t: H_t for H_t - H_{r-1}", "here * (ahead[..., 1] - h[r - 1] * ahead[..., 0])", "here * ahead[..., 1]"),
    Mutant("attention_moments", "J₂: not centred", "(X * b2 + S * b3 + here * y0)", "0 * (X * b2 + S * b3 + here * y0)"),
    Mutant("attention_moments", "J₂: past of the causal mean", "S * (b1 - h2[s - 1] * b0)", "S * b1"),
    Mutant("attention_moments", "J₂: future one step late", "own, mean = reading.at(s + 1)", "own, mean = reading.at(s)"),
    Mutant("attention_moments", "J₂: future means dropped", "own / s * b0 + y2", "own / s * b0"),
    Mutant("MarkedChains.push", "N_t(j) without the first visit", "pushed[n + self.token] += pushed[self.token]", "pushed[n + self.token] += 0 * pushed[self.token]"),
    Mutant("MarkedChains.pull", "visits ahead not chosen", "free[self.token] += functions[n + self.token]", "free[self.token] += 0 * functions[n + self.token]"),
    Mutant("_by_remapped_token", "Φ₁ w_E(j) without 1/t", "ends / np.arange(1, length + 1)[:, None, None, None]", "ends / length"),
    Mutant("_by_position", "Φ₁ p_r without 1/t", "ends[t - 1] / t", "ends[t - 1]"),
    Mutant("gradients.bigram_moments:_position_block", "W_K1: softmax not centred", "(table - (share * table).sum(axis=2, keepdims=True))", "table"),
    Mutant("gradients.bigram_moments:_position_block", "W_K1: no key path", "total += copied_moments(chains, laws, ends, scores, reading)", "total += 0"),
    Mutant("copied_moments", "W_K1: past scores not copied with", "moved[..., 1] += mean[..., None] * moved[..., 0]", "moved[..., 1] += 0"),
    Mutant("_worth", "W_K1: future scores dropped", "own * b0 - y0", "own * b0"),
    Mutant("Population._part", "mass of the first visits kept", "mass = (laws - once)", "mass = (laws + 0 * once)"),
    Mutant("Population._ends", "residual without p̂", "residual = kernel - self.predictor", "residual = kernel - 0 * self.predictor"),
    Mutant("Population._sampled", "variate with the other sign", "found.columns - effects.of(draws)", "found.columns + effects.of(draws)"),
    Mutant("spread_outputs", "outputs of others not permuted", "rng.permuted(np.tile(np.arange(size)[:, None], (1, k)), axis=0)", "np.tile(np.arange(size)[:, None], (1, k))"),
    Mutant('BigramStep._leads', 'W_O2 by rows', 'by_cue = table.T if self.matrix == "W_O2" else table', 'by_cue = table'),
    Mutant("repeat_weight", "no trigger follows one: forgotten", "b.append(one - share * b[-1])", "b.append(one)"),
    Mutant("output_lead", "M for M - 1", "(m - 1) / m**2", "m / m**2"),
    Mutant("gradients.bigram_memories:_block", "all blocks move", "block[:, kept] = table[:, kept]", "block[:] = table"),
    # The steps S1, S2, S3.
    Mutant("first_step", "S1: sign of 1/M", "- roles.one / task.n_outputs", "+ roles.one / task.n_outputs"),
    Mutant("first_step", "S1: N for M", "roles.one / task.n_outputs", "roles.one / task.n_tokens"),
    Mutant("first_step", "S1: transposed mean", "weight = matrix.sum(axis=0)", "weight = matrix.sum(axis=1)"),
    Mutant("first_step", "S1: 1/T dropped", "matrix.sum(axis=0) * roles.one / length", "matrix.sum(axis=0) * roles.one"),
    Mutant("second_step", "S2: not centred", "(roles.identity - roles.one / length) / length", "roles.identity / length"),
    Mutant("second_step", "S2: trigger once", "[length - 3, 2, 1]", "[length - 3, 1, 1]"),
    Mutant("second_step", "S2: query at T - 1", "roles.identity[-1]", "roles.identity[-2]"),
    Mutant("_token_moments", "S2: sign of a moment", "different + np.outer(f.covariance", "different - np.outer(f.covariance"),
    Mutant("_token_moments", "S2: sign of a covariance", "different - np.outer(content", "different + np.outer(content"),
    Mutant("_token_moments", "S2: trace dropped", " + f.covariance * trace\n", "\n"),
    Mutant("_token_moments", "S2: variance", "(one / c - one / c**2)", "one / c"),
    Mutant("second_step", "S2: profile without f", "readout.mean.sum(axis=0) * roles.one / (length - 2)", "readout.constant"),
    Mutant("third_step_slope", "S3: slope not centred", "signal.uniform * tilt", "signal.uniform * signal.scores"),
    Mutant("PreviousTokenSignal._key_scores", "S3: own share dropped", "+ kappa * own", "+ kappa"),
    Mutant("PreviousTokenSignal.__init__", "S3: transposed mean", "roles.causal_mean.T\n", "roles.causal_mean\n"),
    Mutant("PreviousTokenSignal._value_fluctuation", "S3: value, sign", "- a.T @ (self.free * (average + at_output))", "+ a.T @ (self.free * (average + at_output))"),
    Mutant("PreviousTokenSignal._key", "S3: key, a term dropped", "+ (a * over_free).T @ self.output", ""),
    Mutant("PreviousTokenSignal._query", "S3: query, a variance", "kappa * (1 - one / c)", "kappa"),
    Mutant("PreviousTokenSignal._query", "S3: query, a term dropped", " + by_output @ self.output", ""),
    Mutant("PreviousTokenSignal._weight", "S3: not centred on ū", "a * (u - (a * u).sum(axis=1, keepdims=True))", "a * u"),
    Mutant("PreviousTokenSignal._shared", "S3: what score and reading share", "self._worth(own + to_output * from_free)", "self._worth(own)"),
    Mutant("PreviousTokenSignal.block", "S3: one τ too many", "/ (self._length - 2)", "/ (self._length - 1)"),
    Mutant("Roles.__init__", "output at τ", "at[tau, tau + 1, OUTPUT]", "at[tau, tau, OUTPUT]"),
    Mutant("Roles._probabilities", "pairs of content", "(c - 2) * one / c", "(c - 1) * one / c"),
    Mutant("Roles._probabilities", "pairs of random triggers", "(n - 2) * (n - 3)", "(n - 2) * (n - 2)"),
    Mutant("Roles.__init__", "causal mean from 0", "range(1, length + 1)", "range(2, length + 2)"),
    Mutant("TokenFunction.__init__", "covariance, 1/C dropped", "(values - mean) * one / c", "(values - mean) * one"),
    Mutant("Roles.bilinear", "form transposed", "(matrix @ left.reshape", "(matrix.T @ left.reshape"),
    Mutant("BlockTable.lead", "trigger as a rival", "del wrong[0]  # triggers are not among the outputs", "pass"),
    Mutant("BlockTable.block", "same and different", "np.where(equal, block.same", "np.where(~equal, block.same"),
    Mutant("classes", "classes shifted", "(tokens >= task.n_triggers)", "(tokens > task.n_triggers)"),
    # The forward pass.
    Mutant("FirstLayer.__init__", "attends to the next token", "np.tri(length, dtype=bool)", "np.tri(length, k=1, dtype=bool)"),
    Mutant("FirstLayer.maps", "score of a query token", "by_token += self.position_token", "by_token -= self.position_token"),
    Mutant("FirstLayer.__init__", "layer 1: depends on no token", "self.shared = not any(largest[:3])", "self.shared = not any(largest[:1])"),
    Mutant("FirstLayer.__init__", "softmax overflows", "self.safe = sum(largest) <= limit", "self.safe = True"),
    Mutant("Chunk.blocks", "keys end early", "(last // KEYS + 1) * KEYS", "max(last // KEYS, 1) * KEYS"),
    Mutant("FirstLayer.add", "g_S without its mean", "g_S -= np.vecdot(g_S, b)[..., None]", "g_S -= 0 * np.vecdot(g_S, b)[..., None]"),
    Mutant("FirstLayer.add", "∂W_K1: transposed block", "queries.T @ g_S.reshape(-1, keys)", "queries[::-1].T @ g_S.reshape(-1, keys)"),
    Mutant("Atoms.dot", "atoms: what layer 1 writes is lost", ", self.maps.apply(written), out", ", 0 * self.maps.apply(written), out"),
    Mutant("Atoms.sum", "atoms: values of layer 1 are lost", "self._scatter(self.maps.transposed(a), out[:, :, 1])", "self._scatter(0 * a, out[:, :, 1])"),
    Mutant("Atoms._look_up", "atoms: position dropped", "found += q[:, :, self.n : self.n + entries.shape[2]]", "found += 0"),
    Mutant("Atoms.times", "atoms: query token dropped", "        out += K2[tokens]\n", ""),
    Mutant("Vectors.__init__", "vectors: Φ₁ dropped", "np.matmul(b, self.V[:, : block.stop], out=y)", "np.matmul(b, self.x1[:, : block.stop], out=y)"),
    Mutant("Pass._softmax", "layer 2: sees one token more", "where=keys > positions", "where=keys > 1 + positions"),
    Mutant("Pass._cross_entropy", "loss: weights dropped", "float(weights @ (np.log(sums)", "float((weights > 0) @ (np.log(sums)"),
    Mutant("Pass._cross_entropy", "loss: label counted as often as its class", "        asked = logits[right]\n        if log_counts is not None:\n            logits += log_counts.astype(logits.dtype)\n", "        if log_counts is not None:\n            logits += log_counts.astype(logits.dtype)\n        asked = logits[right]\n"),
    Mutant("Pass._cross_entropy", "∂ℓ/∂ξ: sign", "logits[right] -= weights", "logits[right] += weights"),
    Mutant("Pass.backward", "∂W_O2: wrong stream", "g_logits.T @ self.m\n", "g_logits.T @ self.x1\n"),
    Mutant("Pass.backward", "∂W_K2: transposed", "self.x1.T @ k", "k.T @ self.x1"),
    Mutant("Pass.backward", "g_s without its mean", "g_s -= np.vecdot(g_s, self.a)[:, :, None]", "g_s -= 0 * np.vecdot(g_s, self.a)[:, :, None]"),
    Mutant('Pass.backward', '∂W_K1: K2 transposed', '"g_x1", k, tables.K2.T)', '"g_x1", k, tables.K2)'),
    Mutant('Pass.backward', '∂W_K1: residual dropped', 'g_x1 += self._product("part"', 'self._product("part"'),
    Mutant("Pass._first_backward", "∂W_K1: value path dropped", "stream.remapped(self.vectors, products)", "stream.remapped(self.vectors, products); products[:, 1::2] = 0"),
    Mutant("Pass._first_backward", "∂W_K1: own row dropped", "+= own[c, l, : block.stop]", "+= 0"),
    Mutant("Pass._first_backward", "fillers are added", "np.nonzero(chunk.real & (positions", "np.nonzero((chunk.real | True) & (positions"),
    Mutant("Pass._first_backward", "queries too late are skipped", ".sum(axis=1).min())", ".sum(axis=1).max())"),
    Mutant("Tables.chunks", "a sequence lost per chunk", "rows = order[start : start + size]", "rows = order[start : start + size - (size > 1)]"),
    Mutant("Engine.sums", "fillers carry weight", "np.where(chunk.real, batch.weights[at], 0)", "batch.weights[at]"),
    Mutant("Engine.sums", "log-counts of another sequence", "log_counts[chunk.sequences]", "log_counts[::-1][chunk.sequences]"),
    Mutant("Engine.sums", "sums depend on workers", "for i in range(min(LANES, len(chunks)))", "for i in range(self._executor._max_workers if self._executor else 1)"),
    Mutant("Engine.read", "predictions out of order", "before[chunk.sequences, None]", "before[np.sort(chunk.sequences)[::-1], None]"),
    Mutant("FrozenTransformer.__init__", "W_F: sign", "(embeddings.outputs + added)", "(embeddings.outputs - added)"),
    Mutant("FrozenTransformer.loss_and_memories", "W_F: read without W_O2", "np.concatenate([emb.atoms, written])", "np.concatenate([emb.atoms, emb.values])"),
    Mutant('FrozenTransformer.loss_and_memories', '∂W_K2: scale dropped', '(emb.atoms, emb.atoms, self.scale * g["K2"])', '(emb.atoms, emb.atoms, g["K2"])'),
    Mutant("FrozenTransformer.loss_and_memories", "∂W_K1: scale dropped", '(emb.inputs, emb.inputs, self.scale * g["K1"])', '(emb.inputs, emb.inputs, g["K1"])'),
    Mutant("FrozenTransformer._tables", "attention: scale dropped", "FirstLayer(self.scale * scores", "FirstLayer(scores"),
    Mutant("TrainingStep._gradients", "scale forgotten", "lambda: self.scale * (inputs.T", "lambda: (inputs.T"),
    Mutant('TrainingStep._gradients', 'W_F without attention', 'g["R"] + g["O"] @', 'g["R"] + 0 * g["O"] @'),
    # The backward pass.
    # What the model refuses.
    Mutant("model.arguments:checked_tokens", "one token too many", "array.max() >= n)", "array.max() > n)"),
    Mutant("checked_positions", "positions from the end", "return queries % length", "return abs(queries)"),
    Mutant("checked_log_counts", "logarithm of multiplicities", "return np.log(counts)", "return counts"),
    # Recall, margins, arithmetic of memories.
    Mutant("AssociativeMemory.recall", "ties are right", "values)[0] > 0))", "values)[0] >= 0))"),
    Mutant("margins", "right answer as a rival", "np.put_along_axis(rivals, chosen, False, axis=-1)", "pass"),
    Mutant("AssociativeMemory.chance", "chance: mean inverted", "np.mean(1 / answers)", "1 / np.mean(answers)"),
    Mutant("AssociativeMemory.__neg__", "-W is W", "return self * -1", "return self * 1"),
    Mutant("AssociativeMemory.matrix", "W not transposed back", "product(self.values.T, self.coefficients, self.keys)", "product(self.values.T, -self.coefficients, self.keys)"),
    Mutant("scaled_product", "overflow before floats", "[factor.astype(dtype, copy=False) for factor in factors]", "list(factors)"),
    Mutant("scaled_product", "products overflow", "max(map(abs, exponents)) <= room", "True"),
    Mutant("scaled_product", "the exponent is lost", "multi_dot(small), sum(exponents)", "multi_dot(small), 0"),
    Mutant("held", "float32 vanishes", "np.finfo(np.float32).minexp < reached <= 128", "reached <= 128"),
    Mutant("margins", "best wrong halved", "- np.where(", "- 0.5 * np.where("),
    Mutant("InductionTask.pairs", "W_K1: cue t recalls t", "np.stack([positions, positions - 1], axis=1)", "np.stack([positions, positions], axis=1)"),
    Mutant("probes.evaluation:_evaluated", "attention elsewhere", "attention[np.arange(len(goal)), goal]", "attention[np.arange(len(goal)), goal - 1]"),
    Mutant("induction_head", "W_K1: head looks ahead", "keys=positions[:-1], values=positions[1:]", "keys=positions[1:], values=positions[:-1]"),
    # Sampling and enumeration.
    Mutant("InductionTask._assemble", "trigger in the content", "(words >= trigger)", "(words > trigger)"),
    Mutant("InductionTask._assemble", "label is the trigger", "np.take_along_axis(tokens, place + 1, axis=1)", "np.take_along_axis(tokens, place, axis=1)"),
    Mutant("InductionTask.sample", "last token never drawn", "rng.integers(self.n_content, size", "rng.integers(self.n_content - 1, size"),
    Mutant("_balanced", "leftovers to the first", "rng.choice(kinds, left, replace=False)", "np.arange(left)"),
    # Embeddings.
    Mutant("gaussian", "gaussian: variance", "standard_normal((n, d)) / sqrt(d)", "standard_normal((n, d)) / d"),
    Mutant("orthonormal", "orthonormal: not Haar", "(q * np.copysign(1.0, np.diagonal(r))).T", "q.T"),
    Mutant("coherence", "coherence: mean for maximum", "float(inner.max())", "float(inner.mean())"),
    Mutant("coherence_bound", "bound: factor 2", "sqrt(2 * log(n * (n - 1) / delta) / d)", "sqrt(log(n * (n - 1) / delta) / d)"),
    Mutant("welch_bound", "Welch: n for n - 1", "sqrt((n - d) / (d * (n - 1)))", "sqrt((n - d) / (d * n))"),
    Mutant('FrozenEmbeddings.from_matrices', 'W_V2 transposed', '@ arrays["W_V2"].T', '@ arrays["W_V2"]'),
    Mutant("FrozenEmbeddings.compressed", "compressed: values", "np.linalg.qr(self.values.T).R.T", "np.linalg.qr(self.values.T).R"),
    # The top-down run.
    Mutant("_negative_gradient", "step up the loss", "memory = -memories[name]", "memory = memories[name]"),
    Mutant("top_down", "step size is the margin", "size = margin / strength\n        step", "size = margin\n        step"),
    Mutant("top_down", "step on a negative lead", "if not strength > 0:", "if not strength:"),
    Mutant("_strength", "super-diagonal", "scores[tuple(wanted[name].T)]", "scores.T[tuple(wanted[name].T)]"),
    Mutant("_negative_gradient", "λ is the first margin", "settings.margins[1])", "settings.margins[0])"),
    # Rooms that came later, in the order of the imports.
    Mutant("update", "decay", "gradient + weight_decay * matrix", "gradient + weight_decay * gradient"),
    Mutant('_velocity', 'momentum', 'momentum * _remembered(state, "velocity", gradient)', '_remembered(state, "velocity", gradient)'),
    Mutant("Adam.direction", "Adam without correction", "mean / (1 - self.beta1**count) / root", "mean / root"),
    Mutant("Schedule.__call__", "warm-up from zero", "self.peak * (step + 1)", "self.peak * step"),
    Mutant("_attributes", "attributes forgotten", "parts = {name: described(", "parts = {} and {name: described("),
    Mutant("Settings.moving", "schedule", "self._frozen.get(name, 0) <= step", "self._frozen.get(name, 0) < step"),
    Mutant("TrainingRun.going_on", "resume", "history=saved.history.before(saved.step)", "history=saved.history"),
    Mutant("_on_induction", "attention probe", "tokens[sequence[repeated], :-1]", "tokens[sequence[repeated], 1:]"),
    Mutant("_divergence", "KL", "(xlogy(law, law) - law * log_p).sum()", "(-law * log_p).sum()"),
    Mutant("Metrics._probes", "early positions", "rows[:, 0] < EARLY", "rows[:, 0] <= EARLY"),
    Mutant("_updates", "fresh batches", "stream(settings.seed, BATCH, i)", "stream(settings.seed, BATCH, 0)"),
    Mutant("_updates", "old embeddings", "step = step.with_embeddings(run.embeddings)", "pass"),
    Mutant("Vectors.add", "gradient on inputs", "g[c, chunk.positions[c, l]] += own[c, l]", "pass"),
    Mutant("polar_scores", "slope along g", "(1 - filled + slope)", "(1 - filled)"),
    Mutant("published_embeddings", "Phi1", "uniform(square, rng=rng) @ uniform(square, rng=rng)", "uniform(square, rng=rng)"),
    Mutant('start', 'pairs forgotten', 'described("pairs", metrics.pairs)', 'None'),
    Mutant('replaced', 'atomic', 'open(partial, "xb") as file', 'open(target, "wb") as file'),
    Mutant("_probabilities", "P: powers for falling factorials", "math.perm(c, b) / (slots * c**slots)", "c**b / (slots * c**slots)"),
    Mutant("_multiplicities", "P: absent tokens count once", "np.where(present, 1.0, each[:, None])", "np.ones(present.shape)"),
    Mutant("_multiplicities", "P: one absent trigger too many", "task.n_triggers - 1", "task.n_triggers"),
    Mutant("SymmetricTransformer.loss_and_tables", "P: multiplicities dropped", "multiplicities=patterns.multiplicities", "multiplicities=None"),
    Mutant("class_means", "average: pairs with themselves counted", "- np.diag(n_rows),", "- 0 * np.diag(n_rows),"),
    Mutant("_batches", "suspects in order", "in reversed(waiting)", "in waiting"),
    Mutant("sweeps.__init__:_evaluated", "all lost cells in flight", "other.running()", "True"),
    Mutant("_function", "closure unwatched", "for cell in function.__closure__ or ()", "for cell in ()"),
    Mutant("_locked_by_system", "no lock", "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass"),
    Mutant("_target", "links replaced", "Path(os.path.realpath(checked_path(name, path)))", "checked_path(name, path)"),
    Mutant("_evaluate", "sweep: seed ignored", "[seed, *hashlib", "[0, *hashlib"),
    Mutant('encoded', 'infinity loses its sign', '"Infinity" if leaf > 0 else "-Infinity"', '"Infinity"'),
    Mutant("Log._begin", "sweep: torn line kept", "self._file.truncate(whole)", "self._file.truncate()"),
    Mutant("checked_number", "a bool is a number", "if not isinstance(number, bool) and isinstance(number, Real):", "if isinstance(number, Real):"),
    Mutant("generator", "negative seeds", "if rng < 0:", "if False:"),
    Mutant("bartlett", "degrees of freedom", "d - np.arange(n)", "d + 0 * np.arange(n)"),
    Mutant("from_factors", "images not transposed", "rows[n_inputs:n_atoms].T", "rows[n_inputs:n_atoms][:, ::-1].T"),
    Mutant("from_factors", "values: factor transposed", "= value_rows.T", "= value_rows"),
    Mutant("from_factors", "family also for G", "np.r_[:n_inputs, n_atoms:n]", "np.r_[:n]"),
    Mutant("overlap_moment", "moment: i for 2i", "Fraction(2 * i + 1, d + 2 * i)", "Fraction(2 * i + 1, d + i)"),
    Mutant("coherence_quantile", "quantile: n^2 pairs", "-log(q) / comb(n, 2)", "-log(q) / n**2"),
    Mutant("coherence_band", "band: m for m - 1", "half * (comb(n, 2) - 1)", "half * comb(n, 2)"),
    Mutant("how_many_fit", "how many fit: n^2", "(1 + isqrt(1 + 4 * most)) // 2", "isqrt(most)"),
    Mutant("SignOverlap._count", "signs: rounding moves a value", "np.floor(count + 4 * np.finfo(float).eps * self.d)", "np.floor(count)"),
    Mutant("assert_recalls", "recall: a tie passes", "if (margin > 0).all()", "if (margin >= 0).all()"),
    Mutant("assert_near_orthogonal", "near-orthogonal: a loose bound", "if measured > allowed:", "if measured > 1.5 * allowed:"),
    Mutant("assert_recalls", "the target is its own rival", "rivals[chosen, columns] = False", "pass"),
    Mutant("random_memory", "memories: values are the keys", "draw(n if m is None else m, d, rng=rng)", "keys if m is None else draw(m, d, rng=rng)"),
    Mutant("score_moments", "variance of C without its square", "variance + (excess**2 - 1) * squares", "variance + excess**2 * squares"),
    Mutant("margin_moments", "covariance without the swapped pair", "covariance = (1 + other) * shared - product", "covariance = shared - product"),
    Mutant("margin_moments", "covariance sign", "variance[chosen, keys] - 2 * covariance", "variance[chosen, keys] + 2 * covariance"),
    Mutant("_moments", "own class", "(d * (weight**2 + own) + others)", "(d * weight**2 + others)"),
    Mutant("_moments", "rivals twice", "+ own + others - rivals) / d**2", "+ own + others + rivals) / d**2"),
    Mutant("_drawn_overlaps", "sampled own class", "+ sqrt(own) * rng.standard_normal(size)", "+ 0 * rng.standard_normal(size)"),
    Mutant("_written", "pseudo-inverse dimensions", "rng.chisquare(n - d, len(b))", "rng.chisquare(n - 1, len(b))"),
    Mutant("_scores", "sign along f", "- np.sum(f * h, axis=1)", "+ np.sum(f * h, axis=1)"),
    Mutant("_log_zipf", "zipf first rival", "np.arange(1, _SURE", "np.arange(2, _SURE"),
    Mutant("storage_bound", "the last term of the count dropped", "max(0, terms - 64), terms)", "max(0, terms - 64), terms - 1)"),
    Mutant("storage_bound", "planes", "planes = n * n * (n - 1) // 2", "planes = n * (n - 1) // 2"),
    Mutant("memorise", "step not centred", "(answer - 1 / m) / n", "answer / n"),
    Mutant("_least_cross_entropy", "cross-entropy gradient", "error = (np.exp(log_p) - answer) / len(u)", "error = (np.exp(log_p) + answer) / len(u)"),
    Mutant("repeated", "first counts as repeated", "repeated[rows, occurs.argmax(axis=1)] = False", "pass"),
    Mutant("BigramTask.output_law", "avoids nothing", "np.put_along_axis(admitted, ids[:, None, :], 0, axis=2)", "pass"),
    Mutant("BigramTask._race", "uniform race", "rng.standard_exponential((size, len(ids))) / self.language.unigram[ids]", "rng.standard_exponential((size, len(ids)))"),
    Mutant("BigramTask._draws", "with replacement", "chance = float((unigram[triggers] / left).prod())", "chance = float(unigram[triggers].prod())"),
    Mutant("BigramTask._assemble", "targets shifted", "targets=tokens[:, 1:],", "targets=tokens[:, :-1],"),
    Mutant("bigram_counts", "circle backwards", "ids[np.roll(codes, -1)]", "ids[np.roll(codes, 1)]"),
    # Heads of other people's transformers.
    Mutant("Null.std", "spread by rows", "/ W.shape[1])", "/ W.shape[0])"),
    Mutant("Null.p_value", "the other tail", "ndtr(-self.z)", "ndtr(self.z)"),
    Mutant("Null.permutation_p_value", "permutations without signs", "rng.integers(2, size=(size, d)) * 2 - 1", "np.ones((size, d))"),
    Mutant("Null.permutation_p_value", "D itself not counted", "reached, columns = 1,", "reached, columns = 0,"),
    Mutant("Detection.null", "mean beyond the cue", "[self.asked] / (self.asked + 1.0)", "[self.asked] / (self.asked + 2.0)"),
    Mutant("_queries", "bias of the query", "asked = head.W_Q @ head.norm.bias + head.b_Q", "asked = 0 * head.b_Q"),
    Mutant("Findings.significant", "a level for each test", "self.level / len(self.detections)", "self.level"),
    Mutant("Head.key_bias", "key bias without that of the norm", "self.W_Q @ self.norm.bias + self.b_Q\n        return self.scale", "self.b_Q\n        return self.scale"),
    Mutant("Rotary.between", "rotation the other way", "angles = -float(distance)", "angles = float(distance)"),
    Mutant("Heads.run", "bias of the output dropped", "np.zeros_like(x) + bias", "np.zeros_like(x)"),
    Mutant('_Parts.from_left', 'from the right, kept', 'return array if side == "left" else array.T', 'return array'),
    Mutant("heads.reading:_arrays", "unknown names accepted", "    if extra:\n", "    if False:\n"),
    Mutant("head_weights", "W_F dropped", "emb.outputs + emb.outputs @ W_F", "emb.outputs"),
    Mutant('_Builder.head', 'shuffled is not', 'shift=kind == "shuffled"', 'shift=0'),
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


@cache
def definitions() -> dict[str, list[tuple[str, str]]]:
    """Module and source of every function, method and class of the library, by its name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted((ROOT / "assocmem").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "assocmem").with_suffix("").parts)
        source = path.read_text(encoding="utf-8")

        def collect(body: list[ast.stmt], prefix: str, module: str = module, text: str = source):
            for node in body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    segment = ast.get_source_segment(text, node) or ""
                    found.setdefault(prefix + node.name, []).append((module, segment))
                    if isinstance(node, ast.ClassDef):
                        collect(node.body, f"{prefix}{node.name}.")

        collect(ast.parse(source).body, "")
    return found


def located(function: str) -> tuple[str, str]:
    """The module of a function, and the source of the function."""
    module, _, name = function.rpartition(":")
    places = [place for place in definitions().get(name, []) if module in ("", place[0])]
    if len(places) != 1:
        raise LookupError(f"{function}: expected one function of that name; found {len(places)}")
    return places[0]


def source_of(module: str, root: Path) -> Path:
    """The file of a module of the library, by its dotted name."""
    return root.joinpath("assocmem", *module.split(".")).with_suffix(".py")


def unchanged(path: Path) -> None:
    """Plant nothing."""


def judge(mutant: Mutant) -> tuple[str, float]:
    """Plant one error and return the verdict and the seconds it took."""
    started = time.perf_counter()
    module, source = located(mutant.function)
    count = source.count(mutant.text)
    if count != 1:
        return f"NOT PLANTED: its text occurs {count} times", 0.0
    altered = source.replace(mutant.text, mutant.replacement)

    def plant(path: Path) -> None:
        path.write_text(path.read_text().replace(source, altered))

    outcome = failing(module, plant)
    verdict = {"failed": "caught", "passed": "SURVIVED"}.get(outcome, f"NOT RUN: {outcome}")
    return verdict, time.perf_counter() - started


def main(words: list[str]) -> int:
    """Run all errors, or those whose module and name hold one of the words."""
    started = time.perf_counter()
    chosen = [
        m
        for m in MUTANTS
        if not words or any(w in f"{located(m.function)[0]} {m.function} {m.name}" for w in words)
    ]
    with ThreadPoolExecutor(WORKERS) as pool:
        modules = list({located(mutant.function)[0]: None for mutant in chosen})
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
            print(
                f"{mutant.function:28} {mutant.name:28} {verdict:10} {seconds:5.1f} s", flush=True
            )
            missed += verdict != "caught"
    print(f"{len(chosen) - missed} of {len(chosen)} caught, {time.perf_counter() - started:.0f} s")
    return int(missed > 0 or not chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
