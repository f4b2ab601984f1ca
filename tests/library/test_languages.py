"""Bigram languages: laws, counts, the table that ships, and the tables that draw from them."""

from __future__ import annotations

import csv
import os
import platform
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import stats

from assocmem.tasks import Language, characters
from assocmem.tasks.alias import AliasTables, alias_tables
from assocmem.tasks.counts import bigram_counts, most_frequent_characters, readable
from tests.rounding import EPS

FALSE_ALARM = 1e-6  # of each statistical test below

seeds = st.integers(0, 2**32 - 1)
modest = settings(max_examples=50, deadline=None)


# --- laws ----------------------------------------------------------------------------------------


def check_laws(language):
    n = language.n_tokens
    for laws in language.unigram[None], language.bigram:
        assert laws.shape[1] == n
        assert (laws >= 0).all()
        assert np.abs(laws.sum(axis=1) - 1).max() <= n * EPS
    assert language.bigram.shape == (n, n)
    assert len(set(language.names)) == len(language.names) == n


def test_uniform():
    language = Language.uniform(7)
    check_laws(language)
    assert (language.unigram == 1 / 7).all()
    assert (language.bigram == 1 / 7).all()
    assert language.names == tuple("0123456")


@modest
@given(
    n=st.integers(2, 40),
    exponent=st.floats(-3, 3),
    concentration=st.floats(1e-3, 1e6),
    seed=seeds,
)
def test_zipf_is_a_power_law_with_stochastic_rows(n, exponent, concentration, seed):
    arguments = {"exponent": exponent, "concentration": concentration}
    language = Language.zipf(n, **arguments, rng=seed)
    check_laws(language)
    power = np.arange(1, n + 1) ** -exponent
    assert np.allclose(language.unigram, power / power.sum(), rtol=n * EPS * 10, atol=0)
    same = Language.zipf(n, **arguments, rng=np.random.default_rng(seed))
    np.testing.assert_array_equal(language.bigram, same.bigram)


def test_zipf_at_large_exponents_does_not_overflow():
    check_laws(Language.zipf(5, exponent=-400, rng=0))
    with pytest.raises(ValueError, match=r"exponent: expected probabilities above 0; got expo"):
        Language.zipf(5, exponent=2000, rng=0)


def dirichlet_p(language, concentration):
    """Bonferroni-corrected p-value that the rows are Dirichlet(concentration · unigram).

    The entries of a column are then independent Beta(c π, c (1 - π)): Kolmogorov's exact test.
    """
    columns = zip(language.bigram.T, concentration * language.unigram, strict=True)
    p = [stats.kstest(x, stats.beta(a, concentration - a).cdf).pvalue for x, a in columns]
    return min(p) * len(p)


def test_zipf_rows_are_dirichlet_around_the_unigram():
    language = Language.zipf(300, exponent=0.5, concentration=500.0, rng=8)
    assert dirichlet_p(language, 500.0) > FALSE_ALARM
    assert dirichlet_p(language, 1000.0) < FALSE_ALARM  # the control


def test_the_rows_of_zipf_say_as_much_as_the_docstring():
    """Mean divergence of rows and unigram: exact under the Dirichlet law; counted for characters.

    E[x ln x] = a/c (ψ(a + 1) - ψ(c + 1)) for x ~ Beta(a, c - a).
    """
    from scipy.special import digamma

    pi = Language.zipf(65, rng=0).unigram
    expected = (pi * (digamma(20 * pi + 1) - digamma(21) - np.log(pi))).sum()
    language = Language.characters()
    joint = language.unigram[:, None] * language.bigram
    counted = stats.entropy(joint.ravel(), np.outer(language.unigram, language.unigram).ravel())
    # joint and product share the first marginal, so this is the mean divergence of the rows
    assert round(float(expected), 2) == 0.76
    assert round(float(counted), 2) == 0.78


# --- texts ---------------------------------------------------------------------------------------

texts = st.text("ab c\n␣", min_size=2).filter(lambda text: len(set(text)) > 1)


