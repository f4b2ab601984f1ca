"""The command ``assocmem``, or ``python -m assocmem``: what the library does, without a script."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

import assocmem as am
from assocmem._checks import required
from assocmem._files import checked_path, replaced
from assocmem.model.families import (
    OUTPUTS,
    POSITIONS,
    REMAPPED_TOKENS,
    TOKENS,
    TokenBlock,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FINE, WRONG, INTERRUPTED = 0, 2, 130  # exit codes; argparse itself exits with WRONG

EXAMPLES = """\
examples:
  assocmem step 2 --tokens 1000000 --length 64     what step 2 writes, in closed form
  assocmem top-down --picture steps.png            the three steps, with a picture of attention
  assocmem width 512 --tokens 16 --length 16       the same steps with embeddings of this width
  assocmem heads model.safetensors --heads 12      the induction heads of a checkpoint

The claims behind these results are derived and checked in the repository; `make verify` checks all
of them there. Pictures need pip install 'assocmem[plots]'.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # of what its encoding does not know
    code = FINE
    try:
        try:
            options = parser().parse_args(argv)
            for line in options.command(options):
                print(line, flush=True)
        except SystemExit as stop:  # argparse has said why
            code = int(stop.code or FINE)
            print(end="", flush=True)
    except BrokenPipeError:  # a reader such as head has seen enough
        code = FINE
    except KeyboardInterrupt:
        code = INTERRUPTED
        _complain("interrupted")
    except (ImportError, OSError, TypeError, ValueError) as error:
        code = WRONG
        _complain(str(error))
    for stream in (sys.stdout, sys.stderr):
        _end(stream)
    return code


def _complain(text: str) -> None:
    with suppress(OSError):  # nobody reads it
        print(f"assocmem: {text}", file=sys.stderr, flush=True)


def _end(stream: IO[str]) -> None:
    """Write what the stream holds; what cannot be written ends in the null device."""
    try:
        stream.flush()
    except OSError:
        with suppress(OSError):  # a stream that is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _picture(given: str) -> Path:
    """Where a picture can be put: found out before anything is computed."""
    kinds = required("matplotlib.backend_bases", "plots").FigureCanvasBase.filetypes
    path = checked_path("--picture", given)
    if path.suffix[1:].lower() not in kinds:
        raise argparse.ArgumentTypeError(
            f"expected a file with an ending among {', '.join(sorted(kinds))}; got {given!r}. Name "
            f"it steps.png."
        )
    try:
        with replaced(path.with_name(f"{path.name}.tried")) as file:
            file.write(bytes(2**12))
        path.with_name(f"{path.name}.tried").unlink()
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"expected a file to write; got {given!r} ({error.strerror}). Name another."
        ) from None
    return path


