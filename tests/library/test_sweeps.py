"""Sweeps: one table whatever runs the cells, on disk as they come."""

import csv
import json
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import assocmem as am
from assocmem.sweeps import SweepError, Table, run
from assocmem.sweeps.digest import digest_of
from tests.library.cells import GRID, TESTS, draw, fail_at, rows_of


def fail_while(n, folder, rng):
    """Fails as long as the file is there."""
    with open(Path(folder) / "ran", "a") as log:
        log.write(f"{n}\n")
    if n == 2 and (Path(folder) / "broken").exists():
        raise RuntimeError("broken")
    return {"square": n * n}


def die_at(n, rng):
    if n == 1:
        os._exit(3)
    return {"square": n * n}


def die_or_fail(n, rng):
    if n in (1, 6):
        os._exit(3)
    return {"inverse": 1 / (n - 8)}


# The table


def test_the_table_is_in_the_order_of_the_grid():
    table = run(draw, GRID, rng=0)
    assert table["n"] == [3, 3, 1, 1, 4, 4]
    assert table["text"] == ["a3", "b3", "a1", "b1", "a4", "b4"]
    assert table.columns == ("n", "name", "text", "sum", "array")
    assert repr(table) == "Table(6 rows, columns=['n', 'name', 'text', 'sum', 'array'])"
    assert len(table) == 6
    assert np.shape(table["array"][0]) == (2, 3)
    with pytest.raises(KeyError, match=r"column: expected one of .*; got 'mean'"):
        table["mean"]


def test_cells_may_be_listed():
    cells = [{"n": 2, "name": "x"}, {"n": 1, "name": "y"}]
    assert run(draw, cells, rng=0)["text"] == ["x2", "y1"]


def test_results_may_differ_in_their_names():
    table = Table(({"n": 1, "a": 2}, {"n": 2, "b": 3}))
    assert table["a"] == [2, None]


# Randomness


def test_the_generator_depends_on_seed_and_cell_alone():
    by_cell = {(row["n"], row["name"]): row["sum"] for row in rows_of(draw, GRID, rng=7)}
    other_order = {"name": ["b", "c", "a"], "n": [4, 3]}  # and more cells than before
    for row in rows_of(draw, other_order, rng=7):
        assert by_cell.get((row["n"], row["name"]), row["sum"]) == row["sum"]
    assert len(set(by_cell.values())) == len(by_cell)
    assert all(row["sum"] not in by_cell.values() for row in rows_of(draw, GRID, rng=8))


def test_a_generator_and_numpy_numbers_are_taken():
    grid = {"n": np.array([3, 1]), "name": ["a"]}
    assert rows_of(draw, grid, rng=np.int64(5)) == rows_of(
        draw, {"n": [3, 1], "name": ["a"]}, rng=5
    )
    first = rows_of(draw, grid, rng=np.random.default_rng(1))
    assert first == rows_of(draw, grid, rng=np.random.default_rng(1))
    assert rows_of(draw, grid) != rows_of(draw, grid)  # fresh seeds


# Executors


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_every_executor_gives_the_same_table(pool, tmp_path):
    expected = rows_of(draw, GRID, rng=3)
    with pool(2) as executor:
        assert rows_of(draw, GRID, rng=3, executor=executor) == expected
        output = tmp_path / "sweep.jsonl"
        assert rows_of(draw, GRID, rng=3, executor=executor, output=output) == expected
    assert rows_of(draw, GRID, rng=3, output=output) == expected  # all from the file


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_table(tmp_path):
    distributed = pytest.importorskip("distributed")
    expected = rows_of(draw, GRID, rng=3)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        output = tmp_path / "sweep.jsonl"
        assert rows_of(draw, GRID, rng=3, executor=executor, output=output) == expected
        with pytest.raises(SweepError, match="2 of 4 cells failed"):
            run(fail_at, {"n": [0, 1, 2, 3], "bad": [[1, 2]]}, executor=executor)
    assert len(output.read_text().splitlines()) == 1 + len(expected)


def coherence(n, d, rng):
    return {"coherence": am.coherence(am.sphere(n, d, rng=rng))}