@modest
@given(text=texts)
def test_a_text_is_counted_as_a_circle(text):
    language = Language.from_text(text)
    check_laws(language)
    order = most_frequent_characters(text)
    assert order == sorted(set(text), key=lambda c: (-text.count(c), c))
    assert language.names == readable(order)
    counts = Counter(zip(text, text[1:] + text[0], strict=True))
    for i, a in enumerate(order):
        assert language.unigram[i] == text.count(a) / len(text)
        for j, b in enumerate(order):
            assert language.bigram[i, j] == counts[a, b] / text.count(a)
    # each character comes after as many characters as before: the unigram is stationary
    moved = language.unigram @ language.bigram
    assert np.abs(moved - language.unigram).max() <= (language.n_tokens + 1) * EPS


@modest
@given(text=st.text("abcde", min_size=1), kept=st.permutations("abcxyz"), n=st.integers(1, 6))
def test_characters_that_are_not_asked_for_separate(text, kept, n):
    pairs = Counter(zip(text, text[1:] + text[0], strict=True))
    expected = [[pairs[a, b] for b in kept[:n]] for a in kept[:n]]
    np.testing.assert_array_equal(bigram_counts(text, kept[:n]), expected)


def test_a_path_is_read_and_a_string_is_the_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("abba ü", encoding="utf-8")
    assert Language.from_text(path).names == Language.from_text("abba ü").names
    assert set(Language.from_text("a.txt").names) == set("a.tx")


def test_names_of_characters_can_be_seen_and_differ():
    every = [chr(code) for code in range(0x3000) if not 0xD800 <= code < 0xE000]
    names = readable(every)
    assert len(set(names)) == len(every)
    assert all(name and name.isprintable() and not name.isspace() for name in names)
    assert readable("a\n") == ("a", "↵")


def test_texts_that_are_refused():
    for text in "", "a", "aaa":
        with pytest.raises(ValueError, match=r"text: expected two different characters .*Path"):
            Language.from_text(text)
    with pytest.raises(TypeError, match=r"text: expected the text as a str, or a Path .* bytes"):
        Language.from_text(b"abc")


# --- counts --------------------------------------------------------------------------------------


def test_counts_by_hand():
    language = Language.from_counts([[0, 3], [1, 2]], names=["x", "y"])
    np.testing.assert_array_equal(language.unigram, [0.5, 0.5])
    np.testing.assert_array_equal(language.bigram, [[0, 1], [1 / 3, 2 / 3]])
    smoothed = Language.from_counts([[0, 3], [0, 0]], smoothing=0.5)
    np.testing.assert_array_equal(smoothed.bigram, [[0.125, 0.875], [0.5, 0.5]])
    np.testing.assert_array_equal(smoothed.unigram, [0.8, 0.2])


def test_counts_from_files(tmp_path):
    path = tmp_path / "counts.csv"
    for text, names in [
        ("1,2\n3,4\n", ("0", "1")),
        ("# of a\n# book\n1,2\n3,4\n", ("0", "1")),
        (',#,""","\n#,1,2\n""",",3,4\n', ("#", '",')),
    ]:
        path.write_text(text, encoding="utf-8")
        for given_path in path, str(path):
            language = Language.from_counts(given_path)
            np.testing.assert_array_equal(language.bigram, [[1 / 3, 2 / 3], [3 / 7, 4 / 7]])
            assert language.names == names
    assert Language.from_counts(path, names="pq").names == ("p", "q")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected rows of one length in counts.csv; got others or none"),
        ("1,2\n3\n", "expected rows of one length in counts.csv"),
        ("1,2\n3,x\n", "expected numbers in counts.csv; .*'x'.* empty corner"),
        (",a,b\na,1,2\nc,3,4\n", r"followed by some token; got no count in the rows \['b'\]"),
        (",a,a\na,1,2\nc,3,4\n", "counts: expected different names; got 'a' twice"),
        (",a,b,c\na,1,2\nc,3,4\n", r"a name for each row and column; got 2 and 3 .* \(2, 2\)"),
        ("1,2,3\n3,4,5\n", r"expected a square table.* \(2, 3\)"),
        ("1,nan\n3,4\n", "counts: expected finite numbers; got NaN"),
        ("1,-2\n3,4\n", "counts: expected numbers that are at least 0; got -2"),
        ("0,0\n3,4\n", r"followed by some token; got no count in the rows \[0\].* smoothing"),
    ],
)
def test_files_that_are_refused(tmp_path, text, message):
    path = tmp_path / "counts.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        Language.from_counts(path)


