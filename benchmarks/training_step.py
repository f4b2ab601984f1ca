"""A training step: the library against a straightforward PyTorch implementation.

Loss and gradients of W_K1, W_K2, W_O2 on a batch of in-context bigrams, in float32 on two threads.
PyTorch runs as it comes, and once more with an allocator that keeps its memory, which is its best;
then with the library's algebra, which does not compute what is not asked for, and with that
algebra compiled, by PyTorch and, where it is installed, by JAX. Each runs in a process of its own,
in turns; losses and gradients are compared.

    python -m benchmarks.training_step                   # the smallest setting
    python -m benchmarks.training_step --all             # also the large ones: minutes, and 4 GB
    python -m benchmarks.training_step --size 32 64 16   # length, width, batch
    python -m benchmarks.training_step --before FOLDER   # and a checkout of an earlier version

The ratios are kept in benchmarks/history, see `benchmarks.history`.

On a busy machine threads that wait for each other measure the others' load: with --threads 1 the
seconds of CPU, in the second column, hardly depend on it.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import assocmem as am
from assocmem.model.step import TrainingStep
from assocmem.tasks import BigramTask
from benchmarks import history, phases, versions

REPEATS, SCALE = 5, 1.0
THREADS = "OMP_NUM_THREADS"  # the environment variable that PyTorch reads too
NAMES = ("W_K1", "W_K2", "W_O2")
LARGE = ((256, 128, 512), (256, 256, 512))  # length, width, batch
SMALL = ((64, 128, 128),)
TOLERANCE = 1e-4  # of the largest entry
Runners = dict[str, tuple[str, dict[str, str]]]
RUNNERS = {  # what runs, and with which environment
    "assocmem": ("assocmem", {}),
    "PyTorch": ("torch", {}),
    "PyTorch, memory kept": ("torch", versions.KEPT),
    "our algebra, PyTorch": ("algebra", versions.KEPT),
    "our algebra, compiled": ("compiled", versions.KEPT),
    "our algebra, JAX": ("jax", versions.KEPT),
}
TURN = 0.5  # seconds
PAUSE = 0.3  # seconds, in which idle threads of the last runner stop spinning


def case(task: BigramTask, width: int, size: int) -> dict[str, np.ndarray]:
    """Embeddings, weights and a batch, as arrays."""
    rng = np.random.default_rng(0)
    emb = am.FrozenEmbeddings.random(task, width=width, rng=rng).astype(np.float32)
    batch = task.sample(size, rng=rng)
    weights = {k: am.gaussian(width, width, rng=rng, dtype=np.float32) for k in NAMES}
    frozen = {k: getattr(emb, k) for k in ("positions", "outputs", "Phi1", "W_V2")}
    data = {"z": batch.tokens, "targets": batch.targets, "weights": batch.weights}
    return {"tokens": emb.tokens, **frozen, **weights, **data}


def assocmem_step(arrays: dict[str, np.ndarray]) -> Callable[[], tuple[float, dict]]:
    frozen = {k: arrays[k] for k in ("tokens", "positions", "outputs", "Phi1", "W_V2")}
    batch = am.Batch(tokens=arrays["z"], targets=arrays["targets"], weights=arrays["weights"])
    emb = am.FrozenEmbeddings.from_matrices(**frozen)
    step = TrainingStep(emb, scale=SCALE, workers=int(os.environ[THREADS]))
    return lambda: step.loss_and_gradients({k: arrays[k] for k in NAMES}, batch, NAMES)


def torch_step(arrays: dict[str, np.ndarray]) -> Callable[[], tuple[float, dict]]:
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(int(os.environ[THREADS]))
    t = {name: torch.from_numpy(array) for name, array in arrays.items()}
    learned = {name: t[name].requires_grad_() for name in NAMES}
    length = t["z"].shape[1]
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    where = t["weights"] > 0
    counts = t["weights"][where].float()

    def attention(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        scores = SCALE * queries @ keys.transpose(1, 2)
        return scores.masked_fill(future, -torch.inf).softmax(dim=-1)

    def step() -> tuple[float, dict]:
        for matrix in learned.values():
            matrix.grad = None
        x = t["tokens"][t["z"]] + t["positions"]
        x = x + attention(x @ learned["W_K1"], x) @ (x @ t["Phi1"].T)
        read = attention(x @ learned["W_K2"], x) @ (x @ t["W_V2"].T)
        logits = (x + read @ learned["W_O2"].T)[where] @ t["outputs"].T
        loss = counts @ cross_entropy(logits, t["targets"][where], reduction="none")
        loss.backward()
        return loss.item(), {name: matrix.grad.numpy() for name, matrix in learned.items()}

    return step


def algebra_step(
    arrays: dict[str, np.ndarray], *, compiled: bool
) -> Callable[[], tuple[float, dict]]:
    """The formulas of `assocmem.model.passes`, differentiated and perhaps compiled by PyTorch."""
    import torch
    from torch.nn.functional import cross_entropy, one_hot

    torch.set_num_threads(int(os.environ[THREADS]))
    t = {name: torch.from_numpy(array) for name, array in arrays.items()}
    learned = {name: t[name].requires_grad_() for name in NAMES}
    z, (n, _), (size, length) = t["z"], t["tokens"].shape, t["z"].shape
    where = t["weights"] > 0
    count = where.sum(dim=1)
    order = (~where).int().argsort(dim=1, stable=True)[:, : int(count.max())]
    real = torch.arange(order.shape[1]) < count[:, None]  # the positions with loss come first
    positions = torch.where(real, order, 0)
    keys = one_hot(z, n).float().transpose(1, 2)
    inputs = torch.cat([t["tokens"], t["positions"]])
    past = torch.zeros(length, length).masked_fill(
        torch.ones(length, length, dtype=torch.bool).triu(1), -torch.inf
    )
    rows = torch.arange(size)[:, None]
    causal = past[positions]
    targets = t["targets"][rows, positions].reshape(-1).clamp(min=0)
    counts = torch.where(real, t["weights"][rows, positions], 0).reshape(-1).float()

    def loss_of(W_K1: torch.Tensor, W_K2: torch.Tensor, W_O2: torch.Tensor) -> torch.Tensor:
        S = SCALE * inputs @ W_K1 @ inputs.T
        scores = (S[:n, :n][z] + S[n:, :n]) @ keys + S[:n, n:][z] + S[n:, n:] + past
        x = t["tokens"][z] + t["positions"]
        x = x + scores.softmax(dim=-1) @ (x @ t["Phi1"].T)
        asked = x[rows, positions]
        a = (SCALE * (asked @ W_K2) @ x.transpose(1, 2) + causal).softmax(dim=-1)
        O = t["outputs"] @ (W_O2 @ t["W_V2"])
        logits = (a @ x) @ O.T + asked @ t["outputs"].T
        return counts @ cross_entropy(logits.flatten(0, 1), targets, reduction="none")

    function = torch.compile(loss_of) if compiled else loss_of

    def step() -> tuple[float, dict]:
        for matrix in learned.values():
            matrix.grad = None
        loss = function(*learned.values())
        loss.backward()
        return loss.item(), {name: matrix.grad.numpy() for name, matrix in learned.items()}

    return step


def jax_step(arrays: dict[str, np.ndarray]) -> Callable[[], tuple[float, dict]]:
    """The formulas of `assocmem.model.passes`, differentiated and compiled by JAX.

    The batch is an argument of what is compiled, as it is another one at every step.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(os.environ[THREADS])])
    import jax
    import jax.numpy as jnp

    t = {name: jnp.asarray(array) for name, array in arrays.items()}
    (n, _), (size, length) = t["tokens"].shape, t["z"].shape
    where = arrays["weights"] > 0
    count = where.sum(axis=1)
    positions = np.argsort(~where, axis=1, kind="stable")[:, : count.max()]
    real = np.arange(positions.shape[1]) < count[:, None]
    positions, rows = np.where(real, positions, 0), np.arange(size)[:, None]
    targets = np.maximum(arrays["targets"][rows, positions], 0)
    counts = np.where(real, arrays["weights"][rows, positions], 0).astype(np.float32)
    batch = tuple(map(jnp.asarray, (arrays["z"], positions, targets, counts)))
    inputs = jnp.concatenate([t["tokens"], t["positions"]])
    past = jnp.where(np.tri(length, dtype=bool), 0, -jnp.inf)

    def loss_of(W: dict, z: jax.Array, asked: jax.Array, targets: jax.Array, counts: jax.Array):
        S = SCALE * inputs @ W["W_K1"] @ inputs.T
        keys = jax.nn.one_hot(z, n).swapaxes(1, 2)
        scores = (S[:n, :n][z] + S[n:, :n]) @ keys + S[:n, n:][z] + S[n:, n:] + past
        x = t["tokens"][z] + t["positions"]
        x = x + jax.nn.softmax(scores) @ (x @ t["Phi1"].T)
        q = x[rows, asked]
        a = jax.nn.softmax(SCALE * (q @ W["W_K2"]) @ x.swapaxes(1, 2) + past[asked])
        logits = (a @ x) @ (t["outputs"] @ (W["W_O2"] @ t["W_V2"])).T + q @ t["outputs"].T
        right = jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], axis=-1)
        return -(counts * right[..., 0]).sum()

    function, learned = jax.jit(jax.value_and_grad(loss_of)), {name: t[name] for name in NAMES}

    def step() -> tuple[float, dict]:
        loss, gradients = function(learned, *batch)
        return float(loss), {name: np.asarray(array) for name, array in gradients.items()}

    return step


