"""``report.html``: one file to read, to send and to print, that needs no network and no script.

For each claim: what it states, its derivation (folded), what it predicts against what was measured,
its figure, and how to repeat it. Formulas are MathML, which browsers typeset; pictures of cases are
drawn in SVG in the colours of the page, light or dark.
"""

from __future__ import annotations

import base64
import html
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import theory
from theory import writing
from theory.record import Claim
from validation.runner.cases import FALSE_ALARM
from validation.runner.report import FAILS, NOT_CHECKED, Outcome, Row, distance, number
from validation.runner.table import chapter_title

if TYPE_CHECKING:
    from theory.derivation import Step

ROOT = Path(theory.__file__).parent.parent
STYLE = Path(__file__).with_name("report.css")
PACKAGES = ("assocmem", "numpy", "scipy", "sympy", "autograd", "matplotlib")
EDGE = 1.5  # tolerances from the middle of a picture to its edge; what is further out is an arrow

Derivations = Mapping[str, "Sequence[Step] | str"]  # the steps by id, or why they do not hold


def written(
    found: Sequence[Outcome],
    summary: str,
    settings: Mapping[str, str],
    derivations: Derivations,
    figures: Mapping[str, Sequence[Path | str]],
) -> str:
    """The whole page.

    Parameters
    ----------
    found : sequence of Outcome
        The claims and their rows, in the order of the page.
    summary : str
        The verdict in a sentence or two.
    settings : mapping
        What is needed to repeat the run, by name: the command, the seed, the profile.
    derivations : mapping
        By claim: the steps, or why the derivation does not hold. A claim may be absent.
    figures : mapping
        By claim: pictures to show, or the names of figures that can be drawn.
    """
    parts = [_head(), "<header><h1>assocmem: the claims against numbers</h1>"]
    parts += [f"<p>{html.escape(summary)}</p></header>", *_overview(found)]
    first: dict[Path | str, str] = {}  # the claim under which a figure stands
    for chapter, members in _by_chapter(found):
        parts.append(f"<h2>{html.escape(chapter_title(chapter))}</h2>")
        for one in members:
            drawn = [
                _figure(figure, one.claim, first.setdefault(figure, one.claim.id))
                for figure in figures.get(one.claim.id, ())
            ]
            parts.append(_claim(one, settings, derivations.get(one.claim.id), drawn))
    return "\n".join([*parts, _environment(settings), "</body></html>"]) + "\n"


def environment() -> dict[str, str]:
    """Versions, machine and time: what a reader needs to know to repeat the run elsewhere."""
    packages = []
    for name in PACKAGES:
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            packages.append(f"{name} (not installed)")
    known = {
        "Time": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Packages": ", ".join(packages),
        "Machine": f"{platform.system()} {platform.release()}, {platform.machine()}",
    }
    return known | ({"Commit": commit} if (commit := _commit()) else {})


