"""Detectors: their tables against the maps, their null, planted heads and only them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

import assocmem as am
from assocmem import heads
from assocmem.heads import Null
from tests.rounding import PRODUCTS, RUNS, SOLVED

KINDS = ("previous token", "copying", "induction")


def random_weights(rng, *, n=16, length=20, d=24, uniform=False, coherence=0.0, norms=True):
    """A random model in nanoGPT's layout, in which nothing is to be found."""

    def entries(*shape):
        spread = rng.uniform(-1.7, 1.7, size=shape) if uniform else rng.standard_normal(shape)
        return spread / np.sqrt(shape[-1])

    def atoms(size):
        return np.sqrt(1 - coherence) * entries(size, d) + np.sqrt(coherence) * entries(1, d)

    weights = {"wte.weight": atoms(n), "wpe.weight": atoms(length), "lm_head.weight": atoms(n)}
    weights["ln_f.weight"] = rng.uniform(0.5, 1.5, size=d) if norms else np.ones(d)
    for l in range(2):
        weights |= {
            f"h.{l}.attn.c_attn.weight": entries(3 * d, d),
            f"h.{l}.attn.c_proj.weight": entries(d, d),
            f"h.{l}.ln_1.weight": rng.uniform(0.5, 1.5, size=d) if norms else np.ones(d),
        }
        if norms:
            weights |= {
                f"h.{l}.attn.c_attn.bias": entries(3 * d),
                f"h.{l}.ln_1.bias": entries(d),
            }
    return weights


def one(model, kind, rng):
    """A detection of a kind, of a head or pair drawn at random."""
    places = [(int(l), int(h)) for l, h in zip((0, 1), rng.integers(2, size=2), strict=True)]
    if kind == "induction":
        return heads.induction(model, *places)
    detect = heads.previous_token if kind == "previous token" else heads.copying
    return detect(model, places[int(rng.integers(2))])


# --- the tables are those of the maps


@pytest.fixture
def rng():
    return np.random.default_rng()


def test_tables_margins_and_recall_are_those_of_the_maps(rng):
    """Without norms' biases, by AssociativeMemory's own recall over the model's atoms."""
    model = heads.read(random_weights(rng, norms=False), n_heads=2, norm="none")
    n, length = len(model.tokens), len(model.positions)
    found = heads.previous_token(model, (1, 1))
    table = model[1, 1].query_key.scores(keys=model.positions, values=model.positions)
    past = np.tri(length, dtype=bool)[1:]
    np.testing.assert_allclose(found.table()[past], table[1:][past], rtol=0, atol=PRODUCTS)
    assert np.isneginf(found.table()[~past]).all()
    memory = model.memory((1, 1), "query_key", keys="positions", values="positions").T
    asked = {"keys": memory.keys[1:], "values": memory.values}
    targets = np.arange(length - 1)
    np.testing.assert_allclose(found.margins, memory.margin(targets, past.T, **asked), atol=SOLVED)
    assert found.recall == memory.recall(targets, past.T, **asked)
    assert found.margin == np.median(found.margins)
    np.testing.assert_allclose(found.chance, memory.chance(past.T))

    found = heads.copying(model, (0, 1))
    table = model[0, 1].output_value.scores(keys=model.tokens, values=model.outputs)
    np.testing.assert_allclose(found.table(), table.T, rtol=0, atol=PRODUCTS)
    assert found.recall == np.mean(table.argmax(axis=0) == np.arange(n))
    assert found.chance == 1 / n

    found = heads.induction(model, (0, 0), (1, 1))
    memory = heads.composition(model[1, 1], model[0, 0])
    table = memory.scores(keys=model.tokens, values=model.tokens)
    np.testing.assert_allclose(found.table(), table, rtol=0, atol=PRODUCTS)
    assert found.recall == np.mean(table.argmax(axis=1) == np.arange(n))


