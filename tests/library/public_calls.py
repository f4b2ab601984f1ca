"""Calls of the public interface that work: what is asked of every argument is asked of these."""

from __future__ import annotations

import atexit
import tempfile
from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure

import assocmem as am
from assocmem import capacity, gradients, heads, plots, sweeps, testing, training, width

TASK = am.InductionTask(4, 6)
EMB = am.FrozenEmbeddings.random(TASK, width=24, rng=0)
MODEL = am.FrozenTransformer(EMB)
STEP = training.TrainingStep(EMB)
BATCH = TASK.sample(12, rng=0)
PATTERNS = TASK.patterns()
BIGRAMS = am.BigramTask(am.Language.uniform(4), length=8, n_triggers=1)
BIGRAM_EMB = am.FrozenEmbeddings.random(BIGRAMS, width=8, rng=0)
BIGRAM_MODEL = am.FrozenTransformer(BIGRAM_EMB)
WIDE, TINY = am.InductionTask(8, 12), am.InductionTask(3, 3)
MEMORIES = {
    "W_O2": gradients.first_step(TASK).memory(am.FrozenEmbeddings.orthonormal(TASK)),
    "W_K2": gradients.second_step(TASK).memory(am.FrozenEmbeddings.orthonormal(TASK)),
    "W_K1": gradients.third_step(TASK, 0).memory(am.FrozenEmbeddings.orthonormal(TASK)),
}
MOMENTS = width.recall_moments(TASK, MEMORIES)["W_K2"]
DEVIATIONS = width.Deviations(TASK, MEMORIES)
LIMIT = DEVIATIONS.limit
FIRST, SECOND = gradients.first_step(TASK), gradients.second_step(TASK)
EYE, ALL = np.eye(3), np.ones((3, 3), bool)
W = am.AssociativeMemory(keys=EYE, values=EYE)
PROBE = am.probe("W_K2", TASK, EMB)
AXES = Figure().subplots()
RATES = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0}
SIZES = {"steps": 1, "batch_size": 8, "evaluate_every": 1, "evaluate_on": 8}
ROW = {"step": 0, "loss": 1.0}
ARRAYS = {name: getattr(EMB, name) for name in ("tokens", "positions", "outputs", "Phi1", "W_V2")}


def cell(n, rng):
    return {"square": n * n}


def train(**arguments):
    return training.train(**arguments, **SIZES | {"steps": 0})


def linear_response(**arguments):
    return width.linear_response(lambda emb: {"x": emb.tokens[0]}, **arguments)


