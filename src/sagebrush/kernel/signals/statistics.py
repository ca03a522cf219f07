"""CloudWatch's statistics, computed exactly from raw values.

Source: "CloudWatch statistics definitions" in the Amazon CloudWatch User Guide. CloudWatch itself estimates percentiles
from histograms; here every raw value is kept, so they are exact, by the nearest-rank rule: `pNN` is the smallest value
that at least NN percent of the observations do not exceed. Percentages that trim cut the mass of observations exactly:
where a boundary falls inside an observation, its inner part counts, as the interquartile mean is defined in general.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Values = Sequence[tuple[float, float]]
"""Raw values in ascending order, each with the (positive) number of times it occurred."""

BASIC = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")

_NUMBER = r"\d+(?:\.\d{1,10})?"
_SHORT = re.compile(rf"(p|tm|wm|tc|ts)({_NUMBER})", re.ASCII)
_RANGE = re.compile(
    rf"(TM|WM|TC|TS)\((?:({_NUMBER})%)?:(?:({_NUMBER})%)?\)|(TM|WM|TC|TS|PR)\((-?{_NUMBER})?:(-?{_NUMBER})?\)", re.ASCII
)
_INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Extended:
    """A statistic beyond the basic five: its kind (P, TM, WM, TC, TS or PR) and its boundaries.

    With `percent` the boundaries are shares of the observations between 0 and 1, otherwise values, the lower one
    exclusive and the upper one inclusive.
    """

    kind: str
    lower: float
    upper: float
    percent: bool


def parse(text: str) -> Extended | None:
    """Return the extended statistic that AWS writes as `p99.9`, `tm90`, `IQM`, `TM(2%:98%)` or `PR(:300)`, or None."""
    if text in ("IQM", "iqm"):
        return Extended("TM", 0.25, 0.75, percent=True)
    if match := _SHORT.fullmatch(text):
        share = float(match[2]) / 100
        return Extended(match[1].upper(), 0.0, share, percent=True) if share <= 1 else None
    match = _RANGE.fullmatch(text)
    if not match or not any(match.group(2, 3, 5, 6)):
        return None
    if match[1]:
        lower, upper = float(match[2] or 0) / 100, float(match[3] or 100) / 100
        return Extended(match[1], lower, upper, percent=True) if lower < upper <= 1 else None
    lower, upper = float(match[5] or -_INFINITE), float(match[6] or _INFINITE)
    return Extended(match[4], lower, upper, percent=False) if lower < upper else None


def compute(statistic: Extended, values: Values) -> float | None:
    """Return the statistic of at least one value; None where it has no value: the mean of nothing."""
    return _COMPUTE[statistic.kind](statistic, values)


def percentile(values: Values, share: float) -> float:
    """Return the smallest value that at least `share` of the observations do not exceed."""
    rank = share * sum(count for _, count in values)
    passed = 0.0
    for value, count in values:
        passed += count
        if passed >= rank:
            return value
    return values[-1][0]


def _within(statistic: Extended, values: Values) -> list[tuple[float, float]]:
    """Return the observations between the statistic's boundaries."""
    if not statistic.percent:
        return [(value, count) for value, count in values if statistic.lower < value <= statistic.upper]
    whole = sum(count for _, count in values)
    low, high = statistic.lower * whole, statistic.upper * whole
    kept, passed = [], 0.0
    for value, count in values:
        inside = min(passed + count, high) - max(passed, low)
        passed += count
        if inside > 0:
            kept.append((value, inside))
    return kept


def _count(statistic: Extended, values: Values) -> float:
    return float(sum(count for _, count in _within(statistic, values)))


def _sum(statistic: Extended, values: Values) -> float:
    return float(sum(value * count for value, count in _within(statistic, values)))


def _mean(statistic: Extended, values: Values) -> float | None:
    count = _count(statistic, values)
    return _sum(statistic, values) / count if count else None


def _winsorized(statistic: Extended, values: Values) -> float:
    low, high = statistic.lower, statistic.upper
    if statistic.percent:
        low, high = percentile(values, low), percentile(values, high)
    whole = sum(count for _, count in values)
    return float(sum(min(max(value, low), high) * count for value, count in values) / whole)


def _rank(statistic: Extended, values: Values) -> float:
    return 100.0 * _count(statistic, values) / sum(count for _, count in values)


def _percentile(statistic: Extended, values: Values) -> float:
    return percentile(values, statistic.upper)


_COMPUTE: dict[str, Callable[[Extended, Values], float | None]] = {
    "P": _percentile, "TM": _mean, "WM": _winsorized, "TC": _count, "TS": _sum, "PR": _rank,
}  # fmt: skip
