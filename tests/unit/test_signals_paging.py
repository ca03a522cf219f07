"""Reading in pages, in either direction, over any stream, gives what sorting a list gives."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.kernel.base.clock import MovableClock
from sagebrush.kernel.signals.logs import LogStore, Position, Window
from sagebrush.kernel.signals.metrics import Datum, Metric, MetricStore, Sample
from sagebrush.kernel.state import lines, points
from sagebrush.kernel.state.sqlite import Database

PLACE = ("123456789012", "us-east-1")
batches = st.lists(
    st.tuples(st.sampled_from("abc"), st.lists(st.integers(0, 9), min_size=1, max_size=6)), min_size=1, max_size=8
)


@contextmanager
def database() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        opened = Database(Path(folder) / "signals.db", lines.SCHEMA + points.SCHEMA)
        try:
            yield opened
        finally:
            opened.close()


@settings(max_examples=60, deadline=None)
@given(batches, st.integers(0, 10), st.integers(0, 10), st.integers(1, 4), st.booleans())
def test_pages_of_a_stream_and_of_a_group(
    written: list[tuple[str, list[int]]], start: int, end: int, size: int, backwards: bool
) -> None:
    with database() as db:
        store = LogStore(db, MovableClock())
        model: list[tuple[int, int, str]] = []
        for stream, times in written:
            store.append(*PLACE, "g", stream, [(time, str(len(model) + i)) for i, time in enumerate(times)])
            model += [(time, len(model) + i, stream) for i, time in enumerate(times)]
        expected = sorted((entry for entry in model if start <= entry[0] < end), reverse=backwards)
        group = store.group(*PLACE, "g")
        window = Window((start, 0), (end, 0))
        for stream in {stream for stream, _ in written}:
            seen: list[str] = []
            left = window
            while page := list(store.read(group, stream, left, descending=backwards, limit=size)):
                seen += [line.message for line in page]
                left = beyond(left, (page[-1].time, page[-1].ordinal), backwards)
            assert seen == [str(number) for _, number, of in expected if of == stream]
        found = store.search(group, store.streams(group), window, descending=backwards)
        assert [(name, line.message) for name, line in found] == [(of, str(number)) for _, number, of in expected]


def beyond(window: Window, edge: Position, backwards: bool) -> Window:
    return Window(window.after, edge) if backwards else Window(edge, window.before)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 599), st.integers(0, 50), st.integers(1, 5)), max_size=40),
    st.sampled_from([1, 10, 60, 120, 300]),
    st.integers(0, 9),
    st.integers(1, 10),
)
def test_statistics_over_periods(data: list[tuple[int, int, int]], period: int, first: int, length: int) -> None:
    with database() as db:
        clock = MovableClock()
        base = int(clock.now() // 3600 - 1) * 3600
        store = MetricStore(db, clock)
        store.put(
            *PLACE,
            "n",
            [Datum("m", (Sample.of(value, count),), time=base + at, resolution=1) for at, value, count in data],
        )
        start, end = base + first * 60, base + first * 60 + length * 60
        found = {
            point.time: tuple(point.statistic(name) for name in ("SampleCount", "Sum", "Minimum", "Maximum", "p50"))
            for point in store.statistics(Metric(*PLACE, "n", "m", {}), store.span(start, end, period), extended=True)
        }
        buckets: dict[int, list[int]] = {}
        for at, value, count in data:
            if start <= base + at < end:
                time = start + (base + at - start) // period * period
                buckets.setdefault(time, []).extend([value] * count)
        assert found == {
            time: (len(plain), sum(plain), min(plain), max(plain), sorted(plain)[(len(plain) + 1) // 2 - 1])
            for time, plain in buckets.items()
        }