def test_an_mpi_pool_gives_the_same_table(start, tmp_path):
    """By the script and the command of the documentation."""
    page = (TESTS.parents[1] / "docs" / "sweeps.md").read_text(encoding="utf-8")
    (text,) = re.findall(r":caption: sweep\.py\n\n(.*?)```", page, re.DOTALL)
    assert "\n$ mpiexec -n 3 python -m mpi4py.futures sweep.py\n" in page
    (tmp_path / "sweep.py").write_text(text)
    assert start("MPI", tmp_path / "sweep.py").wait(timeout=600) == 0
    run(coherence, {"n": [10, 100], "d": [64, 256]}, rng=0).to_csv(tmp_path / "serial.csv")
    assert (tmp_path / "sweep.csv").read_bytes() == (tmp_path / "serial.csv").read_bytes()
    assert len((tmp_path / "sweep.jsonl").read_text().splitlines()) == 1 + 4


# Failing cells


@pytest.mark.parametrize("workers", [0, 2])
def test_a_failing_cell_is_reported_and_loses_nothing(workers):
    grid = {"n": [0, 1, 2, 3], "bad": [[1, 2]]}
    executor = ProcessPoolExecutor(workers) if workers else None
    with pytest.raises(
        SweepError, match=r"(?s)2 of 4 cells failed: \{'n': 1, 'bad'.*no luck at 1"
    ) as e:
        run(fail_at, grid, executor=executor)
    assert e.value.table["square"] == [0, 9]
    assert [cell["n"] for cell, _ in e.value.failures] == [1, 2]
    assert all("ZeroDivisionError: no luck" in text for _, text in e.value.failures)
    if executor:
        executor.shutdown()


def test_a_resumed_sweep_retries_failed_cells_only(tmp_path):
    grid, output = {"n": [1, 2, 3], "folder": [str(tmp_path)]}, tmp_path / "sweep.jsonl"
    (tmp_path / "broken").touch()
    for _ in range(2):
        with pytest.raises(SweepError, match="1 of 3 cells failed"):
            run(fail_while, grid, output=output)
    (tmp_path / "broken").unlink()
    assert run(fail_while, grid, output=output)["square"] == [1, 4, 9]
    assert (tmp_path / "ran").read_text().split() == ["1", "2", "3", "2", "2"]


def cells_of(pairs):
    return [cell["n"] for cell, _ in pairs]


def in_new_pools(workers, function, grid, output):
    """The sweep, again and again in a pool of its own, as one does after a death."""
    while True:
        with ProcessPoolExecutor(workers) as executor, pytest.raises(SweepError) as e:
            run(function, grid, executor=executor, rng=0, output=output)
        yield e.value


def test_a_cell_that_kills_its_worker_loses_none(tmp_path):
    """One worker: the first call ends with its death, the second has all other cells."""
    calls = in_new_pools(1, die_at, {"n": list(range(12))}, tmp_path / "sweep.jsonl")
    first, second, third = (next(calls) for _ in range(3))
    assert first.table["n"] == [0]
    assert cells_of(first.lost)[0] == 1  # the next one may be on its way to the worker
    assert len(first.lost) < 4
    assert cells_of(first.lost + first.not_run) == list(range(1, 12))
    for error in (second, third):
        assert error.table["square"] == [n * n for n in range(12) if n != 1]
        assert cells_of(error.lost) == [1]
        assert error.failures == error.not_run == ()
        text = r"^1 of 12 cells in flight when a worker died: {'n': 1}\. .* with a new executor "
        assert re.search(text, str(error))
        assert "BrokenProcessPool" in str(error)


@pytest.mark.parametrize("workers", [1, 2])
def test_several_killers_and_a_failure_lose_none(workers, tmp_path):
    """Every call either ends the cells that no worker died with, or finds another of the killers;
    a cell that was lost with others then runs alone."""
    calls = in_new_pools(workers, die_or_fail, {"n": list(range(12))}, tmp_path / "sweep.jsonl")
    for _ in range(2 * 2 + 1):
        error = next(calls)
        assert len(error.table) + sum(map(len, (error.failures, error.lost, error.not_run))) == 12
    assert error.table["n"] == [n for n in range(12) if n not in (1, 6, 8)]
    assert cells_of(error.failures) == [8]
    assert sorted(cells_of(error.lost + error.not_run)) == [1, 6]