# Calls that work. Each argument is replaced by each wrong value.
CALLS = [
    *[(draw, {"n": 3, "d": 8, "rng": 0}) for draw in (am.gaussian, am.sphere, am.rademacher)],
    (am.orthonormal, {"n": 3, "d": 8, "rng": 0}),
    (am.gram, {"u": EYE, "v": EYE}),
    (am.coherence, {"u": EYE}),
    (am.coherence_bound, {"n": 3, "d": 8, "delta": 0.1, "family": "sphere"}),
    (am.coherence_band, {"n": 3, "d": 8, "delta": 0.1, "family": "sphere"}),
    (am.coherence_quantile, {"q": 0.5, "n": 3, "d": 8, "family": "sphere"}),
    (am.how_many_fit, {"d": 8, "coherence": 0.5, "delta": 0.1, "family": "sphere"}),
    (am.overlap_law, {"d": 8, "family": "sphere"}),
    (am.overlap_moment, {"order": 4, "d": 8, "family": "rademacher"}),
    (am.welch_bound, {"n": 9, "d": 8}),
    (am.AssociativeMemory, {"keys": EYE, "values": EYE, "coefficients": EYE}),
    (am.AssociativeMemory.from_matrix, {"matrix": EYE, "keys": EYE, "values": EYE}),
    (W.margin, {"targets": [0, 1, 2], "among": ALL, "keys": EYE, "values": EYE}),
    (W.chance, {"among": ALL}),
    (W.store, {"key": EYE, "value": EYE}),
    (W.__mul__, {"scalar": 2.0}),
    (am.Batch, {"tokens": [[0, 1]], "targets": [[-1, 1]], "weights": [[0, 1]]}),
    (am.InductionTask, {"n_tokens": 4, "length": 6, "n_triggers": 1, "predict": "all"}),
    (TASK.enumerate, {"max_bytes": 2**20}),
    (TASK.sample, {"size": 12, "rng": 0}),
    (am.BigramTask, {"length": 8, "n_triggers": 1, "triggers": "fixed", "trigger_offset": 0}),
    (
        am.BigramTask,
        {"language": am.Language.uniform(4), "avoid": "trigger", "loss": "all", "n_triggers": 1},
    ),
    (BIGRAMS.output_law, {"triggers": [[0]]}),
    (BIGRAMS.sample, {"size": 20, "rng": 0}),
    (am.Language, {"unigram": [0.5, 0.5], "bigram": [[0.5, 0.5], [0.5, 0.5]], "names": "ab"}),
    (am.Language.zipf, {"n": 3, "exponent": 1.0, "concentration": 20.0, "rng": 0}),
    (am.Language.from_text, {"text": "abab", "smoothing": 0.0}),
    (PATTERNS.mean, {"values": PATTERNS.n_different, "where": PATTERNS.n_different > 1}),
    (am.BlockTable, {"task": TASK, "matrix": "W_O2", "blocks": {}}),
    (
        am.BlockTable.averaged,
        {
            "task": TASK,
            "matrix": "W_O2",
            "coefficients": FIRST.coefficients(),
            "representatives": TASK,
        },
    ),
    (FIRST.on, {"task": TASK}),
    (FIRST.block, {"row": "outputs", "column": "tokens"}),
    (FIRST.coefficients, {"max_bytes": 2**20}),
    (FIRST.memory, {"embeddings": EMB}),
    (FIRST.__mul__, {"factor": 2.0}),
    (am.FrozenEmbeddings.from_matrices, {**ARRAYS, "family": "mine"}),
    (am.FrozenEmbeddings.orthonormal, {"task": TASK}),
    (am.FrozenEmbeddings.random, {"task": TASK, "width": 30, "family": "sphere", "rng": 0}),
    (EMB.astype, {"dtype": "float32"}),
    (
        am.FrozenTransformer,
        {"embeddings": EMB, "W_K1": np.eye(24), "scale": 1.0, "readout": "residual"},
    ),
    (MODEL.logits, {"tokens": BATCH.tokens, "positions": [1]}),
    (MODEL.loss, {"batch": BATCH}),
    (
        MODEL.loss_and_memories,
        {"batch": BATCH, "wrt": ("W_O2",), "multiplicities": np.ones((12, 3))},
    ),
    (am.probe, {"name": "W_K2", "task": TASK, "embeddings": EMB}),
    (PROBE.margins, {"weights": np.eye(24)}),
    (am.induction_head, {"task": TASK, "embeddings": EMB, "beta": 2.0}),
    (am.evaluate, {"model": MODEL, "batch": BATCH}),
    (am.evaluate(MODEL, BATCH).where, {"mask": np.ones(12, bool)}),
    (am.Rate, {"successes": 3, "trials": 5}),
    (am.Rate(3, 5).interval, {"confidence": 0.9}),
    (am.SymmetricTransformer, {"task": TASK, "W_K2": SECOND}),
    (am.SymmetricTransformer(TASK).loss_and_tables, {"patterns": PATTERNS, "wrt": ("W_O2",)}),
    (am.top_down, {"task": TASK, "margins": (1, 2, 3), "gradient": "exact", "blocks": "all"}),
    (
        am.top_down,
        {"task": TASK, "embeddings": EMB, "margins": (1, 2, 3), "gradient": "population", "rng": 0},
    ),
    (am.top_down, {"task": TASK, "gradient": "population", "sequences": 30, "evaluate_on": 20}),
    (capacity.score_moments, {"coefficients": EYE, "d": 8, "family": "sphere"}),
    (capacity.margin_moments, {"coefficients": EYE, "d": 8, "targets": [0, 1, 2]}),
    (capacity.recall_probability, {"n": 10, "d": 8, "classes": 5}),
    (capacity.recall_probability, {"n": 3, "d": 8, "weights": [1, 2, 3], "item": 1}),
    (capacity.capacity, {"d": 20, "classes": 4, "recall": 0.5}),
    (capacity.zipf_recall, {"x": [1, 2], "exponent": 1.0}),
    (capacity.sampled_recall, {"n": 10, "d": 8, "classes": 5, "rule": "gradient step", "rng": 0}),
    (capacity.storage_bound, {"d": 8, "delta": 0.1}),
    (
        capacity.memorise,
        {"keys": EYE, "values": EYE, "targets": [0, 1, 2], "rule": "outer products"},
    ),
    (gradients.linear_step, {"keys": EYE, "values": EYE, "joint": EYE / 3, "matrix": EYE}),
    (gradients.noisy_linear_step, {"inputs": EYE, "values": EYE, "joint": EYE / 3}),
    (
        gradients.attention_step,
        {"inputs": EYE[None], "targets": [0], "outputs": EYE, "Phi2": EYE, "weights": [1.0]},
    ),
    (gradients.first_step, {"task": TASK}),
    (gradients.third_step, {"task": TASK, "margin": 1.0, "second": SECOND}),
    (gradients.third_step_error, {"task": TASK, "margin": 1.0, "second": SECOND}),
    (gradients.third_step_slope, {"task": TASK, "second": SECOND}),
    (training.History, {"columns": {"step": np.array([0])}}),
    (training.History.of(ROW).with_row, {"row": ROW}),
    (training.History.of(ROW).at, {"step": 0}),
    (training.TrainingStep, {"embeddings": EMB, "layers": 2, "scale": 1.0, "readout": "residual"}),
    (STEP.loss_and_gradients, {"weights": {}, "batch": BATCH, "wrt": ("W_O2",)}),
    (STEP.predict, {"weights": {}, "tokens": BATCH.tokens, "where": BATCH.weights > 0}),
    (training.SGD, {"momentum": 0.5}),
    (training.Adam, {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-8}),
    (training.SignDescent, {"momentum": 0.5}),
    (training.Muon, {"momentum": 0.5}),
    (
        training.Schedule,
        {"peak": 0.1, "steps": 9, "warmup": 1, "decay": "linear", "last": 0.0},
    ),
    (training.published, {"task": BIGRAMS, "width": 8, "rng": 0}),
    (
        train,
        {
            "task": BIGRAMS,
            "embeddings": BIGRAM_EMB,
            "rng": 0,
            "initial": "zero",
            "frozen_until": None,
        },
    ),
    (train, dict(task=BIGRAMS, embeddings=BIGRAM_EMB, **RATES, trained=("W_O2",), test=BIGRAMS)),
    (plots.attention_map, {"weights": EYE, "tokens": "abc", "marked": [(0, 1)], "ax": AXES}),
    (
        plots.memory,
        {"scores": EYE, "rows": "abc", "columns": "abc", "marked": [(0, 1)], "ax": AXES},
    ),
    (plots.recall_curve, {"x": [1, 2], "mean": [3, 4], "low": [2, 3], "high": [4, 5], "ax": AXES}),
    (plots.learning_curve, {"steps": [1, 2], "runs": [[3, 4]], "ax": AXES}),
    (plots.phase_map, {"values": EYE, "rows": "abc", "columns": "abc", "failed": ALL, "ax": AXES}),
    (plots.trajectory, {"stages": "ab", "series": {"x": [0, 1]}, "ax": AXES}),
    (testing.embeddings, {"family": "sphere", "n": 3, "d": 8}),
    (testing.memories, {"family": "sphere", "n": 3, "d": 8, "m": 2}),
    (testing.random_memory, {"n": 3, "d": 8, "m": 2, "rng": 0}),
    (testing.induction_tasks, {"max_sequences": 200, "max_tokens": 5, "max_length": 5}),
    (testing.assert_near_orthogonal, {"u": np.eye(1000)[:3], "delta": 0.1, "family": "sphere"}),
    (testing.assert_recalls, {"memory": W, "targets": [0, 1, 2], "among": ALL}),
    (testing.check_mean, {"predicted": 1.0, "draws": [1.0, 1.5], "delta": 0.1}),
    (
        testing.check_gradient,
        {
            "task": am.InductionTask(4, 5),
            "name": "W_O2",
            "predicted": {("outputs", "tokens"): np.zeros((3, 4))},
            "sequences": 64,
            "delta": 0.1,
            "rng": 0,
        },
    ),
    (width.required_width, {"task": WIDE, "delta": 0.1, "margins": (0.5, 1.0, 5.0)}),
    (width.RecallBound, {"task": TASK, "memories": MEMORIES}),
    (width.RecallBound(TASK, MEMORIES).at, {"width": 100}),
    (width.recall_moments, {"task": TASK, "memories": MEMORIES}),
    (
        width.head_moments,
        {"task": TASK, "coefficients": np.eye(6), "tokens": BATCH.tokens[0], "rows": [1, 2]},
    ),
    (width.cantelli_failure, {"moments": MOMENTS, "d": 50, "targets": [0]}),
    (width.gaussian_recall, {"moments": MOMENTS, "d": 50, "targets": [0], "rng": 0, "draws": 9}),
    (
        width.output_scores,
        {"task": TASK, "coefficients": np.ones((3, 20)), "d": 30, "draws": 2, "rng": 0},
    ),
    (
        width.trigger_scores,
        {"task": TASK, "coefficients": np.ones((20, 20)), "d": 30, "draws": 2, "rng": 0},
    ),
    (
        width.head_scores,
        {"coefficients": np.eye(6), "d": 30, "tokens": BATCH.tokens[0], "draws": 2, "rng": 0},
    ),
    (width.AttentionLaw, {"task": TASK, "memories": MEMORIES, "tokens": BATCH.tokens[0]}),
    (
        width.AttentionLaw(TASK, MEMORIES, BATCH.tokens[0]).attends,
        {"d": 50, "draws": 3, "rng": 0},
    ),
    (width.Deviations, {"task": TASK, "memories": MEMORIES}),
    (DEVIATIONS.at, {"d": 50}),
    (width.guarantee, {"limit": LIMIT, "tolerance": LIMIT, "batch": BATCH}),
    (width.true_steps, {"task": TASK, "sizes": [1, 2, 3]}),
    (linear_response, {"task": TINY, "step": 1e-4, "family": "sphere"}),
    (
        gradients.bigram_step,
        {"task": BIGRAMS, "matrix": "W_O2", "predictor": "uniform", "sets": 2, "rng": 0},
    ),
    (
        gradients.bigram_memory_step,
        {"name": "W_O2", "model": BIGRAM_MODEL, "task": BIGRAMS, "sets": 2, "rng": 0},
    ),
    (
        gradients.previous_token_step,
        {"model": BIGRAM_MODEL, "task": BIGRAMS, "sequences": 8, "sets": 2, "rng": 0},
    ),
    (gradients.bigram_predictor, {"task": BIGRAMS, "predictor": "bigrams", "rng": 0}),
    (sweeps.run, {"function": cell, "grid": {"n": [1]}, "rng": 0}),
]

