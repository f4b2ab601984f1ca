"""Conditions in N, T and K, and the slope of step 3, against the definitions and the steps."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import assocmem as am
from assocmem.gradients import conditions, repeats, steps
from assocmem.gradients.slope import Slope, most_triggers, positions_to_beat

LENGTHS = range(3, 12)


def harmonic_tail(r, length):
    """h_r = Σ_{s>=r} 1/s."""
    return sum((Fraction(1, s) for s in range(r, length + 1)), Fraction(0))


def average(of_tau, length):
    """Over the position τ = 1 .. T-2 of the first trigger."""
    return sum((Fraction(of_tau(tau)) for tau in range(1, length - 1)), Fraction(0)) / (length - 2)


def moments(length):
    return conditions.moments(Fraction(length), *conditions.harmonic_numbers(length))


def shares(tau, length):
    """What x¹_s holds of output, trigger and positions, itself and over its past, s = 1 .. T."""
    s = range(1, length + 1)
    h = [harmonic_tail(r, length) for r in s]
    return {
        "output": [Fraction(t == tau + 1) for t in s],
        "past_output": [Fraction(t >= tau + 1, t) for t in s],
        "trigger": [Fraction(t in (tau, length)) for t in s],
        "past_trigger": [Fraction((t >= tau) + (t == length), t) for t in s],
        "position": [sum(h[:t]) / t for t in s],
    }


@pytest.mark.parametrize("length", LENGTHS)
def test_the_moments_are_averages_over_the_trigger(length):
    m = moments(length)
    assert average(lambda tau: harmonic_tail(tau + 1, length), length) == m.H
    assert m.w == average(lambda tau: harmonic_tail(tau, length) + Fraction(1, length), length)

    def covariance(name, tau):
        parts = shares(tau, length)
        x, y = parts[name], parts["past_trigger"]
        return length * sum(a * b for a, b in zip(x, y, strict=True)) - sum(x) * sum(y)

    for name in shares(1, length):
        expected = average(lambda tau, name=name: covariance(name, tau), length)
        assert getattr(m, name) == expected, name
    assert m.phi == m.output + m.H * m.past_output


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("C", "K"), list(product((2, 3, 10, 41), (1, 2, 5))))
def test_the_mean_reading_of_frequency(length, C, K):
    m = moments(length)
    x, _ = conditions.harmonic_numbers(length)

    def mean(tau):
        parts = shares(tau, length)
        total = length + sum(parts["position"])
        total += sum((length - 2) * (1 - t) for t in parts["trigger"]) / C
        total += sum((length - m.w) * (1 - t) for t in parts["past_trigger"]) / C
        total += (
            sum(2 * t for t in parts["trigger"]) / K
            + sum(m.w * t for t in parts["past_trigger"]) / K
        )
        return total / length

    assert conditions.reading_of_frequency(C, K, length, x, m) == average(mean, length)


@pytest.mark.parametrize(("C", "length"), list(product((2, 3, 9, 100), LENGTHS)))
def test_with_random_triggers_they_are_the_coefficients_of_both_steps(C, length):
    task = am.InductionTask(C + 1, length, n_triggers="random", predict="all")
    m = moments(length)
    first, second = am.gradients.first_step(task), am.gradients.second_step(task)
    for name, lead in zip(
        ("tokens", "remapped_tokens"), conditions.first_leads(C, length, m), strict=True
    ):
        block = first["outputs", name]
        assert float(lead) == pytest.approx(block.same[0] - block.different[0, 0], rel=1e-9)
    wanted = float(conditions.second_with_random(C, Fraction(length), m))
    block = second["tokens", "remapped_tokens"]
    unit = C**3 * (C + 1) ** 2 * length**3
    assert wanted / unit == pytest.approx(block.same[0], rel=1e-7)


@pytest.mark.parametrize(("C", "K", "length"), list(product((2, 3, 9, 100), (1, 2, 5), LENGTHS)))
def test_with_all_outputs_they_are_the_coefficient_of_step_2(C, K, length):
    task = am.InductionTask(C + K, length, n_triggers=K, predict="all")
    m = moments(length)
    wanted = conditions.second_with_all(C, K, Fraction(length), m)
    block = am.gradients.second_step(task)["tokens", "remapped_tokens"]
    assert float(wanted) / (K * length**3 * C**2 * (C + K)) == pytest.approx(
        block.same[0], rel=1e-7
    )
    a, b, c = conditions.quadratic_with_all(K, Fraction(length), m)
    assert a * C**2 + b * C + c == wanted


@pytest.mark.parametrize(("K", "length"), list(product((1, 2, 5), range(5, 20, 3))))
def test_the_fewest_contents_and_tokens_are_where_the_lead_turns_positive(K, length):
    m = moments(length)
    fewest = conditions.fewest_content(length, K, m)
    for C, sign in ((fewest * 0.999, -1), (fewest * 1.001, 1)):
        assert np.sign(float(conditions.second_with_all(C, K, float(length), m))) == sign


@pytest.mark.parametrize("length", [*range(5, 17), 40, 41, 42])
def test_the_fewest_tokens_with_random_triggers(length):
    fewest, m = conditions.fewest_tokens_random(length), moments(length)
    leads = [conditions.second_with_random(N - 1, length, m) for N in range(3, 60)]
    assert [lead > 0 for lead in leads] == [fewest <= N for N in range(3, 60)]


@pytest.mark.parametrize(
    ("C", "K", "length"), list(product((2, 3, 9, 40, 100), (1, 2, 5), range(5, 12)))
)
def test_the_repairing_margin_is_where_what_is_predicted_lets_step_2_lead(C, K, length):
    """After step 1 at margin m, triggers are predicted with the odds K : C exp(m ψ̄)."""
    m = moments(length)
    x, _ = conditions.harmonic_numbers(length)
    margin = conditions.repairing_margin(C, K, length, x, m)
    lead = conditions.second_with_all(C, K, length, m)
    own = (C - 1) * (C + K) * m.phi
    if lead >= 0:
        assert margin == 0
        return
    reading = float(conditions.reading_of_frequency(C, K, length, x, m))
    predicted = K / (K + C * math.exp(margin * reading))
    against = float((own - lead) / (K * C))
    assert margin > 0
    assert predicted * against == pytest.approx(float((1 - Fraction(1, C)) * m.phi), rel=1e-9)


@pytest.mark.parametrize("length", range(3, 6))
@pytest.mark.parametrize(
    "f", [(Fraction(1, 3),), (Fraction(1, 2), Fraction(1, 5)), (0.1, 0.2, 0.3)]
)
def test_repeats_by_the_probabilities_of_all_sequences(f, length):
    """Triggers 0 .. K - 1, one other token; after a trigger comes the other."""
    K, share = len(f), sum(f)
    law = [*f, 1 - share]
    repeated, weight = 0, 0
    for z in product(range(K + 1), repeat=length):
        p = law[z[0]]
        for before, now in pairwise(z):
            p = p * (law[now] if before == K else now == K)
        for t in range(length):
            earlier = sum(z[r] == z[t] for r in range(t)) if z[t] < K else 0
            repeated, weight = repeated + p * (earlier > 0), weight + p * earlier / Fraction(t + 1)
    assert repeats.repeated_share(f, length) == pytest.approx(repeated / length, rel=1e-12)
    mass = repeats.repeat_weight(length, share) * sum(q * q for q in f)
    assert mass == pytest.approx(weight / length, rel=1e-12)
    lead = repeats.output_lead(f, K + 7, length)
    assert lead == pytest.approx(float(mass) * 6 / 49, rel=1e-12)
    on_triggers = repeats.output_lead(f, K + 7, length, loss="triggers")
    assert on_triggers == pytest.approx(float(lead) / (repeated / length), rel=1e-12)


@pytest.mark.parametrize("margin", [0.01, 1.0, 5.0])
@pytest.mark.parametrize(("n", "length", "K"), [(9, 6, 1), (40, 12, 3), (1000, 20, 2)])
def test_what_step_3_drops_at_most(n, length, K, margin):
    """The formula of claim S3b-bound, the variance being that of a binomial share."""
    task = am.InductionTask(n, length, n_triggers=K)
    C = task.n_content
    step = steps._signal(task, None)
    a = steps._attention(step, margin)
    copied, read, scored = step.ranges()
    most = max(sum(abs(entry) for entry in row) for row in step._sharing)
    variance = stats.binom(length - 3, 1 / C).var() / length**2
    second_order = 4 * math.exp(4 * margin * most) * (copied / 2 + margin * read * scored) * most
    mixed = 5 * abs(step._remapped_kappa) * read
    found = am.gradients.third_step_error(task, margin)
    for t in range(1, length):
        expected = a[:, t - 1].mean() * margin**2 * variance * most * (second_order + mixed) / t
        assert found[t - 1] == pytest.approx(expected, rel=1e-9)


# --- the slope of step 3


@settings(max_examples=25)
@given(st.integers(4, 12), st.integers(1, 5))
def test_the_slope_is_that_of_step_3_for_many_contents(length, K):
    """The error falls with C, as T/C at most: at C = 10⁷ it is below 10⁻⁴ of the largest entry."""
    C = 10**7
    task = am.InductionTask(C + K, length, n_triggers=K)
    table = am.gradients.third_step_slope(task, second=am.gradients.second_step(task))
    found = table["positions", "positions"] * (C * length) ** 2 * K * length**3
    slope = Slope(length, K)
    expected = np.zeros((length, length))
    for t in range(2, length):
        for r in range(1, t + 1):
            expected[t - 1, r - 1] = slope.coefficient(t, r)
    rows = slice(1, length - 1)
    np.testing.assert_allclose(found[rows], expected[rows], atol=1e-4 * abs(expected).max())


@pytest.mark.parametrize(("length", "K"), list(product(range(4, 12), (0, 1, 3))))
def test_the_lead_of_the_slope_is_a_difference_of_its_entries(length, K):
    slope = Slope(length, K)
    for t in range(3, length):
        for r in positions_to_beat(t, length):
            gap = slope.coefficient(t, t - 1) - slope.coefficient(t, r)
            assert slope.ahead(t, r) == t * gap, (t, r)


@pytest.mark.parametrize("length", range(3, 9))
def test_every_position_but_the_one_before_is_to_beat(length):
    for t in range(2, length + 1):
        expected = {r for r in range(2, t + 1) if r < length} - {t - 1}
        assert set(positions_to_beat(t, length)) == expected


@pytest.mark.parametrize("length", range(4, 12))
def test_up_to_the_most_triggers_every_row_is_recalled(length):
    most = most_triggers(length)
    for K in (1, 2, 5, 50) if most is None else (int(most), int(most) + 1):
        slope = Slope(length, K)
        recalled = all(
            slope.coefficient(t, t - 1) > slope.coefficient(t, r)
            for t in range(3, length)
            for r in positions_to_beat(t, length)
        )
        assert recalled == (most is None or most >= K)


@settings(max_examples=20)
@given(st.integers(4, 12), st.integers(1, 5))
def test_the_second_row_needs_the_margin_at_which_value_and_slope_cancel(length, K):
    task = am.InductionTask(10**7 + K, length, n_triggers=K)
    second = am.gradients.second_step(task)
    value, slope = (
        table["positions", "positions"][1]
        for table in (
            am.gradients.third_step(task, 0.0, second=second),
            am.gradients.third_step_slope(task, second=second),
        )
    )
    margin = (value[1] - value[0]) / (slope[0] - slope[1]) * second.lead
    found = float(Slope(length, K).second_row)
    assert found == pytest.approx(margin, rel=1e-3)
