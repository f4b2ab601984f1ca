"""How many points agree with their prediction: the counts, their intervals, and the verdict."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import assocmem as am
from validation import figures
from validation.__main__ import main
from validation.figures import FIGURES, sheets
from validation.figures.agreement import (
    LEVELS,
    MOST,
    Agreement,
    agreement,
    exponent,
    of_mean,
    of_median,
    of_rate,
)
from validation.runner.cases import FALSE_ALARM


def point(low, high, predicted_low, predicted_high=None):
    """A row; the wide interval reaches one further on both sides."""
    return {
        "wide_low": low - 1,
        "wide_high": high + 1,
        "low": low,
        "high": high,
        "predicted_low": predicted_low,
        "predicted_high": predicted_low if predicted_high is None else predicted_high,
    }


def altered(rows, one, change):
    """The rows, with the prediction of one series changed."""
    ends = [f"predicted_{level}{end}" for level in LEVELS for end in ("low", "high")]
    return [
        row | {end: change(row[end]) for end in ends if end in row} if one(row) else row
        for row in rows
    ]


def command(name, rows, out):
    """Exit code of the command that draws the figure, if these are its rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FIGURES[name], "data", lambda context: rows)
        patch.setattr(FIGURES[name], "draw", lambda rows, columns: sheets.canvas(columns, 1))
        return main(["figure", name, "--output", str(out)])


def one_wrong_series_fails(name, rows, keys, changes, out):
    """Whatever else is right, the verdict is NO and the command exits with 1."""
    of = lambda row: tuple(row[key] for key in keys)  # noqa: E731
    counted = [row for row in rows if np.isfinite([row["wide_high"], row["predicted_low"]]).all()]
    assert command(name, rows, out) == 0
    for series in dict.fromkeys(map(of, counted)):
        for change in changes:
            wrong = altered(rows, lambda row, series=series: of(row) == series, change)
            assert command(name, wrong, out) == 1, series
    return list(dict.fromkeys(map(of, counted)))


def test_every_figure_with_an_agreement_is_one_that_is_drawn():
    counted = {name for name, module in FIGURES.items() if hasattr(module, "agreements")}
    assert counted == {"coherence", "capacity", "width", "phase"}


def test_the_verdict_asks_for_every_point():
    assert Agreement("points", 55, 40, 55).holds  # the count at 95% is for the reader
    assert not Agreement("points", 55, 54, 54).holds


def test_no_point_and_too_many_never_hold():
    assert not Agreement("points", 0, 0, 0).holds
    assert Agreement("points", MOST, MOST, MOST).holds
    assert not Agreement("points", MOST + 1, MOST + 1, MOST + 1).holds


def test_the_verdict_is_wrong_at_most_once_in_a_million():
    assert MOST * LEVELS["wide_"] == pytest.approx(FALSE_ALARM)
    assert LEVELS[""] == pytest.approx(0.05)


def test_intervals_that_meet_are_inside():
    inside = [point(1, 2, 1), point(1, 2, 2), point(1, 2, 0, 3), point(1, 2, 1.9, 3)]
    wide = [point(1, 2, 0.9), point(1, 2, 2.1), point(1, 2, 3, 4)]
    outside = [point(1, 2, -0.1), point(1, 2, 3.1), point(1, 2, 3.1, 4), point(1, 2, np.nan)]
    outside += [point(np.nan, np.nan, 1)]
    counted = agreement("points", inside + wide + outside)
    assert (counted.total, counted.inside, counted.inside_wide) == (12, 4, 7)
    assert str(counted) == "7 of 12 points inside their intervals at 1 - 1e-08 (4 at 95%)"


def test_a_prediction_that_is_sampled_has_a_wide_interval_too():
    row = point(1, 2, 4, 5) | {"predicted_wide_low": 2.5, "predicted_wide_high": 6.5}
    counted = agreement("points", [row])
    assert (counted.inside, counted.inside_wide) == (0, 1)


ENDS = {"": 0.95, "wide_": 1 - 1e-8}


@pytest.mark.parametrize("level", ENDS)
def test_the_interval_of_a_mean_is_students(level):
    low, high = stats.t.interval(ENDS[level], 8, loc=3, scale=0.2)
    found = of_mean(3, 0.2, 9)
    assert (found[f"{level}low"], found[f"{level}high"]) == pytest.approx((low, high), rel=1e-6)


@pytest.mark.parametrize("level", ENDS)
def test_the_interval_of_a_rate_is_exact(level):
    """At the ends of the interval 7 or more, and 7 or fewer, of 9 come with half of what misses."""
    found, miss = of_rate(am.Rate(7, 9)), 1 - ENDS[level]
    assert stats.binom.sf(6, 9, found[f"{level}low"]) == pytest.approx(miss / 2, rel=1e-6)
    assert stats.binom.cdf(7, 9, found[f"{level}high"]) == pytest.approx(miss / 2, rel=1e-6)


@pytest.mark.parametrize("draws", [6, 39, 40, 200])
@pytest.mark.parametrize("error", [-0.1, 0, 0.2])
@pytest.mark.parametrize("level", ENDS)
def test_the_interval_of_a_median_misses_with_the_binomial_probability(draws, error, level):
    """Draws 1 .. n: the bounds are ranks; fewer than the lower one are below the median."""
    found = of_median(np.random.default_rng().permutation(draws) + 1, error)
    below, miss = 0.5 - max(error, 0), 1 - ENDS[level]
    rank = found[f"{level}low"]
    assert found[f"{level}high"] == (draws + 1 - rank if rank else np.inf)
    assert stats.binom.cdf(rank - 1, draws, below) <= miss / 2 < stats.binom.cdf(rank, draws, below)


def test_exponents_are_those_of_a_power_law():
    """Errors of 1 % of four values at 1, 2, 4, 8: 0.01 / sqrt(sum (ln x - mean)²) = 0.0065."""
    x = np.array([1, 2, 4, 8])
    value = 3 * x**1.5
    assert exponent(x, value, 0.01 * value) == "exponent 1.500 ± 0.006"


def test_rows_survive_the_csv(tmp_path):
    rows = [
        {"panel": "T", "d": 16, "value": 0.1 + 0.2, "low": np.inf, "high": np.nan, "draws": 40},
        {"panel": "d = 3", "d": 10**8, "value": 1e-300, "low": -1.5, "high": 2.0, "draws": 0},
    ]
    sheets.publish(tmp_path, "stem", rows, sheets.canvas(1, 1))
    np.testing.assert_equal(sheets.read(tmp_path / "stem.csv"), rows)


@pytest.mark.parametrize(("outside", "verdict", "code"), [(0, "yes", 0), (1, "NO", 1)])
def test_the_command_line_says_whether_all_agree(
    outside, verdict, code, monkeypatch, tmp_path, capsys
):
    rows = [point(1, 2, 1.5)] * (46 - outside) + [point(1, 2, 3.5)] * outside

    module = SimpleNamespace(
        data=lambda context: rows,
        draw=lambda rows, columns: sheets.canvas(columns, 1),
        agreements=lambda rows: [agreement("dots", rows)],
    )
    monkeypatch.setitem(figures.FIGURES, "dots", module)
    assert main(["figure", "dots", "--output", str(tmp_path)]) == code
    inside = 46 - outside
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{inside} of 46 dots inside their intervals at 1 - 1e-08 ({inside} at 95%): {verdict}"
    )