LENGTH_3 = am.BigramTask(am.Language.uniform(3), length=3, n_triggers=1)
SPECIMEN = heads.specimen(n_tokens=6, length=6, width=64, n_layers=2, n_heads=2, rng=0)
HEADS = SPECIMEN.heads
FOUND = heads.find(HEADS)
ASKED = HEADS[0, 0]
LAYOUT = {"names": {"qkv": "a{layer}", "output": "b{layer}"}, "side": "left"}
FREQUENCIES = [0.5, 0.3, 0.1]
BSTEP = gradients.bigram_step(BIGRAMS, "W_O2")
BSTEP_W_K2 = gradients.bigram_step(BIGRAMS, "W_K2")
RUN = am.top_down(TASK, evaluate_on=10, rng=0)
TRAINED = training.train(BIGRAMS, BIGRAM_EMB, rng=0, **SIZES)
FOLDER = Path(tempfile.mkdtemp())
atexit.register(rmtree, FOLDER)
RUN.save(FOLDER / "run")
TRAINED.save(FOLDER / "trained")
TERMS = [width.Term(EYE, width.Segment(""), EYE, width.Segment(""), EYE)]

# What only few call, or other arguments of the same.
CALLS += [
    *[
        (draw, {"n": 3, "d": 8, "dtype": "float32", "rng": 0})
        for draw in (am.gaussian, am.sphere, am.rademacher, am.orthonormal)
    ],
    (am.coherence, {"u": EYE, "normalised": True}),
    (am.coherence_bound, {"n": 3, "d": 8, "normalised": True, "sharp": False}),
    (am.how_many_fit, {"d": 8, "coherence": 0.5, "sharp": False}),
    (am.overlap_moment, {"order": 4, "d": 8, "normalised": True}),
    (W.scores, {"keys": EYE, "values": EYE}),
    (W.recall, {"targets": [0, 1, 2], "among": ALL, "keys": EYE, "values": EYE}),
    (W.store, {"key": EYE, "value": EYE, "coefficient": np.ones(3)}),
    (BATCH.split, {"size": 4}),
    (BATCH.select, {"rows": [0, 2]}),
    (am.BigramTask, {"trigger_outputs": "uniform", "output_tokens": range(40)}),
    (LENGTH_3.enumerate, {"max_bytes": 2**20}),
    (TASK.patterns, {"max_bytes": 2**25}),
    (am.Language.uniform, {"n": 4}),
    (am.Language.from_counts, {"counts": EYE + 1, "names": "abc", "smoothing": 0.5}),
    (
        am.BlockTable.from_coefficients,
        {"task": TASK, "matrix": "W_O2", "coefficients": FIRST.coefficients()},
    ),
    (FIRST.block, {"row": "outputs", "column": "tokens", "max_bytes": 2**20}),
    (am.FrozenEmbeddings.from_matrices, {**ARRAYS, "side": "right"}),
    (am.FrozenEmbeddings.random, {"task": TASK, "width": 30, "compressed": True, "rng": 0}),
    (EMB.check_fits, {"task": TASK}),
    (
        am.FrozenTransformer,
        {"embeddings": EMB, "W_K2": np.eye(24), "W_O2": np.eye(24), "W_F": None},
    ),
    (MODEL.logits_and_attention, {"tokens": BATCH.tokens, "positions": [1]}),
    (MODEL.attention, {"tokens": BATCH.tokens, "positions": [1]}),
    (MODEL.loss_and_gradients, {"batch": BATCH, "wrt": ("W_O2",)}),
    (am.SymmetricTransformer, {"task": TASK, "W_K1": None, "W_O2": FIRST}),
    (am.probe, {"name": "W_K2", "task": TASK, "embeddings": EMB, "pairs": {"W_K2": [[0, 1]]}}),
    (PROBE.recall, {"weights": np.eye(24)}),
    (am.evaluate, {"model": MODEL, "batch": BATCH, "attend_to": np.zeros(BATCH.tokens.shape, int)}),
    (
        am.bigram_divergence,
        {"model": BIGRAM_MODEL, "batch": BIGRAMS.sample(9, rng=0), "language": BIGRAMS.language},
    ),
    (am.Share, {"value": 0.5}),
    (
        am.top_down,
        {
            "task": TASK,
            "gradient": "population",
            "readout": "attention",
            "pairs": {"W_K2": [[0, 1]]},
            "evaluate_on": 10,
            "sequences": 30,
        },
    ),
    (RUN.model, {"after": 2}),
    (RUN.save, {"path": FOLDER / "again"}),
    (am.TopDownRun.load, {"path": FOLDER / "run", "task": TASK}),
    (capacity.margin_moments, {"coefficients": EYE, "d": 8, "family": "sphere"}),
    (capacity.memorise, {"keys": EYE, "values": EYE, "rule": "gradient step", "steps": 5}),
    (capacity.polar_factor, {"matrix": EYE}),
    (capacity.polar_scores, {"weights": [1.0, 2.0, 3.0], "d": 8}),
    (capacity.polar_recall, {"weights": [1.0, 2.0, 3.0], "d": 8}),
    (capacity.sign_scores, {"weights": [1.0, 2.0, 3.0], "d": 8, "family": "rademacher"}),
    (
        capacity.sampled_recall,
        {"n": 3, "d": 8, "weights": [1, 2, 3], "item": 1, "draws": 5, "rng": 0},
    ),
    (gradients.second_step, {"task": TASK}),
    (
        gradients.noisy_linear_step,
        {"inputs": EYE, "values": EYE, "joint": EYE / 3, "matrix": EYE},
    ),
    (gradients.repeat_weight, {"length": 9, "share": 0.2}),
    (gradients.repeated_share, {"frequencies": FREQUENCIES, "length": 9}),
    (
        gradients.output_lead,
        {"frequencies": FREQUENCIES, "n_tokens": 8, "length": 9, "loss": "triggers"},
    ),
    (
        gradients.bigram_step,
        {"task": BIGRAMS, "matrix": "W_K2", "queries": "positions", "first": BSTEP, "sets": 2},
    ),
    (gradients.bigram_step, {"task": BIGRAMS, "matrix": "W_K1", "second": BSTEP_W_K2, "sets": 2}),
    (
        gradients.bigram_memory_step,
        {"name": "W_O2", "model": BIGRAM_MODEL, "task": BIGRAMS, "sequences": 8, "sets": 2},
    ),
    (BSTEP.lead_error, {"cues": [0, 1]}),
    (BSTEP.memory, {"embeddings": BIGRAM_EMB}),
    (heads.specimen, {"n_tokens": 6, "length": 6, "width": 64, "n_layers": 2, "n_heads": 2}),
    (
        heads.specimen,
        {"planted": True, "decoys": (), "noise": 0.0, "coherence": 0.5, "beta": 8.0, "rng": 0},
    ),
    (heads.read, {"weights": SPECIMEN.weights, "n_heads": 2, "norm": "none", "scale": 1.0}),
    (
        heads.read,
        {
            "weights": SPECIMEN.weights,
            "norm": "none",
            "tied": False,
            "eps": 1e-5,
            "tokens": None,
            "positions": None,
            "outputs": None,
            "layout": None,
            "rotary": None,
        },
    ),
    (heads.Layout, LAYOUT),
    (heads.Layout, LAYOUT | {"outputs_side": "left", "heads": "rows", "needs_rotary": False}),
    (heads.Layout, LAYOUT | {"prefixes": ("x",), "feed_forward": ("y",), "ignored": ("z",)}),
    (heads.Rotary, {"dims": 2, "base": 1e4, "pairs": "halves"}),
    (heads.Rotary(2).between, {"distance": 1}),
    (heads.Norm, {"kind": "layer", "gain": np.ones(3), "bias": np.zeros(3), "eps": 1e-5}),
    (HEADS.__getitem__, {"place": (0, 0)}),
    (HEADS.atoms, {"name": "tokens", "through": (0, 0)}),
    (
        HEADS.memory,
        {"place": (0, 0), "name": "query_key", "keys": "tokens", "values": "positions"},
    ),
    (HEADS.run, {"tokens": [[0, 1, 2]]}),
    (ASKED.at, {"distance": 2}),
    (ASKED.scores, {"stream": np.ones((3, 64))}),
    (ASKED.written, {"stream": np.ones((3, 64))}),
    (heads.composition, {"second": HEADS[1, 0], "first": ASKED, "via": "key"}),
    (heads.previous_token, {"model": HEADS, "place": (0, 0)}),
    (heads.copying, {"model": HEADS, "place": (0, 0), "tokens": [0, 1], "targets": [0, 1]}),
    (
        heads.induction,
        {"model": HEADS, "first": (0, 0), "second": (1, 0), "tokens": [0, 1], "among": [0, 1, 2]},
    ),
    (heads.find, {"model": HEADS, "level": 1e-3, "law": "rotation", "tokens": [0, 1, 2, 3]}),
    (FOUND.detections[0].p_value, {"law": "rotation"}),
    (FOUND.detections[0].permutation_p_value, {"draws": 9, "rng": 0}),
    (FOUND.detections[0].null.p_value, {"law": "rotation"}),
    (FOUND.detections[0].null.permutation_p_value, {"draws": 9, "rng": 0}),
    (heads.head_weights, {"model": MODEL, "wide": True}),
    (plots.head_map, {"findings": FOUND, "kind": "induction", "ax": AXES}),
    (plots.head_table, {"found": FOUND.detections[0], "rows": None, "columns": None, "ax": AXES}),
    (
        plots.recall_curve,
        {"x": [1, 2], "mean": [3, 4], "low": [2, 3], "high": [4, 5], "band": True, "ax": AXES},
    ),
    (
        sweeps.run,
        {"function": cell, "grid": {"n": [1]}, "executor": None, "output": None, "progress": False},
    ),
    (sweeps.run(cell, {"n": [1]}).to_csv, {"path": FOLDER / "table"}),
    (training.History.of, {"row": ROW}),
    (training.History.of(ROW).before, {"step": 1}),
    (training.History.of(ROW).to_csv, {"path": FOLDER / "history"}),
    (
        training.Settings,
        dict(
            **SIZES,
            optimizer=training.SGD(0.5),
            learning_rate=0.1,
            weight_decay=0.0,
            trained=("W_O2",),
            frozen_until={},
            layers=2,
            scale=1.0,
            seed=0,
            readout="residual",
        ),
    ),
    (training.TrainingStep, {"embeddings": EMB, "workers": 1}),
    (STEP.with_embeddings, {"embeddings": EMB}),
    (STEP.first_attention, {"weights": {}, "tokens": BATCH.tokens}),
    (training.published, {"task": BIGRAMS, "width": 8, "dtype": "float32"}),
    (training.published_probes, {"task": BIGRAMS, "embeddings": BIGRAM_EMB}),
    (
        train,
        {
            "task": BIGRAMS,
            "embeddings": BIGRAM_EMB,
            "pairs": {"W_O2": [[0, 1]]},
            "checkpoint": None,
            "checkpoint_every": 1,
            "workers": 1,
            "progress": False,
        },
    ),
    (TRAINED.save, {"path": FOLDER / "another"}),
    (training.TrainingRun.load, {"path": FOLDER / "trained"}),
    (testing.assert_recalls, {"memory": W, "keys": EYE, "values": EYE}),
    (
        testing.reference_gradient,
        {"reference": SimpleNamespace(parameters=None, gradients=None)},
    ),
    (width.cantelli_failure, {"moments": MOMENTS, "d": 50, "targets": [0], "among": None}),
    (
        width.gaussian_recall,
        {"moments": MOMENTS, "d": 50, "targets": [0], "among": None, "rng": 0, "draws": 9},
    ),
    (width.term_moments, {"terms": TERMS, "joint": False}),
    (MOMENTS.mean, {"d": 50}),
    (MOMENTS.covariance, {"d": 50}),
    (MOMENTS.margins, {"d": 50, "targets": [0]}),
    (MOMENTS.mapped, {"matrix": np.eye(MOMENTS.mean_powers.shape[-1])}),
    (LIMIT.times, {"factor": 2.0}),
]
