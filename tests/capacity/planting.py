"""Errors that are planted in the laws of recall."""

from __future__ import annotations


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


def scaled(by):
    """The second result of moments, altered."""

    def error(moments):
        def altered(*args, **kw):
            mean, variance = moments(*args, **kw)
            return mean, variance * by

        return altered

    return error