def test_cells_of_an_executor_that_is_broken_are_not_run(tmp_path):
    with ProcessPoolExecutor(1) as executor:
        with pytest.raises(SweepError, match="in flight when a worker died"):
            run(die_at, {"n": [1]}, executor=executor)
        with pytest.raises(
            SweepError, match=r"2 of 2 cells not run, as a worker died: \{'n': 2\}"
        ) as e:
            run(die_at, {"n": [2, 3]}, executor=executor, output=tmp_path / "sweep.jsonl")
    assert (e.value.failures, e.value.lost, cells_of(e.value.not_run)) == ((), (), [2, 3])
    assert run(die_at, {"n": [2, 3]}, output=tmp_path / "sweep.jsonl")["square"] == [4, 9]


def test_a_function_that_cannot_be_sent_is_a_failure():
    with (
        ProcessPoolExecutor(1) as executor,
        pytest.raises(SweepError, match="1 of 1 cells failed"),
    ):
        run(lambda n, rng: {"n2": n}, {"n": [1]}, executor=executor)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (3, "expected a mapping from names to results; got int"),
        ({"n": 1}, r"expected results with other names than the parameters; got \['n'\]"),
        ({"x": object()}, "Object of type object is not JSON serializable"),
        ({"x": 1j * np.ones(2)}, "Object of type complex is not JSON serializable"),
    ],
)
def test_a_result_that_is_no_table_row_fails_its_cell(result, text):
    with pytest.raises(SweepError, match=text):
        run(lambda n, rng: result, {"n": [1]})


# The file


def test_the_file_is_lines_of_json(tmp_path):
    output = tmp_path / "sweep.jsonl"
    run(draw, GRID, rng=3, output=output)
    head, *records = map(json.loads, output.read_text().splitlines())
    assert head == {
        "sweep": 3,
        "function": f"{draw.__module__}.draw",
        "code": digest_of(draw),
        "python": sys.implementation.cache_tag,
        "seed": 3,
    }
    assert [record["cell"] for record in records][:2] == [
        {"n": 3, "name": "a"},
        {"n": 3, "name": "b"},
    ]


def not_finite(n, rng):
    return {"value": 1 / np.float64(n) if n else np.inf, "array": [np.nan, -np.inf, 0.5]}


