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
from pathlib import Path
from typing import Any

from paper_map import PAPER

import theory
from theory import CHAPTERS, CLAIMS, writing
from theory.derivation import Step, has_derivation, idea
from theory.record import Claim
from validation.runner.table import chapter_title

ROOT = Path(theory.__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
RECORDS = ROOT / "validation" / "records"
BADGES = {
    "proved": "success",
    "proved in a limit": "info",
    "empirical": "warning",
    "refuted": "danger",
}
STATUS = {
    "proved": "Proved:",
    "proved in a limit": "Proved in a limit:",
    "empirical": "Measured, not proved:",
    "refuted": "Refuted, and kept with its counterexample:",
}
KIND = {
    "equal": "an equality.",
    "upper": "an upper bound, with its tightness.",
    "lower": "a lower bound, with its tightness.",
    "rate": "a rate of growth, with its standard error.",
    "high_prob": "a bound on the probability of an event.",
    "empirical": "a statement that fresh runs can refute.",
    "order": "which of two quantities is larger, in pairs of fresh runs.",
}
EVIDENCE = {
    "identity": "two computations agree to rounding",
    "enumeration": "agreement to rounding on every sequence of a small task, or on every pattern "
    "of equal tokens",
    "bound": "agreement within a proved remainder or bound",
    "estimate": "a limit or a slope, within an error estimated from the same numbers",
    "statistics": "random draws, with a false-alarm probability of at most $10^{-6}$",
    "pairs": "ten pairs of runs, with a false verdict in at most one of 1024",
    "range": "agreement within limits that the claim states without proof",
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
    rows = checked(found / "report.json")
    steps = derived(found / "derivations.json")
    files = {"index.md": index().encode(), "paper.md": paper().encode()}
    files |= {f"{chapter}.md": chapter_page(chapter).encode() for chapter in CHAPTERS}
    for claim in CLAIMS.values():
        cases = [row for row in rows if row["id"] == claim.id]
        files[f"{claim.id}.md"] = page(claim, steps.get(claim.id, ()), cases).encode()
    files |= exact_figures() | recorded_figures()
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


def derived(cache: Path) -> dict[str, Sequence[Step]]:
    """The steps of all derivations; one that fails stops the build."""
    from validation.runner import derived as kept

    found = kept.derived(CLAIMS.values(), cache)
    if failed := [why for why in found.values() if isinstance(why, str)]:
        raise RuntimeError(f"derivations: expected all to hold; these fail: {failed}")
    return {id: steps for id, steps in found.items() if not isinstance(steps, str)}


def checked(cache: Path) -> list[Row]:
    """The rows of ``python -m validation``."""
    if not fresh(cache):
        validation("run", "--output", str(cache.parent))
    return json.loads(cache.read_text())


def validation(*arguments: str) -> None:
    """Run ``python -m validation``; its exit code says whether all cases hold."""
    print(f"python -m validation {' '.join(arguments)} ...", flush=True)
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
    """The page of one claim, in MyST Markdown: the result first, then why to believe it."""
    if not steps and has_derivation(claim):
        raise ValueError(f"{claim.id}: expected the steps of a derivation; got none.")
    failed = [row["case"] for row in rows if row["passed"] is False]
    if failed:
        raise ValueError(f"{claim.id}: expected cases that hold; these fail: {failed}.")
    parts = [
        f"# {claim.id}: {markdown(claim.title)}",
        f"{badge(claim)} {STATUS[claim.status]} {KIND[claim.kind]}",
        blocks(claim.statement),
        "**Where it holds.** " + "; ".join(map(markdown, claim.assumptions)) + ".",
        "## Predicted against measured",
        *(f"```{{figure}} {name}\n:alt: {alt}\n\n{text}\n```" for name, alt, text in shown(claim)),
        measured(claim, rows),
    ]
    if steps:
        parts += [
            "## Derivation",
            f"{writing.count(steps)} ([{writing.CHECKED}]{{.checked}}); "
            f"`python -m theory show {claim.id}` runs it again.",
            *([f"**Idea.** {markdown(text)}"] if (text := idea(claim)) else ()),
            *map(group_as_list, writing.grouped(steps)),
        ]
    if claim.note:
        parts += ["## Note", blocks(claim.note)]
    parts += ["## Source, code and related claims", related(claim)]
    return "\n\n".join(parts) + "\n"


def related(claim: Claim) -> str:
    """Where the claim comes from, its files, the claims it names and those that name it."""
    text = " ".join([claim.statement, claim.note, claim.source, *claim.assumptions])
    named = {id for id in CLAIMS if id != claim.id and re.search(rf"(?<![\w-]){id}(?![\w-])", text)}
    naming = {
        other.id
        for other in CLAIMS.values()
        if other.id != claim.id
        and re.search(
            rf"(?<![\w-]){claim.id}(?![\w-])", f"{other.statement} {other.note} {other.source}"
        )
    }
    rows = [
        ("Source", markdown(claim.source)),
        ("Files", ", ".join(f"`{path}`" for path in writing.files(claim))),
        ("Refers to", ", ".join(f"[{id}]({id}.md)" for id in CLAIMS if id in named)),
        ("Referred to by", ", ".join(f"[{id}]({id}.md)" for id in CLAIMS if id in naming)),
    ]
    return "\n".join(f"- {name}: {text}" for name, text in rows if text)


def shown(claim: Claim) -> list[tuple[str, str, str]]:
    """The pictures that show the claim: file, what it is, caption."""
    from validation.figures import BY_CLAIM, FIGURES
    from validation.runner.shown import SHOWN_BY

    found = []
    for name in SHOWN_BY.get(claim.id, ()):
        again = f"`python -m validation figure {name}` draws it again."
        if name in BY_CLAIM:
            text = f"{markdown(FIGURES[name].AXES[claim.id].says)} {again}"
            found.append((f"{claim.id}-{name}.svg", f"{claim.id}, predicted and measured", text))
        else:
            text = (IMAGES / f"{name}.txt").read_text(encoding="utf-8").strip()
            found.append((f"../images/{name}.png", f"figure {name}", f"{markdown(text)} {again}"))
    return found


def exact_figures() -> dict[str, bytes]:
    """Of each exact claim its panel of a figure, from the committed numbers."""
    from validation.figures import BY_CLAIM, FIGURES, sheets

    files = {}
    for name in BY_CLAIM:
        rows = sheets.read(IMAGES / f"{name}.csv")
        for id, panel in FIGURES[name].PANELS.items():
            drawing = sheets.arranged(rows, {id: panel}, 1, across=1, shape=0.7)
            files[f"{id}-{name}.svg"] = sheets.picture(sheets.fitted(drawing), "svg")
    return files


def recorded_figures() -> dict[str, bytes]:
    """The figures at the paper's sizes, from the numbers of runs that take hours."""
    from validation.figures import FIGURES, sheets

    return {
        f"{path.stem}.png": sheets.picture(
            FIGURES[path.stem.removeprefix("figure-")].draw(sheets.read(path)), "png"
        )
        for path in sorted(RECORDS.glob("figure-*.csv"))
    }


def index() -> str:
    """The list of all claims, a section for each chapter."""
    parts = [
        "# Claims",
        "Each claim has a statement, a derivation that SymPy checks if the claim is called proved, "
        "and a numerical check against an independent transformer or a simulation. The build of "
        "this site wrote the pages below from these three sources. The [map of the "
        "paper](paper.md) leads from its sections to the claims.",
    ]
    for chapter in CHAPTERS:
        rows = [
            f"| [{claim.id}]({claim.id}.md) | {markdown(claim.title)} | {badge(claim)} |"
            for claim in members(chapter)
        ]
        parts += [
            f"## {markdown(chapter_title(chapter))}",
            "\n".join(["| | claim | |", "| --- | --- | --- |", *rows]),
        ]
    parts.append("\n".join(["```{toctree}", ":hidden:", "", "paper", *CHAPTERS, "```"]))
    return "\n\n".join(parts) + "\n"


def chapter_page(chapter: str) -> str:
    """The page of a chapter: what it is about, and its claims in the sidebar below it."""
    title, ids = chapter_title(chapter), [claim.id for claim in members(chapter)]
    rows = [f"- [{claim.id}]({claim.id}.md): {markdown(claim.title)}" for claim in members(chapter)]
    below = ["```{toctree}", ":hidden:", "", *(f"{id} <{id}>" for id in ids), "```"]
    heading = f"# {markdown(title.partition(':')[0])}"
    return "\n\n".join([heading, f"{markdown(title)}.", "\n".join(rows), "\n".join(below)]) + "\n"


def members(chapter: str) -> list[Claim]:
    """The claims of a chapter, in order."""
    return [claim for claim in CLAIMS.values() if claim.chapter == chapter]


def paper() -> str:
    """From the sections of the paper to claims, functions and figures."""
    from validation.runner.shown import SHOWN_BY

    parts = [
        "# Map of the paper",
        "This table lists statements, equations and figures of {cite:t}`BCBJB2023` with the "
        "claims, functions and figures of this library that correspond to them.",
        "The equations are in the notation of these pages, which is the paper's except that "
        "$\\Phi_1$ stands for its $W_O^1 W_V^1$. Lemmas and figures have the paper's numbers. The "
        "numbers of equations are left out, because we could not check them against the paper.",
    ]
    head = [
        "| section | statement and equation | claims, functions and figures here |",
        "| --- | --- | --- |",
    ]
    rows = []
    for section, statement, equation, ids, functions in PAPER:
        links = ", ".join(f"[{id}]({id}.md)" for id in ids)
        code = ", ".join(f"{{any}}`{name} <assocmem.{name}>`" for name in functions)
        figures = dict.fromkeys(name for id in ids for name in SHOWN_BY.get(id, ()))
        drawn = "figure " + ", ".join(f"`{name}`" for name in figures) if figures else ""
        here = "<br>".join(filter(None, (links, code, drawn)))
        stated = f"{statement}<br>${equation}$" if equation else statement
        stated = stated.replace("|", r"\vert ")
        rows.append(f"| {section} | {stated} | {here} |")
    return "\n\n".join([*parts, "\n".join([*head, *rows])]) + "\n"


def badge(claim: Claim) -> str:
    """The status, coloured."""
    return f"{{bdg-{BADGES[claim.status]}}}`{claim.status}`"


def group_as_list(group: tuple[str, Sequence[tuple[int, Step]]]) -> str:
    """Steps as a numbered list; bookkeeping is folded under its title."""
    title, steps = group
    items = "\n".join(step_as_item(number, step) for number, step in steps)
    if not title:
        return items
    places = f"{steps[0][0]} to {steps[-1][0]}"
    return f":::{{dropdown}} {markdown(title)} (steps {places})\n\n{items}\n:::"


def step_as_item(number: int, step: Step) -> str:
    """One item of a numbered list."""
    tick = f"{writing.CHECKED} {writing.scope(step)}".strip()
    mark = f" [{tick}]{{.checked}}" if step.checked else ""
    lines = f"{number}. {markdown(step.text)}{mark}"
    for each in step.formulas:
        indent = " " * len(f"{number}. ")
        formula = [line for line in each.splitlines() if line.strip()]
        lines += "\n\n" + "\n".join(indent + line for line in ["$$", *formula, "$$"]) + "\n"
    return lines


def measured(claim: Claim, rows: Iterable[Row]) -> str:
    """The cases of the check as a table, and what its columns mean."""
    ran = [row for row in rows if row["passed"] is not None]
    if not ran:
        return (
            "This claim is checked only in the full profile: "
            f"`python -m validation run {claim.id} --profile full`."
        )
    lines = [
        f"| {number} | {markdown(row['case'])} | "
        + f"{row['predicted']:.5g} | {row['measured']:.5g} | {row['tolerance']:.2g}"
        + f" | {row.get('evidence') or 'identity'} [{writing.CHECKED}]{{.checked}} |"
        for number, row in enumerate(ran, start=1)
    ]
    meaning = {
        "upper": "The measurement is at most the prediction, and below it by at most the "
        "tolerance.",
        "lower": "The measurement is at least the prediction, and above it by at most the "
        "tolerance.",
        "order": "Each pair of fresh runs gives the sign of a difference; the measurement is the "
        "mean of the signs.",
        "high_prob": "The measured frequency of the event exceeds the bound on its probability by "
        "at most the tolerance, which is the sampling error.",
    }.get(claim.kind, "The measurement differs from the prediction by at most the tolerance.")
    found = dict.fromkeys(row.get("evidence") or "identity" for row in ran)
    how = "; ".join(EVIDENCE[word] for word in found)
    return "\n\n".join(
        [
            f"{meaning} Evidence: {how}. `python -m validation run {claim.id} -v` repeats it.",
            "\n".join(
                [
                    "| | case | predicted | measured | tolerance | evidence |",
                    "| ---: | --- | ---: | ---: | ---: | --- |",
                    *lines,
                ]
            ),
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
    return writing.as_markdown(writing.typeset(text), cite="{{cite:t}}`{}`".format)


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
