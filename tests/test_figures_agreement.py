"""How many points agree with their prediction: the counts, their intervals, and the verdict."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from validation import figures
from validation.__main__ import main
from validation.cases import FALSE_ALARM
from validation.figures import AGREEMENTS, FIGURES, sheets
from validation.figures.agreement import Agreement, agreement, of_mean, of_median


def point(low, high, predicted_low, predicted_high=None):
    return {
        "low": low,
        "high": high,
        "predicted_low": predicted_low,
        "predicted_high": predicted_low if predicted_high is None else predicted_high,
    }


def test_every_figure_with_an_agreement_is_one_that_is_drawn():
    assert set(AGREEMENTS) == {"coherence", "capacity", "width", "phase"} <= set(FIGURES)


@pytest.mark.parametrize("total", [5, 26, 55, 1280])
def test_the_verdict_is_wrong_once_in_a_million(total):
    least = Agreement("points", total, total).least
    assert (
        stats.binom.cdf(least - 1, total, 0.95) <= FALSE_ALARM < stats.binom.cdf(least, total, 0.95)
    )
    assert Agreement("points", least, total).holds
    assert not Agreement("points", least - 1, total).holds


@pytest.mark.parametrize("total", [0, 1, 4])
def test_too_few_points_never_hold(total):
    assert not Agreement("points", total, total).holds


def test_intervals_that_meet_are_inside():
    inside = [point(1, 2, 1), point(1, 2, 2), point(1, 2, 0, 3), point(1, 2, 1.9, 3)]
    outside = [point(1, 2, 0.9), point(1, 2, 2.1), point(1, 2, 3, 4), point(1, 2, np.nan)]
    outside += [point(np.nan, np.nan, 1)]
    counted = agreement("points", inside + outside)
    assert (counted.inside, counted.total) == (4, 9)
    assert str(counted) == (
        "4 of 9 points inside their 95% intervals (at least 3 expected at 1e-06)"
    )


def test_the_interval_of_a_mean_is_students():
    low, high = stats.t.interval(0.95, 8, loc=3, scale=0.2)
    assert of_mean(3, 0.2, 9) == pytest.approx({"low": low, "high": high}, rel=1e-12)


@pytest.mark.parametrize("draws", [6, 39, 40, 200])
@pytest.mark.parametrize("error", [-0.1, 0, 0.2])
def test_the_interval_of_a_median_misses_with_the_binomial_probability(draws, error):
    """Draws 1 .. n: the bounds are ranks; fewer than the lower one are below the median."""
    found = of_median(np.random.default_rng().permutation(draws) + 1, error)
    below = 0.5 - max(error, 0)
    rank = found["low"]
    assert found["high"] == (draws + 1 - rank if rank else np.inf)
    assert stats.binom.cdf(rank - 1, draws, below) <= 0.025 < stats.binom.cdf(rank, draws, below)


def test_rows_survive_the_csv(tmp_path):
    rows = [
        {"panel": "T", "d": 16, "value": 0.1 + 0.2, "low": np.inf, "high": np.nan, "draws": 40},
        {"panel": "d = 3", "d": 10**8, "value": 1e-300, "low": -1.5, "high": 2.0, "draws": 0},
    ]
    sheets.publish(tmp_path, "stem", rows, sheets.canvas(1, 1))
    np.testing.assert_equal(sheets.read(tmp_path / "stem.csv"), rows)


@pytest.mark.parametrize(("inside", "verdict", "code"), [(46, "yes", 0), (30, "NO", 1)])
def test_the_command_line_says_how_many_agree(inside, verdict, code, monkeypatch, tmp_path, capsys):
    rows = [point(1, 2, 1.5)] * inside + [point(1, 2, 2.5)] * (46 - inside)

    def draw(directory, context):
        return sheets.publish(directory, "dots", rows, sheets.canvas(1, 1))

    monkeypatch.setitem(figures.FIGURES, "dots", draw)
    monkeypatch.setitem(figures.AGREEMENTS, "dots", lambda rows: [agreement("dots", rows)])
    assert main(["figure", "dots", "--output", str(tmp_path)]) == code
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"{inside} of 46 dots inside their 95% intervals (at least 34 expected at 1e-06): {verdict}"
    )
