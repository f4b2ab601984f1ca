"""Errors that are planted in the laws of recall."""

from __future__ import annotations
import __future__

import inspect

import assocmem as am
from assocmem import capacity as library
from tests.controls import located, plant


def lenient(by):
    """An error of `_margin`: a key that is beaten by no more than this counts as recalled."""

    def error(margin):
        def larger(*args):
            found, exponent = margin(*args)
            return found + by * 2.0**-exponent, exponent

        return larger

    return error


def by_rule(instead):
    """A function of a rule that takes another one."""
    return lambda function: lambda *args, rule, **kw: function(*args, rule=instead(rule), **kw)


def overlaps(change):
    """The overlaps of a key, which the laws of recall start from, changed."""
    return lambda given: lambda *args: change(*given(*args))


SAMPLER = [
    ("weight * np.sqrt(rng.chisquare(d, size))", "weight * np.sqrt(rng.chisquare(d + 1, size))"),
    ("weight * np.sqrt(rng.chisquare(d, size))", "1.1 * weight * np.sqrt(rng.chisquare(d, size))"),
    ("scale * rng.standard_normal", "1.1 * scale * rng.standard_normal"),
    ("along = np.sqrt(rng.chisquare(d, size))", "along = np.sqrt(rng.chisquare(d - 1, size))"),
    ("- np.sum(f * h, axis=1)", "+ np.sum(f * h, axis=1)"),
    ("- np.sum(f * h, axis=1)", ""),
    ("along[:, None] * f + h", "along[:, None] * f + 0.9 * h"),
]


def scaled(by):
    """The second result of moments, altered."""

    def error(moments):
        def altered(*args, **kw):
            mean, variance = moments(*args, **kw)
            return mean, variance * by

        return altered

    return error


def doubled(scores):
    return lambda self: 2 * scores(self)


def squared(scores):
    def altered(self):
        coefficients = self.coefficients**2 + 1
        return scores(
            am.AssociativeMemory(keys=self.keys, values=self.values, coefficients=coefficients)
        )

    return altered


def term_replaced(monkeypatch, name, term, other):
    """Replace a function of the laws of recall by itself with one term of its source altered."""
    function = located(library, name)
    source = inspect.getsource(function)
    assert source.count(term) == 1, f"{term!r} is in {name} {source.count(term)} times"
    flags = __future__.annotations.compiler_flag
    code = compile(source.replace(term, other), name, "exec", flags, dont_inherit=True)
    names = {}
    exec(code, function.__globals__, names)
    plant(monkeypatch, library, name, lambda _: names[name])
