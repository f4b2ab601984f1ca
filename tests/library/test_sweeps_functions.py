"""Which functions a sweep takes for the same: by all that acts in them, what they enclose."""

import os
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

import assocmem as am
from assocmem.sweeps import run
from assocmem.sweeps.digest import digest_of
from tests.library.cells import TESTS, draw

# The function that a file belongs to


def from_source(text):
    """What a script, or a new edit of it, has in the place of the old one."""
    names = {"__name__": "__main__"}
    exec(text, names)
    return names["f"]


def enclosing(value):
    return lambda n, rng: {"value": value}


def changed(value, rng=None, default=None):
    return {"value": value}


SOURCE = """def f(n, rng, k=1):
    inner = lambda x: x + 1
    try:
        return {"value": inner(n) if n in {"a", "b", 1} else k}
    except ValueError:
        return {}
"""
ARRAY = np.arange(3.0)
OTHERS = {
    "constant": SOURCE.replace("else k", "else 2"),
    "nested": SOURCE.replace("x + 1", "x + 2"),
    "set": SOURCE.replace('"b"', '"c"'),
    "name": SOURCE.replace("ValueError", "TypeError"),
    "operator": SOURCE.replace("x + 1", "x - 1"),
    "type": SOURCE.replace("else k", "else k or 1.0"),
    "default": SOURCE.replace("k=1", "k=True"),
    "names of parameters": SOURCE.replace("n, rng, k", "k, rng, n")
    .replace("inner(n) if n", "inner(k) if k")
    .replace("else k", "else n"),
    "parameters": SOURCE.replace("rng, k", "rng, *, k"),
}


@pytest.mark.parametrize("change", OTHERS)
def test_an_edited_function_is_another(change):
    assert OTHERS[change] != SOURCE
    assert digest_of(from_source(OTHERS[change])) != digest_of(from_source(SOURCE))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda n, rng: {"value": n}, lambda n, rng: {"value": -n}),
        (enclosing(1), enclosing(2)),
        (enclosing([ARRAY]), enclosing([ARRAY + 1])),
        (enclosing(ARRAY), enclosing(ARRAY.astype(int))),
        (enclosing(enclosing(1)), enclosing(enclosing(2))),
        (enclosing(np.tanh), enclosing(np.cosh)),
        (enclosing(am.InductionTask(4, 6)), enclosing(am.InductionTask(4, 7))),
        (enclosing(Path("a")), enclosing(Path("b"))),
        (partial(changed, 1), partial(changed, 2)),
        (partial(changed, value=1), partial(changed, default=1)),
        (partial(changed, default={1}), partial(changed, default=[1])),
        (cache(enclosing(1)), cache(enclosing(2))),
        (am.InductionTask(4, 6).sample, am.InductionTask(4, 7).sample),
    ],
)
def test_functions_with_other_values_are_others(one, other):
    assert digest_of(one) == digest_of(one)
    assert digest_of(one) != digest_of(other)


def test_the_same_function_has_the_same_digest():
    assert digest_of(from_source("# a comment\n\n" + SOURCE)) == digest_of(from_source(SOURCE))
    assert digest_of(enclosing([1, ARRAY])) == digest_of(enclosing([1, ARRAY.copy()]))
    assert digest_of(partial(draw, n=1, name="a")) == digest_of(partial(draw, name="a", n=1))


def test_a_function_that_encloses_itself_has_a_digest():
    def f(n, rng):
        return {"value": n if n < 2 else f(n - 1, rng)["value"]}

    assert len(digest_of(f)) == 16


def test_the_digest_does_not_depend_on_the_run_of_python():
    """The order of a set of strings, addresses and the folder do."""
    program = f"""
from functools import partial
from assocmem.sweeps.digest import digest_of
{SOURCE}
print(digest_of(f), digest_of(partial(f, k={{"a", "b", "c"}})), digest_of(partial(f, k=f)))
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(TESTS.parents[1])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
    assert found.pop().split()[0] == digest_of(from_source(SOURCE))


class Power:
    def __init__(self, exponent):
        self.exponent = exponent

    def __call__(self, n, rng):
        return {"power": n**self.exponent}


@pytest.mark.parametrize(
    "function",
    [
        Power(7),
        enclosing(Power(7)),
        partial(changed, default=object()),
        enclosing(np.array([None])),
        enclosing(np.random.default_rng(0)),
        Power(7).__call__,
    ],
)
def test_objects_that_another_run_cannot_compare_need_no_file(function, tmp_path):
    parameter = "value" if isinstance(function, partial) else "n"
    with pytest.raises(
        TypeError, match=r"function: expected, to resume from an output, a function"
    ):
        run(function, {parameter: [1]}, output=tmp_path / "sweep.jsonl")
    assert not list(tmp_path.iterdir())


def test_a_file_does_not_answer_for_another_function(tmp_path):
    output = tmp_path / "sweep.jsonl"
    assert run(enclosing(1), {"n": [1]}, rng=0, output=output)["value"] == [1]
    with pytest.raises(
        ValueError, match=r"(?s)output: .*rename or delete the file, or pass the fun"
    ):
        run(enclosing(2), {"n": [1]}, rng=0, output=output)
    assert run(enclosing(1), {"n": [1]}, rng=0, output=output)["value"] == [1]
