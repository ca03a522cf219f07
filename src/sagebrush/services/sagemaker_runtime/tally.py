"""CloudWatch's metrics of endpoints, added up in memory and written off the hot path.

Source: "SageMaker endpoint invocation metrics" in the Amazon SageMaker Developer Guide. Latencies are microseconds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.signals.metrics import Datum, Sample
from sagebrush.services.sagemaker_runtime.faults import Target

NAMESPACE = "AWS/SageMaker"
_PERIOD = 60
_DELAY = 1.0
"""Seconds between a call and its metrics being on disk: what a kill of this process may lose of them."""

_UNITS = {"ModelLatency": "Microseconds", "OverheadLatency": "Microseconds"}


class _Series(NamedTuple):
    target: Target
    variant: str
    metric: str
    minute: int


class Tally:
    """How often each value of each metric was seen. Counts on the event loop, writes on a thread."""

    def __init__(self) -> None:
        self._seen: dict[_Series, dict[float, int]] = defaultdict(lambda: defaultdict(int))

    def add(self, world: World, target: Target, variant: str, values: Mapping[str, float]) -> None:
        """Count one call's metrics."""
        if not self._seen:
            asyncio.get_running_loop().call_later(_DELAY, self._flush, world)
        minute = int(world.clock.now()) // _PERIOD * _PERIOD
        for metric, value in values.items():
            self._seen[_Series(target, variant, metric, minute)][value] += 1

    def _flush(self, world: World) -> None:
        seen = dict(self._seen)
        self._seen.clear()
        asyncio.get_running_loop().run_in_executor(world.pool, _write, world, seen)


def outcome(status: int, instances: int, model: float, total: float) -> dict[str, float]:
    """Return the metrics of one call.

    They follow from the container's status (0: no answer), how many instances the variant has, and the seconds spent
    in the container and in all.
    """
    return {
        "Invocations": 1.0,
        "InvocationsPerInstance": 1.0 / max(instances, 1),
        "Invocation4XXErrors": float(400 <= status < 500),
        "Invocation5XXErrors": float(status >= 500),
        "InvocationModelErrors": float(not 200 <= status < 300),
        "ModelLatency": float(round(model * 1e6)),
        "OverheadLatency": float(round((total - model) * 1e6)),
    }


def _write(world: World, seen: Mapping[_Series, Mapping[float, int]]) -> None:
    owners = {(series.target.account, series.target.region) for series in seen}
    for owner in owners:
        data = [
            Datum(
                series.metric,
                tuple(Sample.of(value, count) for value, count in values.items()),
                {"EndpointName": series.target.name, "VariantName": series.variant},
                time=series.minute,
                unit=_UNITS.get(series.metric, "None"),
            )
            for series, values in seen.items()
            if (series.target.account, series.target.region) == owner
        ]
        world.metrics.put(*owner, NAMESPACE, data)