def test_biases_of_queries_and_norms_are_part_of_the_table(rng):
    """Up to a constant for each query, the scores of the head on a stream of these atoms.

    The stream is scaled so that a norm divides it by what the detector takes for its deviation.
    """
    weights = random_weights(rng)
    for norm in ("layer", "none"):
        model = heads.read(weights, n_heads=2, norm=norm)
        found, head = heads.previous_token(model, (1, 0)), model[1, 0]
        positions = model.positions
        scores = head.scores(positions)
        if norm == "layer":
            centred = positions - positions.mean(axis=1, keepdims=True)
            same = centred / centred.std(axis=1, keepdims=True)  # a deviation of 1 each
            with_same = replace(model, positions=same, tokens=None)
            found = heads.previous_token(with_same, (1, 0))
            scores = head.scores(same)
        past = np.tri(len(positions), dtype=bool)[1:]
        difference = np.where(past, found.table() - scores[1:], np.nan)
        assert np.nanmax(np.ptp(np.where(past, difference, difference[:, :1]), axis=1)) < SOLVED
        without = replace(head, b_Q=0 * head.b_Q)
        assert np.abs(without.scores(positions) - head.scores(positions)).max() > 1e-3


def test_tables_of_normed_heads_are_those_of_the_folded_maps(rng):
    """Up to the deviation, which divides each time that something passes a norm."""
    weights = {n: w for n, w in random_weights(rng).items() if "bias" not in n}
    model = heads.read(weights, n_heads=2)
    tokens, scale = model.tokens, model.deviation
    assert abs(scale - 1) > 0.1
    table = heads.composition(model[1, 1], model[0, 0]).scores(keys=tokens, values=tokens)
    found = heads.induction(model, (0, 0), (1, 1)).table()
    np.testing.assert_allclose(found * scale**3, table, rtol=0, atol=RUNS)
    table = model[1, 0].output_value.scores(keys=tokens, values=model.outputs)
    np.testing.assert_allclose(heads.copying(model, (1, 0)).table() * scale, table.T, atol=RUNS)


def test_the_statistic_is_right_scores_minus_the_mean_of_admissible_ones(rng):
    model = heads.read(random_weights(rng), n_heads=2)
    for kind in KINDS:
        found = one(model, kind, rng)
        table = found.table()
        allowed = np.isfinite(table)
        means = np.where(allowed, table, 0).sum(axis=1) / allowed.sum(axis=1)
        right = table[np.arange(len(table)), found.targets]
        size = np.abs(right).sum() + np.abs(means).sum()  # their sum may be near zero
        assert abs(found.null.statistic - np.sum(right - means)) < SOLVED * size


def test_tables_in_parts_are_the_same(rng, monkeypatch):
    model = heads.read(random_weights(rng), n_heads=2)
    whole = [one(model, kind, np.random.default_rng(5)).margins for kind in KINDS]
    monkeypatch.setattr("assocmem.heads.detectors._ENTRIES", 50)
    for kind, margins in zip(KINDS, whole, strict=True):
        found = one(model, kind, np.random.default_rng(5))
        np.testing.assert_allclose(found.margins, margins, rtol=0, atol=PRODUCTS)
        with pytest.raises(ValueError, match="table: expected at most"):
            found.table()


# --- the null


def test_the_null_has_the_moments_of_its_draws(rng):
    """Of rotations, from which nothing in the module draws: mean, variance, tail."""
    W, N = rng.standard_normal((2, 3, 8))
    null = Null(W, N)
    draws = stats.ortho_group.rvs(8, size=20_000, random_state=rng)
    D = np.einsum("ak,nkj,aj->n", W, draws, N)
    # six standard errors: a false alarm in 2e-9
    assert abs(D.mean()) < 6 * null.std / np.sqrt(len(D))
    spread = D.var() / null.std**2
    assert abs(spread - 1) < 6 * np.sqrt(2 / len(D))
    assert null.statistic == pytest.approx(np.sum(W * N))
    assert null.z == pytest.approx(null.statistic / null.std)
    assert null.p_value() == pytest.approx(stats.norm.sf(null.z))
    cosine = np.sum(W * N) / np.linalg.norm(W) / np.linalg.norm(N)
    assert null.p_value("gaussian") == pytest.approx(am.overlap_law(24).sf(cosine))


def test_permutations_are_all_of_them_where_they_can_be_counted(rng):
    """At d = 3 there are 48 signed permutations: their exact share, by enumeration."""
    W, N = rng.standard_normal((2, 2, 3))
    null = Null(W, N)
    values = [
        sum(e * W[:, j] @ N[:, i] for i, (j, e) in enumerate(zip(p, signs, strict=True)))
        for p in permutations(range(3))
        for signs in product((1, -1), repeat=3)
    ]
    share = np.mean(np.array(values) >= null.statistic - 1e-12)
    draws = 20_000
    found = null.permutation_p_value(draws=draws, rng=rng)
    assert abs(found - share) < 1e-3 + 6 * np.sqrt(share * (1 - share) / draws)
    assert np.var(values) == pytest.approx(null.std**2)


