"""The pages of the site: generated ones are strict, all is covered, README has the table."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import bibtexparser
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text

import assocmem
from theory import CHAPTERS, CLAIMS
from theory.derivation import Step
from validation.figures import sheets

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), *sorted((DOCS / "api").glob("*.md"))]
NAME_BY_NAME = ("gradients", "heads", "sweeps", "training", "width")  # the others are listed whole
STEPS = [Step("Start.", r"x = 1"), Step("So $x$ is `one`.", "x - 1 = 0", checked=True)]


@pytest.fixture(scope="module")
def site() -> ModuleType:
    """The Sphinx extension that writes the pages on claims; it needs no Sphinx to do so."""
    spec = importlib.util.spec_from_file_location("claims", DOCS / "_ext" / "claims.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "_ext"))
        spec.loader.exec_module(module)
    return module


def row(id, *, measured=1.25, passed=True):
    return {
        "id": id, "case": "a_case", "predicted": 1.0, "measured": measured, "tolerance": 0.5,
        "passed": passed, "seconds": 0.1,
    }  # fmt: skip


# --- README


def test_readme_is_short_and_names_claims_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    found = text.partition("## What was found")[2].partition("##")[0]
    named = {id for group in re.findall(r"\(([^()]*)\)", found) for id in group.split(", ")}
    assert named & CLAIMS.keys()
    assert {id for id in named if re.fullmatch(r"[A-Z]+\d\S*", id)} <= CLAIMS.keys()


# --- the generated pages


@pytest.mark.parametrize("id", CLAIMS)
def test_a_page_has_all_of_a_claim(id, site):
    claim, text = CLAIMS[id], site.page(CLAIMS[id], STEPS, [row(id)])
    assert text.startswith(f"# {id}: ")
    assert f"`{claim.status}`" in text
    for formula in re.findall(r"\$+[^$]+\$+", claim.statement):
        assert formula.strip("$").strip() in text
    assert "1. Start.\n\n   $$\n   x = 1\n   $$" in text
    assert "2. So $x$ is `one`. [✓]{.checked}" in text
    assert r"| 1 | a\_case | 1 | 1.25 | 0.5 |" in text
    for key in re.findall(r"\[([A-Z]\w*\d{4})\]", claim.source):
        assert f"{{cite:t}}`{key}`" in text


def test_a_page_without_a_derivation_is_refused(site):
    with pytest.raises(ValueError, match=r"L1: expected the steps of a derivation; got none"):
        site.page(CLAIMS["L1"], [], [row("L1")])


def test_a_page_with_a_case_that_fails_is_refused(site):
    with pytest.raises(ValueError, match=r"L1: expected cases that hold; these fail: \['a_case'\]"):
        site.page(CLAIMS["L1"], STEPS, [row("L1", passed=False)])


def test_a_claim_that_did_not_run_says_so(site):
    text = site.page(CLAIMS["L1"], STEPS, [row("L1", passed=None)])
    assert "only in the full profile" in text


def test_the_index_lists_every_claim(site):
    text = site.index()
    assert re.findall(r"\]\((.+)\.md\)", text) == ["paper", *CLAIMS]
    toctree = re.compile(r"```\{toctree\}\n:hidden:\n\n(.*?)\n```", re.DOTALL)
    assert toctree.search(text)[1].split() == ["paper", *CHAPTERS]
    below = [
        re.findall(r"^(\S+) <\1>$", toctree.search(site.chapter_page(chapter))[1], re.MULTILINE)
        for chapter in CHAPTERS
    ]
    assert [id for ids in below for id in ids] == list(CLAIMS)


def test_the_map_of_the_paper_goes_to_claims_functions_and_figures(site):
    text, named = site.paper(), [id for *_, ids, _ in site.PAPER for id in ids]
    assert set(named) <= set(CLAIMS)
    assert all(f"[{id}]({id}.md)" in text for id in named)
    for *_, functions in site.PAPER:
        for name in functions:
            found = assocmem
            for part in name.split("."):
                found = getattr(found, part)
            assert callable(found)
    sourced = {id for id, claim in CLAIMS.items() if claim.source.startswith("[BCBJB2023]")}
    assert sourced <= set(named)
    for section, statement, equation, ids, functions in site.PAPER:
        assert section
        assert statement
        assert ids or functions
        assert equation or "Figure" in statement or "together" in statement
        assert f"${equation}$".replace("|", r"\vert ") in text or not equation


def test_a_page_links_to_the_claims_it_names(site):
    text = site.related(CLAIMS["T-S2"])
    assert "[S2](S2.md)" in text
    assert "`validation/steps/t_s2.py`" in text


EXAMPLES = sorted((DOCS / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_screen_of_code_with_a_picture(path):
    """The build of the site runs them; here: short, with a title, and something to see."""
    text = path.read_text(encoding="utf-8")
    assert re.match(r'r?"""\n(.+)\n=+\n', text)
    assert len(text.splitlines()) <= 50
    assert "plt.subplots(" in text or "draw(" in text