def test_wrong_arguments_are_named():
    half, square = [0.5, 0.5], [[0.5, 0.5], [0, 1]]
    with pytest.raises(ValueError, match=r"unigram: expected a law on two tokens or more.*\(1,\)"):
        Language(unigram=[1], bigram=[[1]])
    with pytest.raises(ValueError, match=r"bigram: expected shape \(2, 2\).*got \(1, 2\)"):
        Language(unigram=half, bigram=[half])
    with pytest.raises(ValueError, match=r"unigram: expected a sum of 1 for each law; got 1.1"):
        Language(unigram=[0.5, 0.6], bigram=square)
    with pytest.raises(
        ValueError, match=r"bigram: expected a sum of 1 for each law; .*Divide each"
    ):
        Language(unigram=half, bigram=[[0.5, 0.5], [0.5, 0.6]])
    with pytest.raises(ValueError, match=r"unigram: expected probabilities, at least 0"):
        Language(unigram=[1.5, -0.5], bigram=square)
    with pytest.raises(TypeError, match=r"bigram: expected real numbers; got dtype <U"):
        Language(unigram=half, bigram=[["a", "b"], ["c", "d"]])
    with pytest.raises(ValueError, match=r"bigram: expected rows of one length"):
        Language(unigram=half, bigram=[[1], [0.5, 0.5]])
    for names in "a", "aa":
        with pytest.raises(ValueError, match=r"names: expected 2 different names, one per token"):
            Language(unigram=half, bigram=square, names=names)
    with pytest.raises(TypeError, match=r"names: expected strings"):
        Language(unigram=half, bigram=square, names=[0, 1])
    with pytest.raises(ValueError, match=r"n: expected at least 2; got 1"):
        Language.uniform(1)
    with pytest.raises(ValueError, match=r"n: expected at most 16384 tokens; .*8\.0e\+12 bytes"):
        Language.uniform(10**6)
    for wrong in 0.0, -1.0, float("nan"), float("inf"):
        with pytest.raises(ValueError, match=r"concentration: expected a positive finite number"):
            Language.zipf(3, concentration=wrong, rng=0)
    with pytest.raises(ValueError, match=r"exponent: expected a finite number; got nan"):
        Language.zipf(3, exponent=float("nan"), rng=0)
    with pytest.raises(ValueError, match=r"smoothing: expected a finite number >= 0; got -1"):
        Language.from_counts([[1, 1], [1, 1]], smoothing=-1)


# --- the table that ships ------------------------------------------------------------------------


def read_table(text):
    """Provenance lines, names and integer counts."""
    lines = text.splitlines()
    about = [line for line in lines if line.startswith("# ")]
    corner, *rows = csv.reader(lines[len(about) :])
    assert corner[0] == ""
    assert [row[0] for row in rows] == corner[1:]
    return "\n".join(about), corner[1:], np.array([[int(c) for c in row[1:]] for row in rows])


def check_table(text):
    about, names, counts = read_table(text)
    assert len(names) == len(set(names)) == 65
    assert counts.shape == (65, 65)
    assert (counts >= 0).all()
    assert (counts.sum(axis=1) > 0).all()
    assert f"{counts.sum()} bigrams counted" in about
    assert "python -m assocmem.tasks.characters" in about
    # kept characters are counted as first and as second, but for neighbours that are dropped
    n_characters = int(re.search(r"(\d+) characters,", about).group(1))
    assert 0.95 * n_characters < counts.sum() < n_characters