def test_a_head_that_holds_nothing_is_no_evidence():
    null = Null(np.zeros((2, 3)), np.ones((2, 3)))
    assert (null.z, null.p_value(), null.p_value("gaussian")) == (0.0, 1.0, 1.0)
    assert null.permutation_p_value(draws=19, rng=0) == 1.0


@pytest.mark.parametrize("uniform", [False, True], ids=["normal", "uniform"])
@pytest.mark.parametrize("coherence", [0.0, 0.9])
def test_p_values_of_random_weights_are_uniform(uniform, coherence):
    """By Kolmogorov's test at 1e-7, for embeddings that are nearly parallel as well."""
    rng = np.random.default_rng()
    laws = {each: [] for each in product(KINDS, ("rotation", "gaussian", "permutation"))}
    for _ in range(250):
        weights = random_weights(rng, uniform=uniform, coherence=coherence)
        model = heads.read(weights, n_heads=2)
        for kind in KINDS:
            found = one(model, kind, rng)
            laws[kind, "rotation"].append(found.p_value())
            laws[kind, "gaussian"].append(found.p_value("gaussian"))
            laws[kind, "permutation"].append(found.permutation_p_value(draws=99, rng=rng))
    for (kind, name), p in laws.items():
        shifted = np.array(p)
        if name == "permutation":  # uniform on 1/100, ..., 1
            shifted = shifted - rng.uniform(0, 0.01, size=len(p))
        assert stats.kstest(shifted, "uniform").pvalue > 1e-7, (kind, name)


def test_permuting_the_pairing_is_no_null():
    """The control of the last test: the null that comes to mind first is far from uniform.

    Its distance is 0.33, of which sampling moves less than 0.023; 0.13 is enough for an alarm.
    """
    rng, p = np.random.default_rng(), []
    for _ in range(500):
        model = heads.read(random_weights(rng, n=96, d=8), n_heads=2)
        table = heads.induction(model, (0, 0), (1, 0)).table()
        drawn = [table[np.arange(96), rng.permutation(96)].sum() for _ in range(99)]
        p.append((1 + np.sum(drawn >= np.trace(table))) / 100)
    shifted = np.array(p) - rng.uniform(0, 0.01, size=len(p))
    assert stats.kstest(shifted, "uniform").pvalue < 1e-7


# --- planted heads, and only them

DECOYS = ("duplicate", "shuffled", "wrong source", "recent", "anti-copying")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_layers": 3, "decoys": DECOYS},
        {"n_layers": 3, "decoys": DECOYS, "planted": False},
        {"noise": 0.5, "decoys": DECOYS[:2]},
        {"coherence": 0.8, "decoys": DECOYS[:2]},
        {"n_tokens": 20, "length": 40, "width": 160, "n_heads": 2, "decoys": ("recent",)},
    ],
)
@pytest.mark.parametrize("law", ["rotation", "gaussian"])
def test_planted_heads_are_found_and_only_they(options, law):
    """A false one has a chance of 1e-7, however many decoys look right."""
    specimen = heads.specimen(**options, rng=None)
    found = heads.find(specimen.heads, level=1e-7, law=law)
    assert {(each.kind, each.places) for each in found.found} == specimen.wanted
    assert found.circuits == ((specimen.circuit,) if specimen.circuit else ())
    assert set(found.found) <= set(found.significant)


def test_the_level_is_that_of_all_tests_together(rng):
    """Of random models with 12 tests each, a fifth is wrong somewhere, up to a chance of 1e-7."""
    wrong, alone = 0, 0
    for _ in range(100):
        findings = heads.find(heads.read(random_weights(rng), n_heads=2), level=0.2)
        assert len(findings.detections) == 4 + 4 + 4
        wrong += bool(findings.significant)
        alone += any(each.p_value() <= 0.2 for each in findings.detections)
    most = stats.binom.isf(1e-7, 100, 0.2)
    assert wrong <= most
    assert alone > most  # with the level for each test about 1 - 0.8^12 of them are, 93 %


@pytest.mark.slow
def test_no_false_head_in_two_hundred_random_models():
    """At 1e-3 a model, more than five of 200 have a chance of 7e-8."""
    rng = np.random.default_rng()
    false = {"rotation": 0, "gaussian": 0}
    for i in range(200):
        weights = random_weights(rng, coherence=0.9 * (i % 2), uniform=i % 4 > 1)
        model = heads.read(weights, n_heads=4)
        for law in false:
            false[law] += bool(heads.find(model, level=1e-3, law=law).significant)
    assert stats.binom.sf(5, 200, 1e-3) < 1e-7
    assert max(false.values()) <= 5