def test_there_are_enough_examples():
    assert len(EXAMPLES) >= 12


def written(figure, kind):
    """In place of the file of a figure, which takes longer: each of its texts has a size."""
    for text in figure.findobj(Text):
        text.get_window_extent(RendererAgg(1, 1, dpi=72))
    return kind.encode()


@pytest.mark.parametrize(
    ("title", "wrong"),
    [(r"$\nothing$", "Unknown symbol"), ("\N{PERPENDICULAR}", "Glyph 10178")],
)
def test_a_text_that_cannot_be_drawn_is_seen(title, wrong):
    figure = sheets.canvas(1, 1)
    figure.subplots().set_title(title)
    with pytest.raises(Exception, match=wrong):
        written(figure, "svg")


def test_a_page_shows_what_was_measured_before_it_tells_it_in_numbers(site, monkeypatch):
    """Every claim has a picture, which the build draws or the repository holds."""
    monkeypatch.setattr(sheets, "picture", written)
    drawn = site.exact_figures()
    assert set(drawn.values()) == {b"svg"}
    for id, claim in CLAIMS.items():
        text = site.page(claim, STEPS, [row(id)])
        pictures = re.findall(r"```\{figure\} (\S+)", text)
        assert pictures
        assert text.index("```{figure}") < text.index("| | case |")
        for name in pictures:
            assert name in drawn or (DOCS / "claims" / name).resolve().exists(), name


def test_pages_of_claims_that_are_gone_disappear(site, tmp_path):
    site.write(tmp_path / "claims", {"L1.md": b"one", "L2.md": b"two"})
    old = (tmp_path / "claims" / "L1.md").stat().st_mtime_ns
    site.write(tmp_path / "claims", {"L1.md": b"one", "L3.md": b"three"})
    left = {path.name: path.read_bytes() for path in (tmp_path / "claims").iterdir()}
    assert left == {"L1.md": b"one", "L3.md": b"three"}
    assert (tmp_path / "claims" / "L1.md").stat().st_mtime_ns == old


@pytest.mark.parametrize(
    ("loads", "line"),
    [
        (True, '<script src="https://cdn.example.org/x.js"></script>'),
        (True, '<link rel="stylesheet" href="//fonts.example.org/x.css">'),
        (True, '<img alt="" src="http://example.org/x.png">'),
        (False, '<a href="https://doi.org/10.1/1">paper</a>'),
        (False, '<script src="_static/x.js"></script>'),
    ],
)
def test_the_offline_check_sees_what_a_page_loads(loads, line, site, tmp_path):
    (tmp_path / "page.html").write_text(line)

    class app:
        outdir = tmp_path

        class builder:
            format = "html"

    if loads:
        with pytest.raises(RuntimeError, match="expected nothing from the network"):
            site.stays_offline(app, None)
    else:
        site.stays_offline(app, None)


# --- the written pages