def parser() -> argparse.ArgumentParser:
    """The command line: step, top-down, width, heads."""
    top = argparse.ArgumentParser(
        prog="assocmem",
        description="Transformer weights as associative memories over frozen random embeddings.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"assocmem {am.__version__}")
    commands = top.add_subparsers(metavar="{step,top-down,width,heads}", required=True)

    step = _command(commands, "step", show_step, "show what one of the three steps writes")
    step.add_argument(
        "which", type=int, choices=(1, 2, 3), help="the step: 1 on W_O2, 2 on W_K2, 3 on W_K1"
    )
    step.add_argument("--all", action="store_true", help="show every coefficient, not a summary")
    step.add_argument(
        "--margin", type=float, default=10.0, help="margin of step 2, on which step 3 depends (10)"
    )

    run = _command(commands, "top-down", run_steps, "take the three steps from zero and evaluate")
    run.add_argument("--width", type=int, help="width of random embeddings (default: infinite)")
    run.add_argument(
        "--gradient",
        choices=("closed-form", "population"),
        default="closed-form",
        help="the closed forms (default), or the population gradient of the model itself",
    )
    run.add_argument(
        "--picture", type=_picture, help="file for a picture of attention and memories: steps.png"
    )

    width = _command(
        commands, "width", evaluate_width, "take the three steps at a width, and bound a safe one"
    )
    width.add_argument("width", type=int, help="width d of the random embeddings")
    width.add_argument("--draws", type=int, default=3, help="number of draws of embeddings (3)")

    for command in (step, run, width):
        command.add_argument("--tokens", type=int, default=32, help="vocabulary size N (32)")
        command.add_argument("--length", type=int, default=32, help="sequence length T (32)")
        command.add_argument(
            "--triggers", type=_triggers, default=1, help="number K of triggers, or random (1)"
        )
        command.add_argument(
            "--predict",
            choices=("content", "all"),
            help="predicted classes: content tokens, or all (content; all for random triggers)",
        )
    for command in (run, width):
        command.add_argument(
            "--margins",
            type=float,
            nargs=3,
            default=(0.5, 10.0, 20.0),
            metavar=("M1", "M2", "M3"),
            help="sizes of the three steps, by the lead that each writes (0.5 10 20)",
        )
        command.add_argument("--seed", type=int, default=0, help="seed of all random numbers (0)")

    heads = _command(commands, "heads", read_heads, "find the induction heads of a checkpoint")
    heads.add_argument("path", type=Path, help="file of weights: .safetensors or .npz")
    heads.add_argument("--heads", type=int, help="heads per layer, if the weights do not show it")
    heads.add_argument("--layout", help="layout of the weights, such as gpt2 (default: recognised)")
    heads.add_argument("--norm", choices=("layer", "rms", "none"), help="(default: recognised)")
    heads.add_argument(
        "--level", type=float, default=1e-3, help="probability of any false find, at most (0.001)"
    )
    return top


def _command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], Any], text: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=function)
    return command


def _triggers(given: str) -> Any:
    return given if given == "random" else int(given)


def _task(options: argparse.Namespace) -> am.InductionTask:
    predict: Any = options.predict or ("all" if options.triggers == "random" else "content")
    return am.InductionTask(options.tokens, options.length, options.triggers, predict)


def show_step(options: argparse.Namespace) -> Any:
    """The closed form of a step, block by block."""
    task = _task(options)
    steps = {1: am.gradients.first_step, 2: am.gradients.second_step}
    if options.which in steps:
        table = steps[options.which](task)
    else:
        table = am.gradients.third_step(task, options.margin)
    sizes = "step size" if options.which == 1 else "its own step size and of that of step 1"
    yield f"Step {options.which}: what one gradient step adds to {table.matrix} at infinite width,"
    yield f"per unit of {sizes}, on {task}."
    yield from _told(table, task, whole=options.all)


WANTED = {
    "W_O2": ((OUTPUTS, TOKENS), "a token predicts itself"),
    "W_K2": ((TOKENS, REMAPPED_TOKENS), "a trigger attends to its own remapped copy"),
    "W_K1": ((POSITIONS, POSITIONS), "a position attends to the previous one"),
}
NOTHING = 1e-12  # of the largest coefficient: zero, but for rounding


def _told(table: am.BlockTable, task: am.InductionTask, *, whole: bool) -> Iterator[str]:
    """The blocks in groups: what is wanted, what competes with it, the rest, and what is zero."""
    absent = {OUTPUTS} if task.predict == "content" and not task.random_triggers else set()
    size = {names: _largest(table[names], absent & {names[0]}) for names in table}
    none = [names for names in table if size[names] <= NOTHING * max(size.values())]
    wanted, meaning = WANTED[table.matrix]
    groups = {
        f"Wanted: {meaning}. Lead over its largest competitor: {table.lead:.6g}": [wanted],
        "Competing: other blocks of the same outputs or queries": [
            names for names in table if names[0] == wanted[0] and names not in (wanted, *none)
        ],
        "Besides: blocks of other queries": [
            names for names in table if names[0] != wanted[0] and names not in none
        ],
    }
    for title, members in groups.items():
        if members:
            yield f"\n{title}"
        for row, column in members:
            yield f"\n{row} x {column}"
            yield from _block(table[row, column], task, row == OUTPUTS, whole)
    if none:
        yield "\nZero: " + ", ".join(f"{row} x {column}" for row, column in none)


