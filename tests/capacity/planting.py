"""Errors that are planted in the laws of recall."""

from __future__ import annotations

from tests.controls import altered_result


def lenient(by):
    """An error of `_margin`: a key that is beaten by no more than this counts as recalled."""
    return altered_result(lambda found: (found[0] + by * 2.0 ** -found[1], found[1]))


def by_rule(instead):
    """A function of a rule that takes another one."""
    return lambda function: lambda *args, rule, **kw: function(*args, rule=instead(rule), **kw)


def overlaps(change):
    """The overlaps of a key, which the laws of recall start from, changed."""
    return altered_result(lambda found: change(*found))


def scaled(by):
    """The second result of moments, altered."""
    return altered_result(lambda found: (found[0], by * found[1]))