def public(module):
    """Functions and classes that a module lists, or else defines, for its users."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {
        name
        for name, thing in vars(module).items()
        if (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__ == module.__name__
        and not name.startswith("_")
    }


def rooms():
    """The public modules of the library."""
    names = {path.stem for path in Path(assocmem.__file__).parent.iterdir()}
    return {name for name in names if not name.startswith("_") and name != "py"}


def test_the_reference_has_every_public_name():
    """Each module documented name by name lists its __all__; the others are listed whole."""
    pages = {path.stem: path.read_text("utf-8") for path in (DOCS / "api").glob("*.md")}
    assert set(pages) == rooms()
    text = "\n".join(pages.values())
    listed, module = {}, "assocmem"
    for directive, name in re.findall(r"(currentmodule|auto\w+):: ([\w.]+)", text):
        if directive == "currentmodule":
            module = name
        elif directive == "automodule":
            listed[name] = list(public(importlib.import_module(name)))
        else:
            listed.setdefault(module, []).append(name)
    assert all(len(names) == len(set(names)) > 0 for names in listed.values())
    modules = {name.split(".")[1] for name in listed if "." in name}
    for name in ("assocmem", *(f"assocmem.{room}" for room in NAME_BY_NAME)):
        declared = set(importlib.import_module(name).__all__)
        assert set(listed[name]) == declared - modules - {"conditions", "tasks", "vectors"}
    testing = {
        name for part in ("lemma", "properties") for name in listed[f"assocmem.testing.{part}"]
    }
    assert set(assocmem.testing.__all__) <= testing
    importable = {f"assocmem.{name}" for name in assocmem.__all__}
    importable -= {"assocmem.tasks", "assocmem.vectors"}  # their names are in the first part
    assert {name for name in importable if name in sys.modules} <= {
        ".".join(name.split(".")[:2]) for name in listed
    }


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_code_fits_its_box(path):
    blocks = re.findall(
        r"^```(?:\{(?:doctest|testcode)\}|\w+)\n(.*?)^```", path.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )  # fmt: skip
    assert [line for block in blocks for line in block.splitlines() if len(line) > 88] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_python_example_is_executed(path):
    """A block of Python is one of Sphinx's doctest directives, never a bare listing."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^```(?:python|pycon|py)\b", text, re.MULTILINE)
    assert text.count(">>> ") == sum(
        block.count(">>> ")
        for block in re.findall(r"^```\{doctest\}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    )


def test_every_citation_of_the_pages_resolves():
    library = bibtexparser.parse_file(str(DOCS / "refs.bib"))
    cited = {
        key for path in PAGES for key in re.findall(r"\{cite:\w+\}`(\w+)`", path.read_text("utf-8"))
    }
    assert cited
    assert cited <= set(library.entries_dict)


def resolves(name: str) -> bool:
    """Whether a dotted name is a module of this repository, or leads into one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:end])
        if path.is_dir() or path.with_suffix(".py").is_file():
            found = importlib.import_module(".".join(parts[:end])) if parts[end:] else None
            for part in parts[end:]:
                if not hasattr(found, part):
                    return False
                found = getattr(found, part)
            return True
    return False


SPOKEN_OF = [
    path
    for folder in ("docs", "assocmem", "theory", "validation")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".md", ".py") and "_build" not in path.parts
]


def test_every_dotted_name_that_a_text_mentions_exists():
    for gone in ("theory.claims", "validation.runner.cases.nothing"):
        assert not resolves(gone)
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *SPOKEN_OF]
        for name in re.findall(
            r"\b(?<![./])(?:assocmem|theory|validation)(?:\.[A-Za-z_]\w*)+",
            path.read_text(encoding="utf-8"),
        )
        if not resolves(name)
    }
    assert not missing


def test_mathjax_is_locked():
    """One exact version, whose content npm verifies, from whatever registry it comes."""
    wanted = json.loads((DOCS / "package.json").read_text())["dependencies"]
    locked = json.loads((DOCS / "package-lock.json").read_text())["packages"]
    assert set(wanted) == {"mathjax"}
    assert locked["node_modules/mathjax"]["version"] == wanted["mathjax"]
    assert locked["node_modules/mathjax"]["integrity"].startswith("sha512-")