def serve(kind: str, folder: Path, name: str) -> None:
    """In a process of its own: a first step whose result is written, then a turn for each line.

    A turn is as many steps as fill TURN seconds, as in training, and their mean.
    """
    steps = {
        "assocmem": assocmem_step,
        "torch": torch_step,
        "algebra": partial(algebra_step, compiled=False),
        "compiled": partial(algebra_step, compiled=True),
        "jax": jax_step,
    }
    step = steps[kind](dict(np.load(folder / "case.npz")))
    loss, gradients = step()
    np.savez(folder / f"{name}.npz", loss=loss, **gradients)
    for _ in itertools.chain([""], sys.stdin):
        wall, cpu, steps = time.perf_counter(), time.process_time(), 0
        while not steps or time.perf_counter() - wall < TURN:
            step()
            steps += 1
        wall, cpu = (time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(wall, cpu, peak, flush=True)


class Runner:
    """A process that takes a step on demand."""

    def __init__(self, name: str, folder: Path, threads: int, runners: Runners) -> None:
        kind, settings = runners[name]
        limits = dict.fromkeys((THREADS, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.training_step", "--serve", kind, str(folder), name],
            env=os.environ | limits | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=settings.get("PYTHONPATH"),  # an earlier version runs its own benchmark
        )
        self._read()  # the first steps warm up
        with np.load(folder / f"{name}.npz") as result:
            self.result = dict(result)

    def __call__(self) -> tuple[float, float]:
        """Seconds that it takes, and seconds of CPU in them."""
        time.sleep(PAUSE)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> tuple[float, float]:
        wall, cpu, self.megabytes = map(float, self.process.stdout.readline().split())
        return wall, cpu

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def plain_flops(n: int, length: int, width: int, size: int, predictions: int) -> float:
    """Matrix products of the plain step: 11 of T x d x d and 10 of T x T x d, forward and back."""
    each = 11 * length * width**2 + 10 * length**2 * width
    return 2.0 * (size * each + 2 * predictions * width * n)


def our_flops(arrays: dict[str, np.ndarray]) -> float:
    """Operations in the products of the library's step."""
    frozen = {k: arrays[k] for k in ("tokens", "positions", "outputs", "Phi1", "W_V2")}
    batch = am.Batch(tokens=arrays["z"], targets=arrays["targets"], weights=arrays["weights"])
    done = phases.work(TrainingStep(am.FrozenEmbeddings.from_matrices(**frozen)), batch)
    return sum(operations for operations, _ in done.values())


def compare(setting: tuple[int, int, int], threads: int, chosen: Runners) -> dict[str, Any]:
    """One table: its ratios, and whether the numbers agree."""
    length, width, size = setting
    task = BigramTask(length=length)
    arrays = case(task, width, size)
    n, predictions = task.n_tokens, np.count_nonzero(arrays["weights"])
    print(
        f"\nN={n} T={length} d={width} batch={size}, {threads} threads; {predictions / size:.0f} "
        f"positions with loss in a sequence"
    )
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "case.npz", **arrays)
        runners = {name: Runner(name, Path(folder), threads, chosen) for name in chosen}
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runners}
        rates = []
        for _ in range(REPEATS):  # in turns: the machine's speed drifts
            for name, runner in runners.items():
                seconds[name].append(runner())
            rates.append(phases.product_rate(threads))
        for runner in runners.values():
            runner.close()
    ratios = {}
    for name, runner in runners.items():
        wall, cpu = np.median(seconds[name], axis=0)
        found = np.median(np.divide(seconds[name], seconds["assocmem"]), axis=0)
        ratios[name] = {"wall": found[0], "cpu": found[1], "megabytes": runner.megabytes}
        print(
            f"  {name:22s}{wall:8.3f} s{cpu:8.3f} s CPU{runner.megabytes:7.0f} MB"
            f"{found[0]:7.1f} x{found[1]:7.1f} x CPU"
        )
    flops, plain = our_flops(arrays), plain_flops(n, length, width, size, predictions)
    rate = statistics.median(rates)
    spent = np.median(seconds["assocmem"], axis=0)[1 if threads == 1 else 0]  # as the rate
    share = flops / spent / rate
    print(
        f"  matrix products: {flops / 1e9:.1f} GFLOP against {plain / 1e9:.1f} of the plain step, "
        f"at {share:.0%} of the {rate / 1e9:.0f} GFLOP/s of a product of 4096 x 4096"
    )
    theirs = runners["PyTorch"].result
    worst = max(
        abs(runner.result[k] - theirs[k]).max() / abs(theirs[k]).max()
        for runner in runners.values()
        for k in theirs
    )
    print(f"  loss and gradients differ by {worst:.0e} of the largest entry")
    name = f"training step, T={length}, d={width}, batch={size}"
    return {"name": name, "agree": bool(worst <= TOLERANCE), "share": share, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also the large settings")
    parser.add_argument(
        "--size", type=int, nargs=3, metavar=("LENGTH", "WIDTH", "BATCH"), help="one of your own"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--before", metavar="FOLDER", help="a checkout of an earlier version")
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled one out")
    parser.add_argument("--serve", nargs=3, metavar=("KIND", "FOLDER", "NAME"), help="internal")
    arguments = parser.parse_args()
    if arguments.serve:
        kind, folder, name = arguments.serve
        return serve(kind, Path(folder), name)
    print(f"NumPy's BLAS kernels: {', '.join(history.kernels())}")
    if importlib.util.find_spec("torch") is None:
        print(
            "\nThe comparison needs PyTorch, a CPU build: pip install torch==2.13.0 "
            "--extra-index-url https://download.pytorch.org/whl/cpu"
        )
        return None
    chosen = dict(RUNNERS)
    if importlib.util.find_spec("jax") is None:
        del chosen["our algebra, JAX"]
    if arguments.no_compile:
        del chosen["our algebra, compiled"]
    if arguments.before:
        chosen["assocmem, before"] = ("assocmem", {"PYTHONPATH": arguments.before})
    settings = SMALL + (LARGE if arguments.all else ())
    if arguments.size:
        settings = (tuple(arguments.size),)
    rows = [compare(setting, arguments.threads, chosen) for setting in settings]
    record = {row.pop("name"): row for row in rows}
    print(f"\nkept in {history.keep('training_step', record, threads=arguments.threads)}")
    return None if all(row["agree"] for row in rows) else sys.exit(f"agree to {TOLERANCE:.0e}")


if __name__ == "__main__":
    main()