def strict(text):
    """JSON by its standard, which has no NaN."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"not JSON: {name}"))


def test_numbers_that_are_not_finite_are_written_in_json_and_come_back(tmp_path):
    output = tmp_path / "sweep.jsonl"
    table = run(not_finite, {"n": [0, 2]}, rng=3, output=output)
    records = list(map(strict, output.read_text().splitlines()))
    assert records[1]["result"] == {"value": "Infinity", "array": ["NaN", "-Infinity", 0.5]}
    for again in (table, run(not_finite, {"n": [0, 2]}, rng=3, output=output)):
        assert again["value"] == [np.inf, 0.5]
        np.testing.assert_array_equal(again["array"][1], [np.nan, -np.inf, 0.5])
    table.to_csv(tmp_path / "table.csv")
    with open(tmp_path / "table.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert float(read[0]["value"]) == np.inf
    assert strict(read[0]["array"]) == ["NaN", "-Infinity", 0.5]


def test_a_file_cut_anywhere_is_completed(tmp_path):
    """A kill in the middle of a write leaves any part of the last line."""
    whole, output = tmp_path / "whole.jsonl", tmp_path / "sweep.jsonl"
    grid = {"n": [1, 2], "bad": [[]]}
    expected = rows_of(fail_at, grid, rng=3, output=whole)
    content = whole.read_bytes()
    start = content.rfind(b"\n", 0, -1)  # of the last line: all its parts, and some of the rest
    for end in [*range(0, start, 10), *range(start, len(content) + 1)]:
        output.write_bytes(content[:end])
        assert rows_of(fail_at, grid, rng=3, output=output) == expected
        assert output.read_bytes() == content


def test_a_grid_may_grow(tmp_path):
    output = tmp_path / "sweep.jsonl"
    run(draw, {"n": [1], "name": ["a"]}, rng=3, output=output)
    assert rows_of(draw, GRID, rng=3, output=output) == rows_of(draw, GRID, rng=3)


def test_without_a_seed_the_file_has_it(tmp_path):
    output = tmp_path / "sweep.jsonl"
    first = rows_of(draw, {"n": [1], "name": ["a"]}, output=output)
    assert rows_of(draw, {"n": [2, 1], "name": ["a"]}, output=output)[1:] == first


@pytest.mark.parametrize(
    ("function", "grid", "seed", "text"),
    [
        (draw, GRID, 4, "of .*'seed': 3}, not of .*'seed': 4}"),
        (partial(draw), GRID, 3, r"of .*'code': .*not of .*'code'"),
        (draw, {"n": [3], "name": ["a"]}, 3, "with cells that are not in the grid"),
    ],
)
def test_the_file_of_another_sweep_is_refused_and_kept(function, grid, seed, text, tmp_path):
    output = tmp_path / "sweep.jsonl"
    run(draw, GRID, rng=3, output=output)
    content = output.read_bytes()
    with pytest.raises(ValueError, match=f"output: expected a new file or one of this.*{text}"):
        run(function, grid, rng=seed, output=output)
    assert output.read_bytes() == content


@pytest.mark.parametrize(
    "content", [b"notes", b"a,b\n1,2\n", b"[1]\n", b'{"sweep": 2}\n{"n": 1}\n', b"\xff\n"]
)
def test_any_other_file_is_refused_and_kept(content, tmp_path):
    output = tmp_path / "sweep.jsonl"
    output.write_bytes(content)
    with pytest.raises(ValueError, match="output: expected a new file or one of this sweep"):
        run(draw, GRID, rng=3, output=output)
    assert output.read_bytes() == content


def test_the_file_of_an_older_version_is_refused_and_kept(tmp_path):
    output = tmp_path / "sweep.jsonl"
    output.write_text('{"sweep": 2, "function": "test_sweeps.draw", "seed": 3}\n')
    with pytest.raises(ValueError, match=r"another version of this library.*rename or delete"):
        run(draw, GRID, rng=3, output=output)
    assert output.read_text().count("\n") == 1


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(ValueError, match="output: expected a folder that exists"):
        run(draw, GRID, rng=3, output=tmp_path / "no" / "sweep.jsonl")


def test_a_folder_is_no_file_and_a_number_no_executor(tmp_path):
    with pytest.raises(ValueError, match=r"output: expected a new file .* which is a folder"):
        run(draw, GRID, rng=3, output=tmp_path)
    with pytest.raises(TypeError, match=r"executor: expected a concurrent.* got 4\. Make one"):
        run(draw, GRID, rng=3, executor=4)


def test_progress(capsys):
    run(draw, GRID, rng=3, progress=True)
    assert "6/6" in capsys.readouterr().err


# Bad input


@pytest.mark.parametrize(
    ("grid", "kind", "text"),
    [
        ({}, ValueError, "grid: expected at least one cell"),
        ({"n": [], "name": ["a"]}, ValueError, "grid: expected at least one cell"),
        ([], ValueError, "grid: expected at least one cell"),
        (3, TypeError, "grid: expected a mapping from names to values"),
        ("ab", TypeError, "grid: expected a mapping from names to values"),
        ({"n": 3, "name": ["a"]}, TypeError, "grid: expected values for 'n', in their order; got"),
        ({"n": [1], "name": "ab"}, TypeError, "grid: expected values for 'name', in their or"),
        ({"n": [1], "rng": [1]}, ValueError, "none called rng"),
        ([{"n": 1, "name": "a"}, {"n": 1}], ValueError, "the same parameters in every cell"),
        ({"n": [1, 1], "name": ["a"]}, ValueError, "each cell once; {'n': 1, 'name': 'a'}"),
        ({"n": [1, True], "name": ["a"]}, ValueError, r"{'n': True.*1, 1\.0 and True are equal"),
        ({"n": [[0, {"k": 1}], [0, {"k": 1.0}]], "name": ["a"]}, ValueError, "each cell once"),
        ({"n": [object()], "name": ["a"]}, TypeError, "expected finite numbers, strings, None or"),
        ({"n": [float("inf")], "name": ["a"]}, TypeError, "expected finite numbers, strings"),
        ({"n": [1]}, TypeError, r"function: expected one of the parameters \['n'\] and rng"),
    ],
)
def test_bad_grids_are_refused(grid, kind, text):
    with pytest.raises(kind, match=text):
        run(draw, grid, rng=0)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match=r"rng: expected None, an integer, .*; got -1\. Pass a"):
        run(draw, GRID, rng=-1)
