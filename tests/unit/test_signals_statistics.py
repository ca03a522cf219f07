"""Every statistic equals what the plain definition gives on the values written out one by one."""

import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.kernel.signals.statistics import compute, parse

pairs = st.dictionaries(st.integers(0, 1000), st.integers(1, 12), min_size=1, max_size=12).map(
    lambda counts: [(float(value), float(count)) for value, count in sorted(counts.items())]
)
shares = st.integers(0, 1000).map(lambda tenths: tenths / 10)


def written_out(values: Sequence[tuple[float, float]]) -> list[float]:
    return [value for value, count in values for _ in range(int(count))]


def middle(plain: Sequence[float], low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    """Return the mass and the sum between two shares: observation i fills the shares from i/n to (i+1)/n."""
    n = len(plain)
    mass = total = Fraction(0)
    for i, value in enumerate(plain):
        part = min(Fraction(i + 1), high * n) - max(Fraction(i), low * n)
        if part > 0:
            mass += part
            total += part * Fraction(value)
    return mass, total


def value_of(text: str, values: Sequence[tuple[float, float]]) -> float | None:
    statistic = parse(text)
    assert statistic is not None, text
    return compute(statistic, values)


@settings(deadline=None)
@given(pairs, shares)
def test_a_percentile_is_the_smallest_value_that_enough_observations_do_not_exceed(
    values: list[tuple[float, float]], percent: float
) -> None:
    plain = written_out(values)
    share = Fraction(percent / 100)
    expected = next(v for v in plain if sum(other <= v for other in plain) >= share * len(plain))
    assert value_of(f"p{percent}", values) == expected


@settings(deadline=None)
@given(pairs, shares, shares)
def test_trimmed_statistics_cut_exactly(values: list[tuple[float, float]], one: float, other: float) -> None:
    low, high = sorted((one, other))
    bounds = f"({low}%:{high}%)"
    if low == high:
        assert parse(f"TM{bounds}") is None
        return
    mass, total = middle(written_out(values), Fraction(low / 100), Fraction(high / 100))
    assert value_of(f"TC{bounds}", values) == pytest.approx(float(mass), abs=1e-6)
    assert value_of(f"TS{bounds}", values) == pytest.approx(float(total), abs=1e-4)
    assert value_of(f"TM{bounds}", values) == pytest.approx(float(total / mass), rel=1e-6)


@settings(deadline=None)
@given(pairs, st.integers(-5, 1005), st.integers(-5, 1005))
def test_bounds_that_are_values_exclude_the_lower_and_include_the_upper(
    values: list[tuple[float, float]], one: int, other: int
) -> None:
    low, high = sorted((one, other))
    if low == high:
        return
    plain = written_out(values)
    inside = [v for v in plain if low < v <= high]
    assert value_of(f"TC({low}:{high})", values) == len(inside)
    assert value_of(f"TS({low}:{high})", values) == sum(inside)
    assert value_of(f"PR({low}:{high})", values) == pytest.approx(100 * len(inside) / len(plain))
    assert value_of(f"TM({low}:{high})", values) == (pytest.approx(sum(inside) / len(inside)) if inside else None)
    clipped = [min(max(v, low), high) for v in plain]
    assert value_of(f"WM({low}:{high})", values) == pytest.approx(sum(clipped) / len(clipped))


@settings(deadline=None)
@given(pairs, shares.filter(bool))
def test_short_forms_are_their_long_forms(values: list[tuple[float, float]], percent: float) -> None:
    for short in ("tm", "wm", "tc", "ts"):
        assert value_of(f"{short}{percent}", values) == value_of(f"{short.upper()}(:{percent}%)", values)
    assert value_of("IQM", values) == value_of("TM(25%:75%)", values)


@settings(deadline=None)
@given(pairs)
def test_nothing_trimmed_is_the_mean(values: list[tuple[float, float]]) -> None:
    plain = written_out(values)
    for whole in ("tm100", "wm100", "TM(0%:100%)", "WM(0%:)"):
        result = value_of(whole, values)
        assert result is not None
        assert math.isclose(result, sum(plain) / len(plain), rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize(
    "text",
    ["", "p", "p101", "p-1", "P99", "p99.12345678901", "tm", "TM(:)", "TM(90%:10%)", "TM(10%:20)", "PR(10%:20%)",
     "TM(10:10)", "p५0", "Average", "p50 ", "TM(10%:110%)"],
)  # fmt: skip
def test_what_is_no_extended_statistic_is_refused(text: str) -> None:
    assert parse(text) is None


def test_the_user_guide_s_own_examples() -> None:
    values = [(float(n), 1.0) for n in range(1, 101)]
    assert value_of("tm90", values) == 45.5
    assert value_of("PR(:30)", values) == 30
    assert value_of("tc90", values) == 90
    assert value_of("TS(80%:)", values) == sum(range(81, 101))
    assert value_of("wm98", values) == pytest.approx((sum(range(1, 99)) + 2 * 98) / 100)