def test_our_hand_built_head_is_found():
    task = am.InductionTask(n_tokens=16, length=16, n_triggers="random", predict="all")
    emb = am.FrozenEmbeddings.random(task, width=400, rng=0)
    planted = am.FrozenTransformer(emb, **am.induction_head(task, emb, beta=5))
    found = heads.find(heads.read(planted))
    assert found.circuits == (((0, 0), (1, 0)),)
    untrained = am.FrozenTransformer(emb)
    assert heads.find(heads.read(untrained), level=1e-7).found == ()


def test_the_memories_of_three_steps_are_found_where_they_were_written():
    """Triggers among all tokens, contents among the classes: as the probes ask."""
    task = am.InductionTask(n_tokens=20, length=16, n_triggers=4)
    emb = am.FrozenEmbeddings.random(task, width=600, rng=0)
    run = am.top_down(task, emb, margins=(0.5, 10, 20), rng=0)
    model = heads.read(run.model())
    contents = task.contents
    found = {
        "W_K2": heads.induction(model, (0, 0), (1, 0), tokens=task.triggers),
        "W_O2": heads.copying(model, (1, 0), tokens=contents, targets=contents - task.outputs[0]),
    }
    for name, each in found.items():
        assert each.p_value() < 1e-6
        probe = am.probe(name, task, emb)
        assert each.recall == probe.recall(run.model().weights[name]) == 1.0
        np.testing.assert_allclose(each.chance, probe.chance)
    others = heads.induction(model, (0, 0), (1, 0), tokens=contents)
    assert others.recall < 0.5
    with pytest.raises(ValueError, match="among: expected all tokens that are asked"):
        heads.induction(model, (0, 0), (1, 0), tokens=[0, 1], among=[1, 2])


def test_what_a_detector_needs_is_said(rng):
    model = heads.read(random_weights(rng), n_heads=2)
    with pytest.raises(ValueError, match="a head of an earlier layer and one of a later"):
        heads.induction(model, (1, 0), (0, 0))
    with pytest.raises(ValueError, match=r"place: expected one of 2 layers of 2 heads"):
        heads.previous_token(model, (0, 2))
    with pytest.raises(TypeError, match=r"place: expected \(layer, head\)"):
        model[0]
    with pytest.raises(ValueError, match="targets: expected numbers from 0 to 15"):
        heads.copying(model, (0, 0), targets=np.arange(1, 17))
    with pytest.raises(ValueError, match="targets: expected 2, one for each token"):
        heads.copying(model, (0, 0), tokens=[0, 1], targets=[1])
    with pytest.raises(ValueError, match="level: expected a probability"):
        heads.find(model, level=0)
    with pytest.raises(ValueError, match="law: expected one of"):
        heads.copying(model, (0, 0)).p_value("normal")
    asked = heads.copying(model, (0, 0), tokens=[3, 1], targets=[0, 2])
    assert asked.table().shape == (2, 16)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"width": 30}, "n_heads: expected a divisor of the width 30"),
        ({"n_layers": 1}, "expected at least 3, 3 and 2"),
        ({"decoys": ["copy"]}, "decoys: expected one of"),
        ({"decoys": ["shuffled"] * 4}, "expected room for"),
        ({"coherence": 1.0}, r"coherence: expected a number in \[0, 1\)"),
        ({"width": 2**20}, "expected a model of at most"),
    ],
)
def test_specimens_that_cannot_be_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        heads.specimen(**options, rng=0)


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_head_works_on_data(seed):
    specimen = heads.specimen(rng=seed)
    rng = np.random.default_rng(seed)
    tokens = np.stack([np.resize(rng.permutation(32)[:12], 32) for _ in range(10)])
    logits, maps = specimen.heads.run(tokens)
    assert np.mean(logits[:, 12:-1].argmax(axis=2) == tokens[:, 13:]) > 0.8
    (l1, h1), (l2, h2) = specimen.circuit
    assert np.mean([maps[l1][:, h1, t, t - 1] for t in range(1, 32)]) > 0.8
    assert np.mean([maps[l2][:, h2, t, t - 11] for t in range(13, 32)]) > 0.5
