"""Runs on disk: read back, gone on with after a crash or Ctrl-C, refused when they are others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assocmem import _files as files
from assocmem.model.threads import one_blas_thread
from assocmem.tasks import BigramTask, Language
from assocmem.training import CheckpointError, Metrics, TrainingRun, loop, published, train

LANGUAGE = Language.zipf(7, rng=3)
TASK = BigramTask(LANGUAGE, length=12, n_triggers=2)


def run_to(steps, checkpoint=None, task=TASK, rng=0, width=16, **changes):
    setting = published(task, width=width, rng=rng, batch_size=8, evaluate_every=7, evaluate_on=20)
    options = {"frozen_until": {"W_K1": 5}, "checkpoint_every": 4}
    return train(task, **(setting | options | changes), steps=steps, checkpoint=checkpoint)


def bits(run):
    """Every number of a run, as bytes."""
    emb = run.embeddings
    states = {(a, b): array for a, state in run.state.items() for b, array in state.items()}
    parts = [run.weights, states, run.history, {"step": run.step}]
    parts += [{"atoms": emb.atoms, "values": emb.values, "outputs": emb.outputs}]
    return [
        (name, np.asarray(array).tobytes())
        for part in parts
        for name, array in sorted(part.items())
    ]


def interrupt_after(monkeypatch, owner, name, calls):
    """Ctrl-C in a function, in the middle of what it does for the n-th time."""
    function, left = getattr(owner, name), [calls]

    def interrupted(*args, **kwargs):
        result = function(*args, **kwargs)
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(owner, name, interrupted)


@contextmanager
def endless_run(path, more_than=0):
    """A process whose run has left a checkpoint of more steps than this; killed in the end."""
    with subprocess.Popen([sys.executable, __file__, str(path)]) as process:
        try:
            deadline = time.monotonic() + 120
            saved = files.beside(path, ".npz")
            while not (saved.exists() and TrainingRun.load(path).step > more_than):
                assert process.poll() is None, "the run ended by itself"
                assert time.monotonic() < deadline, "the run left no checkpoint"
                time.sleep(0.01)
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


# --- read back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [1, 2])
def test_a_run_is_read_back_bit_for_bit(layers, tmp_path):
    run = run_to(9, layers=layers, frozen_until={})
    run.save(tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.json", "run.npz"]
    loaded = TrainingRun.load(tmp_path / "run")
    assert bits(loaded) == bits(run)
    assert (loaded.settings, loaded.task, repr(loaded)) == (run.settings, run.task, repr(run))
    tokens = TASK.sample(3, rng=0).tokens
    np.testing.assert_array_equal(loaded.model().logits(tokens), run.model().logits(tokens))
    with np.load(tmp_path / "run.npz", allow_pickle=False) as stored:  # no pickle inside
        assert all(stored[name].dtype != object for name in stored)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["settings"]["seed"] == run.settings.seed
    assert record["step"] == 9


def test_objects_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="arrays: expected numbers; got objects in"):
        files.save(tmp_path / "x", "Run", {}, {"bad": np.array([None])})
    with pytest.raises(ValueError, match="checkpoint: expected a folder that exists"):
        run_to(1, tmp_path / "missing" / "run")


def test_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "run.npz", weights=np.eye(2))
    with pytest.raises(ValueError, match=r"path: expected a saved run in .*run; got other arrays"):
        TrainingRun.load(tmp_path / "run")


# --- gone on with -------------------------------------------------------------------------------


def test_checkpoints_change_nothing(tmp_path):
    assert bits(run_to(10, tmp_path / "run")) == bits(run_to(10))
    assert bits(TrainingRun.load(tmp_path / "run")) == bits(run_to(10))


def test_a_finished_run_is_read_and_a_longer_one_goes_on(tmp_path, monkeypatch):
    run_to(10, tmp_path / "run")  # a row at 10, which the grid of 7 does not have
    assert bits(run_to(16, tmp_path / "run", workers=2, checkpoint_every=3)) == bits(run_to(16))

    def refuse(*args, **kwargs):
        raise AssertionError("an update was taken")

    monkeypatch.setattr(loop, "_updated", refuse)
    assert run_to(16, tmp_path / "run").step == 16
    with pytest.raises(AssertionError, match="an update was taken"):
        run_to(16)


def test_killed_without_warning_a_run_goes_on_to_the_same_bits(tmp_path):
    """As soon as it has left a checkpoint or two."""
    path = tmp_path / "run"
    with endless_run(path, more_than=9) as process:
        pass
    assert process.returncode == -signal.SIGKILL
    left = TrainingRun.load(path).step
    resumed = run_to(left + 6, path)
    assert bits(resumed) == bits(run_to(left + 6))
    assert bits(resumed) != bits(run_to(left + 6, rng=1))  # the comparison can fail


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        (BigramTask, "sample", 12),
        (Metrics, "__call__", 2),
        (loop, "_updated", 1),
        (loop, "_updated", 9),
    ],
)
def test_ctrl_c_saves_and_says_how_to_go_on(owner, name, calls, tmp_path, monkeypatch):
    path = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_after(patch, owner, name, calls)
        with pytest.raises(KeyboardInterrupt, match=r"stopped after \d+ of 12 steps, saved in .*"):
            run_to(12, path)
    left = TrainingRun.load(path)
    assert left.step == {"sample": 9, "__call__": 7, "_updated": calls - 1}[name]
    assert bits(run_to(12, path)) == bits(run_to(12))


def test_ctrl_c_without_a_checkpoint_is_left_alone(monkeypatch):
    interrupt_after(monkeypatch, loop, "_updated", 1)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        run_to(3)


# --- refused ------------------------------------------------------------------------------------

OTHER_LANGUAGE = Language.zipf(7, rng=4)
# One row of one rare token, which no sample of the runs below has to show.
RARE = LANGUAGE.bigram.copy()
RARE[6] = RARE[6][[1, 0, *range(2, 7)]]
ALMOST = Language(unigram=LANGUAGE.unigram, bigram=RARE)
RENAMED = Language(unigram=LANGUAGE.unigram, bigram=LANGUAGE.bigram, names="abcdefg")


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"learning_rate": 0.3}, "learning_rate=0.2, not 0.3"),
        ({"momentum": 0.8}, "momentum=0.9, not 0.8"),
        ({"weight_decay": 0.0}, "weight_decay=0.0001, not 0.0"),
        ({"batch_size": 9}, "batch_size=8, not 9"),
        ({"trained": ("W_K1", "W_O2")}, "trained="),
        ({"frozen_until": {"W_K1": 4}}, "frozen_until.W_K1=5, not 4"),
        ({"layers": 1, "frozen_until": {}}, "layers=2, not 1"),
        ({"scale": 0.5}, "scale=0.25, not 0.5"),
        ({"readout": "attention"}, "readout="),
        ({"evaluate_every": 6}, "evaluate_every=7, not 6"),
        ({"evaluate_on": 21}, "evaluate_on=20, not 21"),
        ({"initial": "zero"}, "initial="),
        ({"rng": 1}, "seed="),
        ({"width": 17}, "embeddings="),
        ({"task": BigramTask(OTHER_LANGUAGE, length=12, n_triggers=2)}, "task="),
        ({"test": BigramTask(OTHER_LANGUAGE, length=12, n_triggers=2)}, "test ="),
        ({"test": {"more": TASK}}, "test more=None"),
        ({"task": replace(TASK, avoid="trigger")}, "task.avoid='triggers', not 'trigger'"),
        ({"task": replace(TASK, trigger_outputs="bigram")}, "task.trigger_outputs="),
        ({"task": replace(TASK, language=ALMOST)}, "task.language.bigram="),
        ({"task": replace(TASK, language=RENAMED)}, "task.language.names="),
        ({"test": replace(TASK, language=ALMOST)}, "test .language.bigram="),
        ({"pairs": {"W_K2": [(1, 1)]}}, "pairs.W_K2="),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(changes, name, tmp_path):
    run_to(4, tmp_path / "run")
    before = (tmp_path / "run.npz").read_bytes()
    with pytest.raises(ValueError, match="checkpoint: expected a run of these settings") as error:
        run_to(4, tmp_path / "run", **changes)
    assert name in str(error.value)
    assert (tmp_path / "run.npz").read_bytes() == before


def test_a_shorter_run_than_the_saved_one_is_refused(tmp_path):
    run_to(4, tmp_path / "run")
    with pytest.raises(ValueError, match=r"steps: expected at least the 4 .* got 3"):
        run_to(3, tmp_path / "run")


class Noisy:
    """A task with attributes of its own that no other process could compare."""

    n_tokens, length, outputs = 7, 12, range(7)

    def __init__(self, rng):
        self.rng = rng

    def sample(self, size, *, rng=None):
        return TASK.sample(size, rng=rng)


def test_a_task_that_cannot_be_compared_has_no_checkpoint(tmp_path):
    task = Noisy(np.random.default_rng(0))
    emb = published(TASK, width=16)["embeddings"]
    with pytest.raises(TypeError, match=r"task.rng: expected, along with a checkpoint, numbers"):
        train(task, emb, steps=1, rng=0, checkpoint=tmp_path / "run")
    run = train(task, emb, steps=1, evaluate_on=8)
    run.save(tmp_path / "run")
    assert TrainingRun.load(tmp_path / "run").step == 1


def test_an_object_is_compared_by_its_attributes(tmp_path):
    emb = published(TASK, width=16)["embeddings"]
    train(Noisy([1, np.eye(2)]), emb, steps=1, rng=0, checkpoint=tmp_path / "run")
    assert train(Noisy([1, np.eye(2)]), emb, steps=2, rng=0, checkpoint=tmp_path / "run").step == 2
    for other in ([1, 2 * np.eye(2)], [2, np.eye(2)], None):
        with pytest.raises(ValueError, match=r"checkpoint: expected a run of these .*task.rng="):
            train(Noisy(other), emb, steps=2, rng=0, checkpoint=tmp_path / "run")


# --- two at a time ------------------------------------------------------------------------------


def test_a_second_training_on_a_checkpoint_is_refused(tmp_path):
    """A job that is requeued while its predecessor still runs: clear, and nothing is torn."""
    path = tmp_path / "run"
    with endless_run(path):
        for _ in range(3):
            with pytest.raises(BlockingIOError, match="checkpoint: expected a path that no"):
                run_to(10**6, path)
            TrainingRun.load(path)  # may be read
    assert run_to(TrainingRun.load(path).step + 1, path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run.json", "run.npz"]


@pytest.mark.parametrize("order", ["nested", "overlapping"])
def test_blas_threads_are_as_before_after_two_trainings(order):
    """Whichever of the two ends first."""
    from threadpoolctl import threadpool_info, threadpool_limits

    def threads():
        return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        first, second = one_blas_thread(), one_blas_thread()
        first.__enter__()
        assert set(threads()) == {1}
        second.__enter__()
        assert set(threads()) == {1}
        ends = (second, first) if order == "nested" else (first, second)
        ends[0].__exit__(None, None, None)
        assert set(threads()) == {1}  # the other still needs it
        ends[1].__exit__(None, None, None)
        assert threads() == before
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda i: run_to(2 + i % 3, rng=i), range(8)))
        assert threads() == before


# --- folders and disks --------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_is_found_at_once(monkeypatch):
    monkeypatch.setattr(BigramTask, "sample", None)  # before anything is drawn
    with pytest.raises(OSError, match="checkpoint: expected a folder that can be written; got"):
        run_to(3, "/proc/run")


class FullDisk:
    """Saving fails, from the first or some later time on, for so many times."""

    def __init__(self, save, fails):
        self.save, self.fails, self.calls = save, fails, 0

    def __call__(self, path, *args):
        self.calls += 1
        if self.calls in self.fails:
            raise OSError(28, "No space left on device")
        self.save(path, *args)


def test_a_full_disk_on_the_way_does_not_end_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "save", FullDisk(files.save, {1}))
    with pytest.warns(RuntimeWarning, match="step 4 could not be saved in .*No space left"):
        run = run_to(10, tmp_path / "run")
    assert bits(TrainingRun.load(tmp_path / "run")) == bits(run) == bits(run_to(10))


def test_a_full_disk_at_the_end_does_not_lose_the_run(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(files, "save", FullDisk(files.save, {3}))
        with pytest.raises(CheckpointError, match="run of 10 steps could not be saved") as caught:
            run_to(10, tmp_path / "run")
    assert bits(caught.value.run) == bits(run_to(10))
    assert TrainingRun.load(tmp_path / "run").step == 8
    caught.value.run.save(tmp_path / "elsewhere")
    assert bits(TrainingRun.load(tmp_path / "elsewhere")) == bits(run_to(10))


if __name__ == "__main__":  # what the killed process runs
    os.environ.pop("PYTEST_CURRENT_TEST", None)
    run_to(10**6, Path(sys.argv[1]))