def _largest(block: Any, absent: Any) -> float:
    """The largest coefficient, of the rows of the content alone where triggers are absent."""
    parts = (block.same, block.different) if isinstance(block, TokenBlock) else (block,)
    return max(float(np.abs(part[1 if absent else 0 :]).max(initial=0)) for part in parts)


def _block(block: Any, task: am.InductionTask, outputs: bool, whole: bool) -> Iterator[str]:
    """The lines of a block, for the classes of tokens that there are."""
    classes = ["any token"] if task.random_triggers else ["trigger", "content"]
    absent = "trigger" if outputs and task.predict == "content" else None  # no row of an output
    if isinstance(block, TokenBlock):  # by class of token
        least = NOTHING * _largest(block, None)
        for name, value in zip(classes, block.same, strict=True):
            if name != absent:
                yield f"  {name} with itself: {value if abs(value) > least else 0:.6g}"
        for i, j in np.ndindex(block.different.shape):
            alone = classes[i] == classes[j] == "trigger" and task.n_triggers == 1
            if classes[i] != absent and not alone:
                value = block.different[i, j]
                shown = value if abs(value) > least else 0
                yield f"  {classes[i]}, another {classes[j]}: {shown:.6g}"
        return
    array = np.where(np.abs(block) > NOTHING * np.abs(block).max(), block, 0.0)
    if whole:
        text = np.array2string(
            array, formatter={"float": "{:9.2e}".format}, max_line_width=76, threshold=sys.maxsize
        )
        yield "  " + text.replace("\n", "\n  ")
        return
    sides = [classes if n == len(classes) else None for n in array.shape]
    skipped = 1 if absent and sides[0] else 0
    yield from _rows(array[skipped:], sides[0] and sides[0][skipped:], sides[1])


FEW = 6  # rows of a block that are told one by one


