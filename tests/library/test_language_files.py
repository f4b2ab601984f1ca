"""Languages from tables with labels and from files in any encoding."""

from __future__ import annotations

import codecs
import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assocmem import Language

pandas = pytest.importorskip("pandas")

MARKED = {
    "utf-8-sig": b"",  # they write their mark themselves
    "utf-16": b"",
    "utf-32": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


def laws(language):
    """By names, so that their order does not matter."""
    return {
        (a, b): language.bigram[i, j]
        for (i, a), (j, b) in itertools.product(enumerate(language.names), repeat=2)
    } | dict(zip(language.names, language.unigram, strict=True))


@st.composite
def texts(draw):
    """First and second words of pairs; each word is first at least once."""
    words = draw(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=8, unique=True))
    pairs = [(word, draw(st.sampled_from(words))) for word in words]
    pairs += draw(st.lists(st.tuples(st.sampled_from(words), st.sampled_from(words)), max_size=30))
    return draw(st.permutations(pairs)), words


@given(texts(), st.randoms())
def test_rows_and_columns_are_matched_by_their_labels(text, random):
    pairs, words = text
    counts = np.zeros((len(words), len(words)))
    for a, b in pairs:
        counts[words.index(a), words.index(b)] += 1
    expected = laws(Language.from_counts(counts, names=words))
    first, second = (pandas.Series(side) for side in zip(*pairs, strict=True))
    table = pandas.crosstab(first, second)  # columns of the words that come second at all
    assert laws(Language.from_counts(table)) == pytest.approx(expected)
    rows, columns = list(table.index), list(table.columns)
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = table.loc[rows, columns]
    language = Language.from_counts(shuffled)
    assert list(language.names[: len(rows)]) == rows
    assert laws(language) == pytest.approx(expected)


@given(texts(), st.randoms())
def test_rows_and_columns_of_a_file_are_matched_by_their_names(text, random):
    first, second = (pandas.Series(side) for side in zip(*text[0], strict=True))
    table = pandas.crosstab(first, second)
    columns = list(table.columns)
    random.shuffle(columns)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.csv"
        table[columns].to_csv(path, index_label="")
        assert laws(Language.from_counts(path)) == laws(Language.from_counts(table))


def test_the_table_that_gave_the_identity():
    table = pandas.DataFrame(np.eye(3), index=list("abc"), columns=list("bcd"))
    with pytest.raises(
        ValueError, match=r"followed by some token; got no count in the rows \['d'\]"
    ):
        Language.from_counts(table)
    language = Language.from_counts(table, smoothing=1e-9)
    assert language.names == ("a", "b", "c", "d")
    assert language.bigram[:3, 1:].round(6).tolist() == np.eye(3).tolist()


def test_numbers_as_labels_are_names_too():
    language = Language.from_counts(
        pandas.DataFrame([[1, 2], [3, 4]], index=[7, 9], columns=[9, 7])
    )
    assert language.names == ("7", "9")
    assert language.bigram.round(3).tolist() == [[0.667, 0.333], [0.571, 0.429]]


def test_a_label_that_occurs_twice_is_refused():
    table = pandas.DataFrame(np.ones((2, 2)), index=["a", "a"], columns=["a", "b"])
    with pytest.raises(ValueError, match="counts: expected different names; got 'a' twice"):
        Language.from_counts(table)


def test_names_rename_a_table_but_do_not_reorder_it():
    table = pandas.DataFrame(np.ones((2, 2)), index=["a", "b"], columns=["a", "b"])
    assert Language.from_counts(table, names="xy").names == ("x", "y")
    assert Language.from_counts(table, names="ab").names == ("a", "b")
    with pytest.raises(ValueError, match=r"names: expected new names for the table's \['a', 'b'\]"):
        Language.from_counts(table, names="ba")