def test_the_shipped_table():
    text = characters.TABLE.read_text(encoding="utf-8")
    check_table(text)
    _, names, counts = read_table(text)
    language = Language.characters()
    check_laws(language)
    assert language.names == tuple(names)
    np.testing.assert_array_equal(
        language.bigram, counts / counts.sum(axis=1, dtype=float)[:, None]
    )
    np.testing.assert_array_equal(language.unigram, counts.sum(axis=1) / counts.sum())
    assert language.names[:2] == ("␣", "e")
    assert "↵" in names
    assert Language.characters() is language
    # nearly stationary: only what stands beside dropped characters and topic ends is missing
    assert np.abs(language.unigram @ language.bigram - language.unigram).sum() < 0.02


def test_the_script_makes_the_table(tmp_path):
    path = tmp_path / "again.csv"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "assocmem.tasks.characters", str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    assert done.stdout.strip() == str(path)
    assert os.listdir(tmp_path) == ["again.csv"]  # nothing partial is left
    again = path.read_text(encoding="utf-8")
    check_table(again)
    shipped = characters.TABLE.read_text(encoding="utf-8")
    if f"CPython {platform.python_version()}," in shipped:
        assert again == shipped
    # and it counts what this Python carries, by another way
    _, names, counts = read_table(again)
    frequency = Counter(character for text in topics.values() for character in text)
    kept = sorted(frequency, key=lambda c: (-frequency[c], c))[:65]
    assert names == list(readable(kept))
    pairs = Counter(pair for text in topics.values() for pair in pairwise(text))
    np.testing.assert_array_equal(counts, [[pairs[a, b] for b in kept] for a in kept])


def test_the_script_refuses_other_arguments(capsys):
    for wrong in ["--help"], ["a", "b"]:
        assert characters.main(wrong) == 2
        assert "usage" in capsys.readouterr().err


# --- drawing from laws ---------------------------------------------------------------------------

weights = npst.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 30)),
    elements=st.one_of(st.just(0.0), st.floats(1e-12, 1)),
).filter(lambda array: (array.sum(axis=1) > 0).all())


@modest
@given(weights=weights)
def test_alias_tables_keep_the_laws(weights):
    laws = weights / weights.sum(axis=1, keepdims=True)
    tables, n = alias_tables(laws), laws.shape[1]
    assert (tables.keep >= 0).all()
    assert (tables.keep <= 1).all()
    # n subtractions from masses up to n, each off by n eps/2, over n; as much for the sum, scaling
    np.testing.assert_allclose(tables.laws(), laws, rtol=0, atol=2 * n * EPS)
    assert (tables.laws()[laws == 0] == 0).all()


def test_the_law_check_can_fail():
    laws = np.array([[0.5, 0.3, 0.2]])
    tables = alias_tables(laws)
    wrong = tables._replace(alias=(tables.alias + 1) % 3)
    assert np.abs(wrong.laws() - laws).max() > 0.01


def test_draws_follow_the_tables_exactly():
    """Sixty-fourths on four tokens: a grid of 1024 points meets every cell in proportion."""
    counts = np.array([[1, 31, 0, 32], [64, 0, 0, 0], [16, 16, 16, 16], [0, 0, 63, 1]])
    tables = alias_tables(counts / 64)
    grid = (np.arange(1024) + 0.5) / 1024
    cell, place = tables.cells(grid)
    tokens = np.empty(1024, dtype=np.int32)
    for law in range(4):
        tables.draw(4 * law + cell, cell, place, out=tokens)
        np.testing.assert_array_equal(np.bincount(tokens, minlength=4), 16 * counts[law])
    for token in range(4):  # after the laws, an entry for each token that is certain
        tables.draw(np.full(1024, 4 * 4 + token), cell, place, out=tokens)
        assert (tokens == token).all()


def test_the_largest_uniform_picks_the_last_cell():
    largest = np.array([np.nextafter(1, 0), 0.0])
    for n in range(1, 3000):
        tables = AliasTables(np.ones((1, n)), np.zeros((1, n), dtype=int))
        cell, place = tables.cells(largest)
        assert cell.tolist() == [n - 1, 0]
        assert (place < 1).all()
