"""C1 to C5 and C7 follow from the library, and fail once a term of it is altered."""

from __future__ import annotations
import __future__

import inspect

import pytest

import assocmem as am
from assocmem import capacity as library
from theory import CLAIMS
from theory.derivation import DerivationError, derive
from theory.derivations import capacity
from theory.derivations.capacity import DERIVATIONS
from theory.derivations.recall import DERIVATIONS as RECALL

ALL = DERIVATIONS | RECALL


@pytest.mark.parametrize("claim_id", DERIVATIONS)
def test_the_derivation_holds(claim_id):
    steps = derive(CLAIMS[claim_id], DERIVATIONS[claim_id]).steps
    assert any(step.checked for step in steps)


def fails(claim_id, monkeypatch, name, error, owner=library):
    monkeypatch.setattr(owner, name, error(getattr(owner, name)))
    with pytest.raises(DerivationError, match=rf"^{claim_id}: "):
        derive(CLAIMS[claim_id], ALL[claim_id])


def replaced(name, term, other):
    """The library's function, with one term of its source replaced."""
    source = inspect.getsource(getattr(library, name))
    assert source.count(term) == 1, f"{term!r} is in {name} {source.count(term)} times"
    flags = __future__.annotations.compiler_flag
    code = compile(source.replace(term, other), name, "exec", flags, dont_inherit=True)
    names = {}
    exec(code, vars(library), names)
    return names[name]


def fails_with(claim_id, monkeypatch, name, term, other):
    altered = replaced(name, term, other)
    fails(claim_id, monkeypatch, name, lambda _: altered)


def test_a_function_whose_source_is_the_same_does_the_same(monkeypatch):
    for name in ("sampled_recall", "recall_probability", "capacity", "zipf_recall", "_overlaps"):
        monkeypatch.setattr(library, name, replaced(name, f"def {name}(", f"def {name}("))
    for claim_id in ("AM3", "C2", "C3", "C4", "C7"):
        assert any(step.checked for step in derive(CLAIMS[claim_id], ALL[claim_id]).steps)


SAMPLER = [
    ("weight * np.sqrt(rng.chisquare(d, size))", "weight * np.sqrt(rng.chisquare(d + 1, size))"),
    ("weight * np.sqrt(rng.chisquare(d, size))", "1.1 * weight * np.sqrt(rng.chisquare(d, size))"),
    ("scale * rng.standard_normal", "1.1 * scale * rng.standard_normal"),
    ("along = np.sqrt(rng.chisquare(d, size))", "along = np.sqrt(rng.chisquare(d - 1, size))"),
    ("- np.sum(f * h, axis=1)", "+ np.sum(f * h, axis=1)"),
    ("- np.sum(f * h, axis=1)", ""),
    ("along[:, None] * f + h", "along[:, None] * f + 0.9 * h"),
]


@pytest.mark.parametrize("claim_id", ["AM3", "C2", "C3", "C4"])
@pytest.mark.parametrize(("term", "other"), SAMPLER)
def test_the_derivation_fails_for_another_sampler(claim_id, term, other, monkeypatch):
    fails_with(claim_id, monkeypatch, "sampled_recall", term, other)


@pytest.mark.parametrize(
    ("claim_id", "name", "term", "other"),
    [
        ("C2", "sampled_recall", "sqrt(own) * rng", "0 * rng"),
        ("C4", "sampled_recall", "rng.chisquare(n - d, size)", "rng.chisquare(n - 1, size)"),
        ("C4", "sampled_recall", "b -= b.mean(axis=1, keepdims=True)", "b -= 0"),
        ("C2", "_overlaps", "1.0, n / m - 1,", "1.0, n / m,"),
        ("C2", "_overlaps", "np.array([n / m])", "np.array([n / m - 1])"),
        ("C3", "_overlaps", "np.delete(w, item) ** 2", "np.delete(w, item)"),
        ("C3", "_overlaps", "float(w[item])", "float(w[item] ** 2)"),
        ("C7", "_overlaps", "1.0, n / m - 1,", "1.0, n / m,"),
        ("C7", "_overlaps", "np.array([n / m])", "np.array([n / m - 1])"),
        ("C7", "_overlaps", "float(w[item])", "float(w[item] ** 2)"),
    ],
)
def test_the_derivation_fails_for_other_overlaps(claim_id, name, term, other, monkeypatch):
    fails_with(claim_id, monkeypatch, name, term, other)