def test_laws_with_labels_keep_them_and_must_agree():
    unigram = pandas.Series([0.25, 0.75], index=["a", "b"])
    bigram = pandas.DataFrame([[0.5, 0.5], [0.1, 0.9]], index=["a", "b"], columns=["a", "b"])
    language = Language(unigram=unigram, bigram=bigram)
    assert language.names == ("a", "b")
    assert language.bigram[1].tolist() == [0.1, 0.9]
    for other in (
        {"unigram": unigram[::-1], "bigram": bigram},
        {"unigram": unigram, "bigram": bigram[["b", "a"]]},
        {"unigram": unigram, "bigram": bigram[::-1]},
        {"unigram": [0.5, 0.5], "bigram": bigram[::-1]},
    ):
        with pytest.raises(ValueError, match=r"unigram, bigram: expected labels in one order.*rei"):
            Language(**other)


# Files


def may_be_utf_32(content):
    """Whether the bytes mean one text in UTF-16 and another in UTF-32, both with their marks."""
    try:
        return content.startswith(codecs.BOM_UTF32_LE) and bool(content.decode("utf-32"))
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize("text", ["\0ab", "\0abab", "\0\0ab", "\0\n\0b"])
def test_a_null_character_behind_a_mark(text, tmp_path):
    """It makes the mark of UTF-16 that of UTF-32."""
    content = codecs.BOM_UTF16_LE + text.encode("utf-16-le")
    (tmp_path / "text").write_bytes(content)
    expected = content.decode("utf-32") if may_be_utf_32(content) else text
    if len(set(expected)) > 1:
        assert Language.from_text(tmp_path / "text").names == Language.from_text(expected).names


@settings(max_examples=20)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufeff"), min_size=2))
def test_a_text_in_any_encoding_with_a_mark(text):
    if len(set(text)) < 2:
        return
    expected = Language.from_text(text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text"
        for encoding, mark in [*MARKED.items(), ("utf-8", b"")]:
            for ends in ("\n", "\r\n", "\r"):
                content = mark + text.replace("\n", ends).encode(encoding)
                if encoding == "utf-16-le" and may_be_utf_32(content):
                    continue
                path.write_bytes(content)
                found = Language.from_text(path)
                assert found.names == expected.names
                np.testing.assert_array_equal(found.bigram, expected.bigram)
    assert Language.from_text("\ufeff" + text).names == expected.names


@pytest.mark.parametrize("encoding", [*MARKED, "utf-8"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("comment", ["", "# counted by hand\n"])
def test_counts_in_any_encoding_with_a_mark(encoding, ends, comment, tmp_path):
    text = comment + ",ä,␣\nä,1,2\n␣,3,4\n"
    path = tmp_path / "counts.csv"
    path.write_bytes(MARKED.get(encoding, b"") + text.replace("\n", ends).encode(encoding))
    language = Language.from_counts(path)
    assert language.names == ("ä", "␣")
    assert language.bigram.round(3).tolist() == [[0.333, 0.667], [0.429, 0.571]]


@pytest.mark.parametrize("read", [Language.from_text, Language.from_counts])
@pytest.mark.parametrize("content", [b"gr\xfc\xdfe", b"\x80abc", "grüße".encode("utf-16")[:-1]])
def test_another_encoding_is_named(read, content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"file: expected utf-[^;]+; got other bytes at \d.*read_text"
    ):
        read(path)


@pytest.mark.parametrize("read", [Language.from_text, Language.from_counts])
def test_what_is_no_file_is_refused(read, tmp_path):
    for path in (tmp_path, Path("/dev/zero")):
        with pytest.raises(ValueError, match=r"expected a file; got a folder or a device"):
            read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")


def test_the_name_of_a_file_is_no_text(tmp_path, monkeypatch):
    (tmp_path / "corpus").write_text("to be or not to be")
    monkeypatch.chdir(tmp_path)
    for name in ("corpus", str(tmp_path / "corpus"), "./corpus"):
        with pytest.raises(ValueError, match=r"text: expected the text; got the name of a file"):
            Language.from_text(name)
    assert Language.from_text(Path("corpus")).n_tokens == 7
    for text in ("corpuS", "corpus\n", "corpus\0", "x" * 10**5 + "y"):
        assert Language.from_text(text).n_tokens > 1
