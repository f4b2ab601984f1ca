"""A training step: the library against a straightforward PyTorch implementation, and sampling.

Loss and gradients of W_K1, W_K2, W_O2 on a batch of in-context bigrams, in float32 on two threads.
PyTorch runs as it comes, and once more with an allocator that keeps its memory, which is its best.
Each runs in a process of its own, in turns; losses and gradients are compared first.

    python -m benchmarks.training_step          # the smallest setting
    python -m benchmarks.training_step --all    # also the large ones: minutes, and 4 GB

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
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

import assocmem as am
from assocmem.model.step import TrainingStep
from assocmem.tasks import BigramTask

REPEATS, SCALE = 5, 1.0
THREADS = "OMP_NUM_THREADS"  # the environment variable that PyTorch reads too
NAMES = ("W_K1", "W_K2", "W_O2")
LARGE = ((256, 128, 512), (256, 256, 512))  # length, width, batch
SMALL = ((64, 128, 128),)
TOLERANCE = 1e-4  # of the largest entry
RUNNERS = {  # what runs, and with which environment
    "assocmem": ("assocmem", {}),
    "PyTorch": ("torch", {}),
    "PyTorch, memory kept": (
        "torch",
        {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"},
    ),
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


def serve(kind: str, folder: Path, name: str) -> None:
    """In a process of its own: a first step whose result is written, then a turn for each line.

    A turn is as many steps as fill TURN seconds, as in training, and their mean.
    """
    step = {"assocmem": assocmem_step, "torch": torch_step}[kind](
        dict(np.load(folder / "case.npz"))
    )
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

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        kind, settings = RUNNERS[name]
        limits = dict.fromkeys((THREADS, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.training_step", "--serve", kind, str(folder), name],
            env=os.environ | limits | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
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
    """Matrix products of the library's step, from the blocks in which it works."""
    n, d = arrays["tokens"].shape
    frozen = {k: arrays[k] for k in ("tokens", "positions", "outputs", "Phi1", "W_V2")}
    step = TrainingStep(am.FrozenEmbeddings.from_matrices(**frozen))
    tables = step._tables(step._checked_weights({}), arrays["z"].shape[1])
    first = sum((b.stop - b.start) * b.stop for b in tables.blocks)  # pairs of layer 1
    total = 0.0
    for chunk in step._chunks(arrays["z"], arrays["weights"] > 0):
        size, queries = chunk.positions.shape
        second = sum((b.stop - b.start) * end for b, end in chunk.blocks())
        total += size * first * (2 * d + 2 * n)  # y, g_b; g_S by token of key and of query
        total += size * tables.length * n * n
        total += size * queries * (3 * d * d + 5 * n * d)  # q and back; logits and back
        total += size * second * 6 * d  # s, m, g_a, g_q, and g_x¹ twice
    return 2 * total


def product_seconds(threads: int) -> float:
    """Of a product of 4096 x 4096 matrices, in float32 and with as many threads."""
    from threadpoolctl import threadpool_limits

    ones = np.ones((4096, 4096), np.float32)
    with threadpool_limits(threads, user_api="blas"):
        started = time.perf_counter()
        ones @ ones
        return time.perf_counter() - started


def compare(length: int, width: int, size: int, threads: int) -> bool:
    """One row of the table; whether the numbers agree."""
    task = BigramTask(length=length)
    arrays = case(task, width, size)
    n, predictions = task.n_tokens, np.count_nonzero(arrays["weights"])
    print(
        f"\nN={n} T={length} d={width} batch={size}, {threads} threads; {predictions / size:.0f} "
        f"positions with loss in a sequence"
    )
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "case.npz", **arrays)
        runners = {name: Runner(name, Path(folder), threads) for name in RUNNERS}
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runners}
        product = []
        for _ in range(REPEATS):  # in turns: the machine's speed drifts
            for name, runner in runners.items():
                seconds[name].append(runner())
            product.append(product_seconds(threads))
        for runner in runners.values():
            runner.close()
    for name, runner in runners.items():
        wall, cpu = np.median(seconds[name], axis=0)
        ratios = np.divide(seconds[name], seconds["assocmem"])
        print(
            f"  {name:22s}{wall:8.3f} s{cpu:8.3f} s CPU{runner.megabytes:7.0f} MB"
            f"{np.median(ratios, axis=0)[0]:7.1f} x"
        )
    flops, plain = our_flops(arrays), plain_flops(n, length, width, size, predictions)
    rate = 2 * 4096**3 / statistics.median(product)
    share = flops / np.median(seconds["assocmem"], axis=0)[0] / rate
    print(
        f"  matrix products: {flops / 1e9:.1f} GFLOP against {plain / 1e9:.1f} of the plain step, "
        f"at {share:.0%} of the {rate / 1e9:.0f} GFLOP/s of a product of 4096 x 4096"
    )
    ours, theirs = runners["assocmem"].result, runners["PyTorch"].result
    worst = max(abs(ours[k] - theirs[k]).max() / abs(theirs[k]).max() for k in theirs)
    print(f"  loss and gradients differ by {worst:.0e} of the largest entry")
    return bool(worst <= TOLERANCE)


def loop_sample(task: BigramTask, rng: np.random.Generator) -> list[int]:
    """A sequence, token by token."""
    language, n = task.language, task.n_tokens
    law = task.output_law(task.trigger_tokens[None])[0]
    output = {q: rng.choice(n, p=row) for q, row in zip(task.trigger_tokens, law, strict=True)}
    tokens = [rng.choice(n, p=language.unigram)]
    while len(tokens) <= task.length:
        z = tokens[-1]
        tokens.append(output[z] if z in output else rng.choice(n, p=language.bigram[z]))
    return tokens


def sampling(size: int = 512, few: int = 20) -> None:
    task, rng = BigramTask(), np.random.default_rng(0)
    task.sample(size, rng=rng)
    ratios, rates = [], []
    for _ in range(REPEATS):
        started = time.perf_counter()
        task.sample(size, rng=rng)
        middle = time.perf_counter()
        for _ in range(few):
            loop_sample(task, rng)
        rates.append(size / (middle - started))
        ratios.append(rates[-1] * (time.perf_counter() - middle) / few)
    print(
        f"\nsampling, T={task.length}: {statistics.median(rates):.0f} sequences a second, "
        f"{statistics.median(ratios):.0f} x a loop with rng.choice"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also the large settings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", nargs=3, metavar=("KIND", "FOLDER", "NAME"), help="internal")
    arguments = parser.parse_args()
    if arguments.serve:
        kind, folder, name = arguments.serve
        return serve(kind, Path(folder), name)
    kernels = {info.get("architecture", info["internal_api"]) for info in threadpool_info()}
    print(f"NumPy's BLAS kernels: {', '.join(sorted(kernels))}")
    sampling()
    if importlib.util.find_spec("torch") is None:
        print(
            "\nThe comparison needs PyTorch, a CPU build: pip install torch==2.13.0 "
            "--extra-index-url https://download.pytorch.org/whl/cpu"
        )
        return None
    agree = [
        compare(*setting, arguments.threads) for setting in SMALL + (LARGE if arguments.all else ())
    ]
    return None if all(agree) else sys.exit(f"they must agree to {TOLERANCE:.0e}")


if __name__ == "__main__":
    main()
