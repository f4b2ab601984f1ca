"""Draw what `make verify` prints: `python -m validation | python docs/draw_verify.py`.

Reads the table from standard input and writes docs/images/verify.svg. Nothing is typed in by hand.
"""

import html
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from theory import CHAPTERS
from validation.runner.table import chapter_title

TITLES = [chapter_title(chapter) for chapter in CHAPTERS]
PICTURE = Path(__file__).parent / "images" / "verify.svg"
WIDTH, LINE, LETTER, EDGE = 80, 18, 8.4, 14
COLOURS = {"holds": "#3fb950", "FAILS": "#ff7b72", "undecided": "#d29922"}
DIM, INK, PAPER = "#8b949e", "#e6edf3", "#0d1117"


def drawn(text: str) -> str:
    """The text as a terminal shows it, in SVG: verdicts coloured, headings bold."""
    lines = ["$ make verify", *text.rstrip("\n").splitlines()]
    verdict = next(line.index(" holds") + 1 for line in lines if line.startswith("id "))
    width, height = WIDTH * LETTER + 2 * EDGE, len(lines) * LINE + 2 * EDGE
    rows = [
        f'<text x="{EDGE}" y="{EDGE + LINE * (number + 0.75):.0f}">{coloured(line, verdict)}</text>'
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


def coloured(line: str, verdict: int) -> str:
    """One line: a claim's verdict in its colour, a chapter's title bold, the rest as it is."""
    safe = [html.escape(part, quote=False) for part in (line[:verdict], line[verdict:])]
    word = line[verdict:].partition(" ")[0]
    if word in COLOURS and line[verdict - 1] == " ":
        rest = safe[1].removeprefix(word)
        return spaced(safe[0]) + f'<tspan fill="{COLOURS[word]}">{word}</tspan>' + spaced(rest)
    text = spaced("".join(safe))
    if line[verdict:].startswith("not checked"):
        return f'<tspan fill="{DIM}">{text}</tspan>'
    return f'<tspan font-weight="bold">{text}</tspan>' if is_title(line) else text


def is_title(line: str) -> bool:
    """Whether the line is the title of a chapter."""
    return line in TITLES or any(title.startswith(line + part) for title in TITLES for part in ":,")


def spaced(text: str) -> str:
    """The text with spaces that stay."""
    return text.replace(" ", "\u00a0")


if __name__ == "__main__":
    PICTURE.write_text(drawn(sys.stdin.read()), encoding="utf-8")