@pytest.mark.parametrize(
    ("term", "other"),
    [
        ("weight * (1 - 1 / (2 * d))", "weight"),
        ("(d * (weight**2 + own) + others)", "(d * weight**2 + others)"),
        ("(d * (weight**2 + own) + others)", "((d + 1) * (weight**2 + own) + others)"),
        ("(d * (weight**2 + rivals) + own + others - rivals)",
         "(d * (weight**2 + rivals) + own + others)"),
        ("(d * (weight**2 + rivals) + own + others - rivals)",
         "(d * (weight**2 + rivals) + others - rivals)"),
        ("counts @ log_ndtr", "np.ones(len(counts)) @ log_ndtr"),
        ("step = 1 / 8", "step = 1"),
    ],
)  # fmt: skip
def test_C7_fails_for_another_approximation(term, other, monkeypatch):
    fails_with("C7", monkeypatch, "recall_probability", term, other)


def test_C7_fails_for_another_capacity(monkeypatch):
    fails_with(
        "C7", monkeypatch, "capacity", "classes=classes) - recall", "classes=classes) - 0.51"
    )


def test_C2_fails_for_another_limit_of_few_values(monkeypatch):
    fails_with("C2", monkeypatch, "recall_probability", "right = (d *", "right = (0.999 * d *")


@pytest.mark.parametrize(
    ("term", "other"),
    [
        ("np.arange(1, reach * place + 2)", "np.arange(2, reach * place + 2)"),
        ("/ place) ** exponent", "/ place) ** (exponent + 1e-9)"),
        ("reach = 9 **", "reach = 3 **"),
    ],
)
def test_C3_fails_for_another_product(term, other, monkeypatch):
    fails_with("C3", monkeypatch, "zipf_recall", term, other)


def scaled(by):
    """The second result of moments, altered."""

    def error(moments):
        def altered(*args, **kw):
            mean, variance = moments(*args, **kw)
            return mean, variance * by

        return altered

    return error


@pytest.mark.parametrize("name", ["score_moments", "margin_moments"])
def test_C1_fails_for_another_variance(name, monkeypatch):
    fails("C1", monkeypatch, name, scaled(2))


@pytest.mark.parametrize("family", ["gaussian", "sphere", "rademacher"])
def test_C1_fails_for_another_law_of_the_entries(family, monkeypatch):
    """Fourth moments a tenth too large; the second ones are unchanged."""
    moment = getattr(capacity, f"{family}_moment")
    monkeypatch.setattr(
        capacity,
        f"{family}_moment",
        lambda powers: moment(powers) * (11 if sum(powers) == 4 else 10) / 10,
    )
    with pytest.raises(DerivationError, match=rf"^C1: .*\({family}\).*differ"):
        derive(CLAIMS["C1"], DERIVATIONS["C1"])


def doubled(scores):
    return lambda self: 2 * scores(self)


def squared(scores):
    def altered(self):
        coefficients = self.coefficients**2 + 1
        return scores(
            am.AssociativeMemory(keys=self.keys, values=self.values, coefficients=coefficients)
        )

    return altered


@pytest.mark.parametrize("claim_id", ["C1", "C2", "C4"])
@pytest.mark.parametrize("error", [doubled, squared])
def test_the_derivation_fails_for_other_scores(claim_id, error, monkeypatch):
    fails(claim_id, monkeypatch, "scores", error, owner=am.AssociativeMemory)


@pytest.mark.parametrize("claim_id", ["C2", "C3"])
def test_the_derivation_fails_for_other_moments_of_scores(claim_id, monkeypatch):
    fails(claim_id, monkeypatch, "score_moments", scaled(2))


def test_C3_fails_for_another_limit(monkeypatch):
    fails("C3", monkeypatch, "zipf_recall", lambda f: lambda x, a: f(x, a) * (1 + 1e-9))


@pytest.mark.parametrize("rule", ["pseudo-inverse", "gradient step"])
def test_C4_fails_for_another_rule(rule, monkeypatch):
    def error(memorise):
        return lambda *args, rule: memorise(*args, rule="outer products")

    fails("C4", monkeypatch, "memorise", error)


def test_C4_fails_for_other_moments_of_margins(monkeypatch):
    fails("C4", monkeypatch, "margin_moments", scaled(2))


@pytest.mark.parametrize("error", [-1, 1])
def test_C5_fails_for_another_bound(error, monkeypatch):
    fails("C5", monkeypatch, "storage_bound", lambda bound: lambda d: bound(d) + error)