def _rows(block: Any, rows: Sequence[str] | None, columns: Sequence[str] | None) -> Iterator[str]:
    """A line for each row of a block; rows that are alike share one, and zero ones have none."""
    lines: dict[str, list[str]] = {}
    for i, row in enumerate(block):
        name = rows[i] if rows else str(i + 1)
        lines.setdefault(_entries(row, columns), []).append(name)
    lines.pop("", None)
    told = [
        f"  {names[0] if len(names) == 1 else f'{names[0]} to {names[-1]}'}: {text}"
        for text, names in lines.items()
    ]
    if len(told) > FEW:
        told[FEW // 2 : -FEW // 2] = [f"  ... ({len(told) - FEW} more: --all)"]
    yield from told


def _entries(row: Any, columns: Sequence[str] | None) -> str:
    """The entries of a row in few words; nothing where all are 0."""
    if not row.any():
        return ""
    if columns:
        return ", ".join(f"{name} {value:.3g}" for name, value in zip(columns, row, strict=True))
    if np.ptp(row) <= NOTHING * np.abs(row).max():
        return f"{row[0]:.3g} at every position"
    best, worst = int(row.argmax()), int(row.argmin())
    return f"largest at {best + 1} ({row[best]:.3g}), least at {worst + 1} ({row[worst]:.3g})"


def _run(options: argparse.Namespace, width: int | None, rng: np.random.Generator) -> am.TopDownRun:
    task = _task(options)
    emb = None
    if width is not None:
        emb = am.FrozenEmbeddings.random(task, width=width, rng=rng).compressed()
    return am.top_down(
        task,
        emb,
        margins=tuple(options.margins),
        gradient=getattr(options, "gradient", "closed-form"),
        rng=rng,
    )


def run_steps(options: argparse.Namespace) -> Any:
    """The three steps, a line each, and a picture if one is asked for."""
    run = _run(options, options.width, np.random.default_rng(options.seed))
    where = "infinite width" if options.width is None else f"width {options.width}"
    yield f"{run.task}, {where}, margins {tuple(options.margins)}"
    for step in run.steps:
        found = step.evaluation
        after = "" if found is None else (
            f", attention on the output {found.attention:.4f}, accuracy {found.accuracy.value:.4f}"
        )  # fmt: skip
        yield f"after {step.name}: recall {step.recall:.4f}{after}"
    if run.failure:
        yield f"stopped: {run.failure}"
    if options.picture:
        figure = draw(run, np.random.default_rng(options.seed))
        with replaced(options.picture, "--picture") as file:
            figure.savefig(file, dpi=150, format=options.picture.suffix[1:].lower())
        yield f"picture: {options.picture}"


def draw(run: am.TopDownRun, rng: np.random.Generator) -> Figure:
    """The learned memories, and attention of both layers on one sequence after the steps."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 8, "axes.titlesize": 9}):
        figure = Figure(figsize=(9, 5.6), layout="constrained")
        grid = figure.subplots(2, 3)
        _draw_memories(grid[0], run)
        _draw_attention(grid[1], run, rng)
    return figure


def _draw_memories(grid: Any, run: am.TopDownRun) -> None:
    from assocmem import plots

    emb = run.embeddings
    tables = {
        "W_O2": (emb.outputs, emb.values[: run.task.n_tokens], "output", "token"),
        "W_K2": (emb.tokens, emb.remapped_tokens, "query: token", "key: remapped token"),
        "W_K1": (emb.positions, emb.positions, "query: position", "key: position"),
    }
    for axes, (name, memory) in zip(grid, run.memories.items(), strict=False):
        values, keys, down, across = tables[name]
        image = plots.memory(memory.scores(keys=keys, values=values), ax=axes)
        axes.locator_params(integer=True)
        axes.set(title=f"{name}: recall {run.recall[name]:.0%}", xlabel=across, ylabel=down)
        axes.figure.colorbar(image, ax=axes, shrink=0.8)


def _draw_attention(grid: Any, run: am.TopDownRun, rng: np.random.Generator) -> None:
    from assocmem import plots

    batch = run.task.sample(64, rng=rng)
    tokens = batch.tokens[np.argmax([len(set(sequence)) for sequence in batch.tokens])]
    words = [str(token) for token in tokens]
    for layer, (weights,) in enumerate(run.model().attention(tokens[None])):
        image = plots.attention_map(weights, tokens=words, ax=grid[layer])
        grid[layer].set_title(f"layer {layer + 1} on one sequence")
        grid[layer].tick_params(labelsize=7 if len(words) <= 20 else 5)
        grid[layer].tick_params(axis="x", rotation=90)
        grid[layer].figure.colorbar(image, ax=grid[layer], shrink=0.8, label="attention")
    taken = [step for step in run.steps if step.evaluation]
    rates = [step.evaluation.accuracy.value for step in taken if step.evaluation]
    plots.trajectory([f"{step.name}" for step in taken], {"accuracy": rates}, ax=grid[2])
    grid[2].set(title="accuracy after each step", xlabel="after the step on", ylabel="accuracy")


def evaluate_width(options: argparse.Namespace) -> Any:
    """What the steps reach at a width, one line a draw of the embeddings."""
    task = _task(options)
    yield f"{task}, width {options.width}, margins {tuple(options.margins)}"
    for draw_, rng in enumerate(np.random.default_rng(options.seed).spawn(options.draws), start=1):
        run = _run(options, options.width, rng)
        if run.failure:
            yield f"draw {draw_}: stopped: {run.failure}"
            continue
        recall = ", ".join(f"{name} {share:.3f}" for name, share in run.recall.items())
        yield f"draw {draw_}: recall {recall}; accuracy {run.accuracy.value:.4f}"
    try:
        enough = am.width.required_width(task, 0.1, margins=tuple(options.margins))
    except ValueError as error:
        yield f"no proved width: {error}"
    else:
        yield f"with probability 0.9, all memories are recalled at width {enough} (proved)"


def read_heads(options: argparse.Namespace) -> Any:
    """What the detectors find in a checkpoint."""
    model = am.heads.read(
        options.path, n_heads=options.heads, layout=options.layout, norm=options.norm
    )
    yield repr(model)
    found = am.heads.find(model, level=options.level)
    yield repr(found)
    for first, second in found.circuits:
        yield f"induction circuit: previous-token head {first}, induction head {second}"
    if not found.circuits:
        yield "no induction circuit: no pair of heads that passes all three tests"


if __name__ == "__main__":
    sys.exit(main())
