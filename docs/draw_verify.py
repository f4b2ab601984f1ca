"""Draw what `make verify` prints: `python -m validation | python docs/draw_verify.py`.

Reads the table from standard input and writes docs/images/verify.svg. Nothing is typed in by hand.
"""

import html
import re
import sys
from pathlib import Path

PICTURE = Path(__file__).parent / "images" / "verify.svg"
WIDTH, LINE, LETTER, EDGE = 80, 18, 8.4, 14
COLOURS = {"holds": "#3fb950", "FAILS": "#ff7b72", "undecided": "#d29922"}
DIM, INK, PAPER = "#8b949e", "#e6edf3", "#0d1117"


def drawn(text: str) -> str:
    """The text as a terminal shows it, in SVG: verdicts coloured, headings bold."""
    lines = ["$ make verify", *text.rstrip("\n").splitlines()]
    width, height = WIDTH * LETTER + 2 * EDGE, len(lines) * LINE + 2 * EDGE
    rows = [
        f'<text x="{EDGE}" y="{EDGE + LINE * (number + 0.75):.0f}">{coloured(line)}</text>'
        for number, line in enumerate(lines)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" fill="{INK}" '
            f'xml:space="preserve">',
            f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>',
            *rows,
            "</svg>\n",
        ]
    )


def coloured(line: str) -> str:
    """One line: a claim's verdict in its colour, a chapter's title bold, the rest as it is."""
    safe = html.escape(line, quote=False).replace(" ", "\u00a0")
    row = re.match(r"[A-Z][\w-]*\s.*?\s(holds|FAILS|undecided)\s", line)
    if row:
        word = row[1]
        return re.sub(
            f"\u00a0{word}\u00a0",
            f'\u00a0<tspan fill="{COLOURS[word]}">{word}</tspan>\u00a0',
            safe,
            count=1,
        )
    if "not checked: --profile" in line:
        return f'<tspan fill="{DIM}">{safe}</tspan>'
    if re.match(r"[A-Z][a-z-]+ ?[\w :,\-]*$", line) and not line.startswith("Report"):
        return f'<tspan font-weight="bold">{safe}</tspan>'
    return safe


if __name__ == "__main__":
    PICTURE.write_text(drawn(sys.stdin.read()), encoding="utf-8")
