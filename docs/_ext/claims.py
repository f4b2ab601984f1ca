"""Sphinx extension: a page for every claim, from its record, its derivation and its check.

Before the pages are read, the derivations and the checks run once, in the quick profile; what they
found is kept in the build directory until a source file changes. A claim that lacks a derivation or
a check, a step that does not hold and a case that fails stop the build.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import theory
from theory import CHAPTERS, CLAIMS, writing
from theory.derivation import Step, derive, has_derivation
from theory.record import Claim
from validation.runner.table import chapter_title

ROOT = Path(theory.__file__).parent.parent
FIGURES = ("induction-head",)
BADGES = {
    "proved": "success",
    "proved in a limit": "info",
    "empirical": "warning",
    "refuted": "danger",
}
Row = dict[str, Any]


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", generate)
    app.connect("build-finished", stays_offline)
    return {"parallel_read_safe": True}


def generate(app: Any) -> None:
    """Write the pages and figures into the source directory, under ``claims``."""
    found = Path(app.outdir).parent / "found"
    found.mkdir(parents=True, exist_ok=True)
    steps, rows = derived(found / "derivations.json"), checked(found / "report.json")
    files = {"index.md": index().encode()}
    for claim in CLAIMS.values():
        cases = [row for row in rows if row["id"] == claim.id]
        files[f"{claim.id}.md"] = page(claim, steps.get(claim.id, ()), cases).encode()
        files[f"{claim.id}.svg"] = figure(claim, cases)
    for name in FIGURES:
        picture = found / f"{name}.png"
        if not fresh(picture):
            validation("figure", name, "--output", str(found))
        files[picture.name] = picture.read_bytes()
    write(Path(app.srcdir) / "claims", files)


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Make the folder hold these files and no others; a file that has not changed stays as old."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)


# What the claims' derivations and checks find


def derived(cache: Path) -> dict[str, list[Step]]:
    """The steps of all derivations."""
    if not fresh(cache):
        steps = {
            id: [asdict(step) for step in derive(claim).steps]
            for id, claim in CLAIMS.items()
            if has_derivation(claim)
        }
        cache.write_text(json.dumps(steps))
    return {
        id: [Step(**step) for step in steps] for id, steps in json.loads(cache.read_text()).items()
    }


def checked(cache: Path) -> list[Row]:
    """The rows of ``python -m validation``."""
    if not fresh(cache):
        validation("run", "--output", str(cache.parent))
    return json.loads(cache.read_text())


def validation(*arguments: str) -> None:
    """Run ``python -m validation``; its exit code says whether all cases hold."""
    command = [sys.executable, "-m", "validation", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")


def fresh(path: Path) -> bool:
    """Whether the file is newer than every module it could depend on."""
    packages = ("assocmem", "theory", "validation")
    sources = [source for package in packages for source in (ROOT / package).rglob("*.py")]
    newest = max(source.stat().st_mtime for source in sources)
    return path.exists() and path.stat().st_mtime > newest


# The pages


def page(claim: Claim, steps: Sequence[Step], rows: Sequence[Row]) -> str:
    """The page of one claim, in MyST Markdown."""
    if not steps and claim.status != "empirical":
        raise ValueError(f"{claim.id}: expected the steps of a derivation; got none.")
    failed = [row["case"] for row in rows if row["passed"] is False]
    if failed:
        raise ValueError(f"{claim.id}: expected cases that hold; these fail: {failed}.")
    parts = [
        f"# {claim.id}: {markdown(claim.title)}",
        f"{badge(claim)} {{bdg-secondary}}`{claim.kind}`",
        blocks(claim.statement),
        "## Assumptions",
        "\n".join(f"- {markdown(assumption)}" for assumption in claim.assumptions) or "None.",
    ]
    if steps:
        parts += [
            "## Derivation",
            f"{writing.count(steps)} ([{writing.CHECKED}]{{.checked}}); "
            f"`python -m theory show {claim.id}` runs it again.",
            "\n".join(step_as_item(number, step) for number, step in enumerate(steps, start=1)),
        ]
    parts += ["## Predicted against measured", measured(claim, rows)]
    if claim.note:
        parts += ["## Note", blocks(claim.note)]
    parts += ["## Source", markdown(claim.source)]
    return "\n\n".join(parts) + "\n"


def index() -> str:
    """The list of all claims, a section for each chapter."""
    parts = [
        "# Claims",
        "Each claim is stated once, derived by SymPy from the definitions, and checked against "
        "numbers that an independent transformer or a simulation gives. The pages below were "
        "written by the build of this site from those three sources.",
    ]
    for chapter in CHAPTERS:
        rows = [
            f"| [{claim.id}]({claim.id}.md) | {markdown(claim.title)} | {badge(claim)} |"
            for claim in CLAIMS.values()
            if claim.chapter == chapter
        ]
        heading = chapter_title(chapter)
        parts += [
            f"## {markdown(heading)}",
            "\n".join(["| | claim | |", "| --- | --- | --- |", *rows]),
        ]
    parts.append("\n".join(["```{toctree}", ":hidden:", "", *CLAIMS, "```"]))
    return "\n\n".join(parts) + "\n"


def badge(claim: Claim) -> str:
    """The status, coloured."""
    return f"{{bdg-{BADGES[claim.status]}}}`{claim.status}`"


def step_as_item(number: int, step: Step) -> str:
    """One item of a numbered list."""
    tick = f"{writing.CHECKED} {writing.scope(step)}".strip()
    mark = f" [{tick}]{{.checked}}" if step.checked else ""
    lines = f"{number}. {markdown(step.text)}{mark}"
    if step.latex:
        indent = " " * len(f"{number}. ")
        formula = [line for line in step.latex.splitlines() if line.strip()]
        lines += "\n\n" + "\n".join(indent + line for line in ["$$", *formula, "$$"]) + "\n"
    return lines


def measured(claim: Claim, rows: Iterable[Row]) -> str:
    """The cases of the check as a table and as a picture."""
    ran = [row for row in rows if row["passed"] is not None]
    if not ran:
        return f"Only in the full profile: `python -m validation run {claim.id} --profile full`."
    lines = [
        f"| {number} | {markdown(row['case'])} | "
        + f"{row['predicted']:.5g} | {row['measured']:.5g} | {row['tolerance']:.2g}"
        + f" | [{writing.CHECKED}]{{.checked}} |"
        for number, row in enumerate(ran, start=1)
    ]
    meaning = {
        "upper": "The measurement is at most the prediction, and no further below than the "
        "tolerance.",
        "lower": "The measurement is at least the prediction, and no further above than the "
        "tolerance.",
        "high_prob": "How often the event occurred, at most the predicted probability, plus the "
        "tolerance for sampling.",
    }.get(claim.kind, "The measurement differs from the prediction by at most the tolerance.")
    return "\n\n".join(
        [
            f"{meaning} `python -m validation run {claim.id}` measures it again.",
            "\n".join(
                [
                    "| | case | predicted | measured | tolerance | holds |",
                    "| ---: | --- | ---: | ---: | ---: | :---: |",
                    *lines,
                ]
            ),
            f"```{{figure}} {claim.id}.svg\n"
            f":alt: measured minus predicted over the tolerance, for each case of {claim.id}\n\n"
            "Where each measurement lies, in units of its tolerance; the shaded range is allowed.\n"
            "A triangle is further out than the axis.\n```",
        ]
    )


def blocks(text: str) -> str:
    """Text with displayed formulas on lines of their own."""
    parts = re.split(r"\$\$(.+?)\$\$", text, flags=re.DOTALL)  # plain, formula, plain, ...
    parts[1::2] = [f"\n\n$$\n{formula.strip()}\n$$\n\n" for formula in parts[1::2]]
    parts[::2] = [markdown(part.strip()) for part in parts[::2]]
    return "".join(parts).strip()


def markdown(text: str) -> str:
    """Text with citations of the bibliography."""
    return writing.as_markdown(text, cite="{{cite:t}}`{}`".format)


def figure(claim: Claim, rows: Iterable[Row]) -> bytes:
    """Measured minus predicted, in units of the tolerance: one dot a case, as SVG."""
    import io

    import matplotlib
    from matplotlib.figure import Figure

    from assocmem.plots import BLUE, GREEN

    excess = [relative_excess(row) for row in rows if row["passed"] is not None]
    edge = 1.6
    low, high = {"upper": (-1, 0), "lower": (0, 1), "high_prob": (-edge, 1)}.get(
        claim.kind, (-1, 1)
    )
    drawing = Figure(figsize=(7.5, 1.1 + 0.16 * len(excess)), layout="constrained")
    axes = drawing.subplots()
    axes.axvspan(low, high, color=GREEN, alpha=0.15, linewidth=0)
    axes.axvline(0, color="grey", linewidth=0.8)
    for number, value in enumerate(excess, start=1):
        marker = "o" if abs(value) < edge else "<" if value < 0 else ">"
        axes.plot(
            max(-edge, min(edge, value)), number, marker, color=BLUE, markersize=5, clip_on=False
        )
    axes.set(
        xlim=(-edge, edge),
        ylim=(len(excess) + 0.7, 0.3),
        yticks=range(1, len(excess) + 1),
        xlabel="(measured - predicted) / tolerance",
        ylabel="case",
    )
    axes.tick_params(axis="y", labelsize=7 if len(excess) > 8 else 9)
    picture = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": claim.id}):  # the same file each time
        drawing.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()


def relative_excess(row: Row) -> float:
    """(measured - predicted) / tolerance; 0 when they are equal, whatever the tolerance."""
    excess = row["measured"] - row["predicted"]
    if excess == 0:
        return 0.0
    return excess / row["tolerance"] if row["tolerance"] else float("inf") * excess


# The site stands alone

_LOADED = re.compile(
    r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=[\"'](?:https?:)?//[^\"']+"
)


def stays_offline(app: Any, error: Exception | None) -> None:
    """Stop the build when a page loads anything from elsewhere."""
    if error is None and app.builder.format == "html":
        for path in Path(app.outdir).rglob("*.html"):
            if found := _LOADED.search(path.read_text(encoding="utf-8")):
                raise RuntimeError(f"{path}: expected nothing from the network; got {found[0]}")
