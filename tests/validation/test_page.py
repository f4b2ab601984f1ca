"""report.html: one file, nothing from the network, all of every claim, safe for any text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from theory import CLAIMS, writing
from theory.derivation import DerivationError, Step
from validation.__main__ import main
from validation.figures import FIGURES
from validation.runner import checks, derived, page, report
from validation.runner.cases import Case
from validation.runner.shown import SHOWN_BY

VOID = {"meta", "img", "br", "circle", "path", "rect", "mspace"}
ALL = tuple(CLAIMS.values())
CASES = [
    Case("a < b & c", 1, 1.2, 0.5, evidence="statistics"),
    Case("far off", 1, 9, 0.5),
    Case("no number", 1, float("nan"), 0.5),
    Case("short", 1, 1, 0.5, undecided="3 runs of 12"),
]


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def built(claims=ALL, cases=CASES, derivations=None, figures=None):
    rows = [report.checked(claim, case) for claim in claims for case in cases]
    rows += [report.not_run(claim, selected=True) for claim in claims if not cases]
    found = report.outcomes(claims, rows)
    settings = {"Command": "python -m validation run", "options": "--seed 4"}
    return page.written(found, "A summary.", settings, derivations or {}, figures or {})


@pytest.fixture(scope="module")
def whole():
    return built()


def test_the_page_is_whole_and_loads_nothing(whole):
    parser = Balanced()
    parser.feed(whole)
    assert parser.open == []
    assert not {"script", "link", "iframe"} & parser.seen
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", whole)
    assert "url(" not in whole
    assert "@import" not in whole


def test_the_page_has_all_of_every_claim(whole):
    for id, claim in CLAIMS.items():
        section = re.search(rf'<section class="[^"]*" id="{id}">(.*?)</section>', whole, re.DOTALL)[
            1
        ]
        assert f'href="#{id}"' in whole
        assert writing.as_html(claim.statement) in section
        assert f"python -m validation run {id} -v --seed 4" in section
        for path in writing.files(claim):
            assert path in section
        assert all(
            case.case.replace("&", "&amp;").replace("<", "&lt;") in section for case in CASES
        )
    assert "numpy" in whole
    assert "Python" in whole


def test_no_formula_keeps_a_command(whole):
    formulas = re.findall(r"<math.*?</math>", whole, re.DOTALL)
    assert len(formulas) > 200
    assert [formula for formula in formulas if re.search(r"\\[A-Za-z]", formula)] == []


def test_steps_are_folded_and_failures_are_told():
    steps = [Step("Start.", r"\lfloor x \rfloor"), Step("So $x$.", "x = 1", checked=True)]
    text = built([CLAIMS["L1"], CLAIMS["L2"]], derivations={"L1": steps, "L2": "L2: wrong & bad"})
    assert "Derivation: 2 steps, 1 of them checked by SymPy" in text
    assert text.count('class="tick"') == 1
    assert "The derivation fails. L2: wrong &amp; bad" in text
    assert re.search(r"<mo[^>]*>⌊|⌊", text)


def test_a_claim_that_did_not_run_says_how_to_run_it():
    assert "not checked: --profile full" in built([CLAIMS["D1"]], cases=[])


@pytest.mark.parametrize(
    ("kind", "measured", "mark"),
    [
        ("equal", 1.25, ("circle", "point", 50)), ("equal", 0.25, ("circle", "out", -150)),
        ("equal", 9, ("path", "out", 150)), ("upper", 0.75, ("circle", "point", -50)),
        ("lower", 1.25, ("circle", "point", 50)), ("high_prob", 0.75, ("circle", "point", -50)),
        ("high_prob", 1.75, ("circle", "out", 150)), ("upper", 1.25, ("circle", "out", 50)),
    ],
)  # fmt: skip
def test_the_picture_of_a_case(kind, measured, mark):
    claim = replace(CLAIMS["L1"], kind=kind)
    drawn = page.picture(report.checked(claim, Case("x", 1, measured, 0.5)))
    shape, colour, place = mark
    assert f'<{shape} class="{colour}"' in drawn
    assert (f'cx="{place:.1f}"' in drawn) or (shape == "path" and f'd="M{place} 0' in drawn)


def test_figures_are_embedded_or_named(tmp_path):
    (tmp_path / "map.png").write_bytes(b"\x89PNG")
    (tmp_path / "map.txt").write_text("Where $T$ < 3.")
    text = built([CLAIMS["L1"]], figures={"L1": [tmp_path / "map.png", "depth"]})
    assert 'src="data:image/png;base64,iVBORw=="' in text
    assert "&lt; 3." in text
    assert "python -m validation figure depth" in text
    figures = dict.fromkeys(("L1", "L2"), (tmp_path / "map.png",))
    text = built([CLAIMS["L1"], CLAIMS["L2"]], figures=figures)
    assert text.count("data:image/png") == 1  # once, and a link
    assert 'Figure map: see <a href="#L1">L1</a>' in text


def test_every_figure_shows_a_claim():
    assert set(SHOWN_BY) <= set(CLAIMS)
    assert {name for names in SHOWN_BY.values() for name in names} == set(FIGURES)


# --- the derivations of the page


def test_derivations_are_kept_until_a_source_changes(monkeypatch, tmp_path):
    cache, ran = tmp_path / "cache.json", []

    def derive(claim):
        ran.append(claim.id)
        if claim.id == "L2":
            raise DerivationError("L2: no")
        return type("Found", (), {"steps": [Step(claim.id, "x", checked=True)]})

    monkeypatch.setattr(derived, "derive", derive)
    claims = [CLAIMS["L1"], CLAIMS["L2"], CLAIMS["D1"]]
    expected = {"L1": [Step("L1", "x", checked=True)], "L2": "L2: no"}
    assert derived.derived(claims, cache) == expected
    assert derived.derived(claims, cache) == expected
    assert ran == ["L1", "L2", "L2"]  # what fails is tried again
    monkeypatch.setattr(derived, "digest", lambda: "another")
    assert derived.derived(claims[:1], cache) == {"L1": expected["L1"]}
    assert ran[3:] == ["L1"]
    cache.write_text("[]")
    assert derived.derived(claims[:1], cache) == {"L1": expected["L1"]}


def test_sources_count_but_not_what_has_gone_when_it_is_read(monkeypatch, tmp_path):
    """The lock of an editor, a link to nowhere, or a file that git replaces meanwhile."""
    (tmp_path / "__init__.py").touch()
    package = SimpleNamespace(__file__=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(derived, "theory", package)
    before = derived.digest()
    (tmp_path / ".#lock.py").symlink_to(tmp_path / "nowhere")
    assert derived.digest() == before
    (tmp_path / "new.py").touch()
    assert derived.digest() != before


def test_derivations_are_the_same_from_several_processes(tmp_path):
    claims = [CLAIMS[id] for id in ("L1", "D1", "NO1", "P1")]
    one, two = (derived.derived(claims, tmp_path / f"{n}.json", workers=n) for n in (1, 2))
    assert list(one) == ["L1", "NO1", "P1"]
    assert one == two


def test_a_derivation_that_fails_is_a_claim_that_fails(
    single_claims, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(checks, "check_of", lambda claim: lambda context: [Case("x", 1, 1, 0)])
    monkeypatch.setattr(derived, "derived", lambda *_, **__: {"L1": "L1: wrong"})
    assert main(["run", "L1", "--output", str(tmp_path)]) == 1
    assert "The derivation fails. L1: wrong" in capsys.readouterr().err
    assert "The derivation fails. L1: wrong" in (tmp_path / "report.html").read_text("utf-8")
