"""The digest of a function: of all that acts, and of nothing else, on every Python."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assocmem.sweeps import run
from assocmem.sweeps.digest import digest_of

SOURCE = """def f(n, rng, k=1):
    x = list(range(300))
    parts = x[:5], x[1:], x[::2], x[2:9:3], x[-1:], (x[1:2], ...)

    class A(dict):
        y = 7
        z = 300

        def set(self):
            self.b, self.a, self.c = 1, 2, 3
            return [y for y in x[3:]]

        class B:
            v = 70_000

    def g(t, *, s=b"s"):
        class C:
            w = -0.5
        return C.w * t if t in {"a", "b", 1j} else lambda: None
    try:
        return {"value": parts if n in (1, 2.0, "three") else A().set(), "g": g(n)}
    except ValueError:
        return {"value": k}
"""
LINES = SOURCE.splitlines(keepends=True)
CONSTANTS = re.findall(r"\b\d[\d_.]*\b|\"\w+\"|(?<=self)\.\w|\bValueError|\bdict", SOURCE)


def digest(source):
    """Of what a script, or a new edit of it, has."""
    names = {"__name__": "__main__"}
    exec(compile(source, "script.py", "exec"), names)
    return digest_of(names["f"])


@given(
    st.lists(st.tuples(st.integers(0, len(LINES)), st.sampled_from([0, 1, 3, 255, 70_000]))),
    st.booleans(),
)
def test_comments_and_blank_lines_change_nothing(inserted, blank):
    lines = list(LINES)
    for at, count in sorted(inserted, reverse=True):
        lines[at:at] = ["\n" if blank else "# a comment\n"] * count
    assert digest("".join(lines)) == digest(SOURCE)


def test_docstrings_of_functions_change_nothing():
    text = SOURCE.replace("k=1):\n", 'k=1):\n    """What it is for."""\n')
    assert text != SOURCE
    assert digest(text) == digest(SOURCE)


OTHERS = {"1": "11", "2": "3", "5": "6", "9": "8", "7": "300", "300": "7", "70_000": "6", "3": "4"}


@pytest.mark.parametrize("at", range(len(CONSTANTS)))
def test_whatever_acts_changes_it(at):
    """Each constant and name in turn."""
    pieces = re.split(r"(\b\d[\d_.]*\b|\"\w+\"|(?<=self)\.\w|\bValueError|\bdict)", SOURCE)
    old = pieces[2 * at + 1]
    assert old == CONSTANTS[at]
    new = {"ValueError": "TypeError", "dict": "list"}.get(old) or OTHERS.get(old)
    if new is None:
        new = old[:-1] + 'q"' if old.startswith('"') else ".q" if old.startswith(".") else old + "1"
    pieces[2 * at + 1] = new
    assert digest("".join(pieces)) != digest(SOURCE)


indices = st.none() | st.integers(-300, 300)
slices = st.tuples(indices, indices, indices.filter(lambda step: step != 0))


def slicing(start, stop, step):
    part = ":".join("" if index is None else str(index) for index in (start, stop, step))
    return f"def f(x, rng):\n    return {{'part': x[{part}]}}\n"


@given(slices, slices)
def test_constant_slices(one, other):
    assert digest(slicing(*one)) == digest("# comment\n" + slicing(*one))
    assert (digest(slicing(*one)) == digest(slicing(*other))) == (one == other)


@given(slices, slices)
def test_slices_and_ranges_as_values(one, other):
    def enclosing(value):
        return lambda n, rng: {"value": value}

    for kind in (slice, range):
        if kind is range:
            one, other = ([x or 1 for x in each] for each in (one, other))
        a, b = kind(*one), kind(*other)
        assert digest_of(enclosing(a)) == digest_of(enclosing(kind(*one)))
        same = (a.start, a.stop, a.step) == (b.start, b.stop, b.step)
        assert (digest_of(enclosing([a])) == digest_of(enclosing([b]))) == same


def test_a_function_with_a_slice_takes_an_output(tmp_path):
    def first(n, rng):
        return {"first": list(range(10))[:2], "last": list(range(n))[-1:]}

    output = tmp_path / "sweep.jsonl"
    table = run(first, {"n": [3, 4]}, rng=0, output=output)
    assert run(first, {"n": [3, 4]}, rng=0, output=output).rows == table.rows