def _commit() -> str:
    """The commit of the source tree, and whether it was changed since; empty without Git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _head() -> str:
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>assocmem: report</title>\n<style>\n{style}</style></head><body>"
    )


def _by_chapter(found: Iterable[Outcome]) -> Iterator[tuple[str, list[Outcome]]]:
    chapters: dict[str, list[Outcome]] = {}
    for one in found:
        chapters.setdefault(one.claim.chapter, []).append(one)
    return iter(chapters.items())


def _verdict(word: str) -> str:
    kind, _, rest = word.partition(":")
    shown = word if kind == NOT_CHECKED else kind
    note = f": {html.escape(rest.strip())}" if rest and kind != NOT_CHECKED else ""
    return f'<span class="verdict {kind.split()[0]}">{shown}</span>{note}'


def _overview(found: Sequence[Outcome]) -> Iterator[str]:
    """A line a claim, failures first, then by chapter."""
    failed = [one for one in found if one.verdict == FAILS]
    if failed:
        links = ", ".join(f'<a href="#{one.claim.id}">{one.claim.id}</a>' for one in failed)
        yield f'<p class="FAILS"><strong>Claims that fail:</strong> {links}</p>'
    names = "".join(f'<th class="number">{name}</th>' for name in ("cases", "worst", "power"))
    yield f'<table class="wide"><thead><tr><th></th><th></th><th></th>{names}</tr></thead><tbody>'
    for chapter, members in _by_chapter(found):
        title = chapter_title(chapter).partition(":")[0]
        yield f'<tr><th colspan="6">{html.escape(title)}</th></tr>'
        for one in members:
            word = one.verdict if one.ran else one.rows[0]["verdict"]
            cells = [
                f'<td><a href="#{one.claim.id}">{one.claim.id}</a></td>',
                f'<td class="long">{writing.as_html(one.claim.title)}</td>',
                f"<td>{_verdict(word)}</td>",
                _cell("cases", str(len(one.ran)) if one.ran else None),
                _cell("worst", number(one.worst, 2) if one.ran else None),
                _cell("power", number(one.power, 1) if one.ran else None),
            ]
            yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table>"
    yield (
        '<p class="soft">Cases: comparisons made. Worst: the largest error over its tolerance. '
        "Power: the smallest relative error that every case would have caught. Statistical cases "
        f"raise a false alarm with probability {FALSE_ALARM:.0e} at most per claim.</p>"
    )


def _cell(name: str, text: str | None) -> str:
    if text is None:
        return '<td class="number"></td>'
    return f'<td class="number" data-name="{name}">{text}</td>'


def _claim(
    one: Outcome,
    settings: Mapping[str, str],
    derivation: Sequence[Step] | str | None,
    figures: Sequence[str],
) -> str:
    claim, box = one.claim, " FAILS-box" if one.verdict == FAILS else ""
    word = one.verdict if one.ran else one.rows[0]["verdict"]
    meta: list[str] = [claim.kind, claim.status]
    if one.ran:
        how = dict.fromkeys(row["evidence"] for row in one.ran)
        meta += [f"{len(one.ran)} cases by {', '.join(how)}", f"{one.seconds:.1f} s"]
    parts = [
        f'<section class="claim{box}" id="{claim.id}">',
        f"<h3>{claim.id}. {writing.as_html(claim.title)} {_verdict(word)}</h3>",
        f'<p class="soft">{" · ".join(meta)} · {writing.as_html(claim.source)}</p>',
        f"<div>{writing.as_html(claim.statement)}</div>",
        _list("Assumptions", claim.assumptions),
        _derivation(claim, derivation),
        _cases(one.ran),
        *figures,
    ]
    if claim.note:
        parts.append(f'<p class="soft">{writing.as_html(claim.note)}</p>')
    files = ", ".join(f"<code>{path}</code>" for path in writing.files(claim))
    again = f"python -m validation run {claim.id} -v {settings.get('options', '')}".strip()
    parts.append(f'<p class="soft">Again: <code>{html.escape(again)}</code>. Files: {files}</p>')
    return "\n".join([*parts, "</section>"])


def _list(title: str, items: Iterable[str]) -> str:
    rows = "".join(f"<li>{writing.as_html(item)}</li>" for item in items)
    return f'<div class="soft">{title}:<ul>{rows}</ul></div>' if rows else ""


def _tick(step: Step) -> str:
    return f"{writing.CHECKED} {html.escape(writing.scope(step))}"


def _derivation(claim: Claim, steps: Sequence[Step] | str | None) -> str:
    if steps is None:
        return ""
    if isinstance(steps, str):
        return f'<p class="FAILS">The derivation fails. {html.escape(steps)}</p>'
    from theory.derivation import idea  # loads SymPy

    text = idea(claim)
    parts = [f"<p>Idea. {writing.as_html(text)}</p>"] if text else []
    for aside, group in writing.grouped(steps):
        lines = [
            f"<li>{writing.as_html(step.text)}"
            + (f' <span class="tick">{_tick(step)}</span>' if step.checked else "")
            + "".join(writing.mathml(each, displayed=True) for each in step.formulas)
            + "</li>"
            for _, step in group
        ]
        listed = f'<ol start="{group[0][0]}">{"".join(lines)}</ol>'
        if aside:
            places = f"(steps {group[0][0]} to {group[-1][0]})"
            summary = f"<summary>{writing.as_html(aside)} {places}</summary>"
            listed = f"<details>{summary}{listed}</details>"
        parts.append(listed)
    title = f"Derivation: {writing.count(steps)}"
    return f"<details><summary>{title}</summary>{''.join(parts)}</details>"


def _cases(rows: Sequence[Row]) -> str:
    """Predicted against measured, with the interval in which the claim holds."""
    if not rows:
        return ""
    head = (
        '<table class="wide"><thead><tr><th>case</th><th class="number">predicted</th>'
        '<th class="number">measured</th><th class="number">tolerance</th>'
        "<th>measured within the interval that holds</th></tr></thead><tbody>"
    )
    lines = [
        f'<tr><td class="long">{html.escape(row["case"])}'
        + ("" if row["passed"] else f" {_verdict(row['verdict'])}")
        + "</td>"
        + _cell("predicted", number(row["predicted"], 6))
        + _cell("measured", number(row["measured"], 6))
        + _cell("±", number(row["tolerance"], 2))
        + f'<td class="picture">{picture(row)}</td></tr>'
        for row in rows
    ]
    table = "".join([head, *lines, "</tbody></table>"])
    if len(rows) <= 8 or not all(row["passed"] for row in rows):
        return table
    return f"<details><summary>All {len(rows)} cases</summary>{table}</details>"


def picture(row: Row) -> str:
    """One case: the prediction in the middle, the interval that holds shaded, the measurement."""
    away = distance(row)
    if away is None:
        return ""
    signed = away if row["measured"] >= row["predicted"] else -away
    if row["kind"] == "high_prob" and row["measured"] < row["predicted"]:
        signed = -EDGE if not row["tolerance"] else max(
            -EDGE, (row["measured"] - row["predicted"]) / row["tolerance"]
        )  # fmt: skip
    low, high = {"upper": (-1, 0), "lower": (0, 1), "high_prob": (-EDGE, 1)}.get(
        row["kind"], (-1, 1)
    )
    x = max(-EDGE, min(EDGE, signed))
    kind = "point" if row["passed"] or row["passed"] is None else "out"
    mark = f'<circle class="{kind}" cx="{100 * x:.1f}" cy="0" r="7"/>'
    if abs(signed) > EDGE:
        tip, back = (150, 132) if signed > 0 else (-150, -132)
        mark = f'<path class="{kind}" d="M{tip} 0L{back} -8L{back} 8Z"/>'
    label = f"measured {signed:+.2g} tolerances from the prediction"
    return (
        f'<svg viewBox="-160 -12 320 24" role="img" aria-label="{label}"><title>{label}</title>'
        f'<rect class="allowed" x="{100 * low}" y="-9" width="{100 * (high - low)}" height="18"/>'
        f'<path class="axis" d="M-150 0H150M0 -11V11"/>{mark}</svg>'
    )


def _figure(figure: Path | str, claim: Claim, first: str) -> str:
    if first != claim.id:
        name = figure if isinstance(figure, str) else figure.stem
        return f'<p class="soft">Figure {name}: see <a href="#{first}">{first}</a>.</p>'
    if isinstance(figure, str):
        return f'<p class="soft">Figure: <code>python -m validation figure {figure}</code></p>'
    data = base64.b64encode(figure.read_bytes()).decode("ascii")
    caption = figure.with_suffix(".txt")
    text = caption.read_text(encoding="utf-8") if caption.exists() else f"Figure {figure.stem}."
    return (
        f'<figure><img alt="Figure {figure.stem} of {claim.id}" '
        f'src="data:image/png;base64,{data}"><figcaption class="soft">'
        f"{writing.as_html(text)}</figcaption></figure>"
    )


def _environment(settings: Mapping[str, str]) -> str:
    shown = {name: text for name, text in settings.items() if name != "options"} | environment()
    rows = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in shown.items()
    )
    return f'<h2 id="environment">How to repeat this</h2><dl>{rows}</dl>'
