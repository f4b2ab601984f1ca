"""Tolerances fail a true claim no more often than they state."""

from __future__ import annotations

from scipy import stats

from validation.runner import tolerances


def test_a_tolerance_fails_a_true_claim_no_more_often_than_stated():
    """By the exact law: the binomial tail at the tolerance, and one hit tighter, above."""
    case = tolerances.frequency("coin", 0.3, hits=0, trials=1000, tests=4)
    allowed = round((case.predicted + case.tolerance) * 1000)
    alarm = tolerances.FALSE_ALARM / 4
    assert stats.binom.sf(allowed, 1000, 0.3) <= alarm < stats.binom.sf(allowed - 1, 1000, 0.3)


def test_the_largest_allowed_frequency_passes_and_the_next_fails():
    case = tolerances.frequency("coin", 0.3, hits=0, trials=1000, tests=4)
    allowed = round((case.predicted + case.tolerance) * 1000)
    for hits, passes in ((allowed, True), (allowed + 1, False)):
        assert tolerances.frequency("coin", 0.3, hits, 1000, tests=4).passed("high_prob") is passes


def test_more_tests_and_fewer_draws_widen_the_tolerance():
    assert tolerances.standard_errors(20) > tolerances.standard_errors(2)
    assert tolerances.standard_errors(2, freedom=10) > tolerances.standard_errors(2)
