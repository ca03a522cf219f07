"""What every store of log lines and every store of metrics must do.

Subclass a class in a test module and give it the fixtures `clock` (a MovableClock) and `store` (empty, on that clock).
"""

import pytest

from sagebrush.kernel.base.clock import MovableClock
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.signals.logs import LogStore, Window
from sagebrush.kernel.signals.metrics import DAY, HOUR, Datum, Metric, MetricStore, Sample

PLACE = ("123456789012", "us-east-1")


def refusal(code: str, message: str) -> "pytest.RaisesExc[AwsError]":
    """Return the expectation of exactly this refusal."""
    return pytest.RaisesExc(AwsError, check=lambda error: (error.code, error.message) == (code, message))


class LogStoreConformance:
    """The contract of a LogStore."""

    @pytest.fixture
    def now(self, clock: MovableClock) -> int:
        """Return the platform's time in milliseconds."""
        return int(clock.now() * 1000)

    def lines(self, store: LogStore, stream: str = "s", window: Window = Window(), **how: bool) -> list[str]:  # noqa: B008
        """Return the messages of a stream of group g."""
        return [line.message for line in store.read(store.group(*PLACE, "g"), stream, window, **how)]

    def test_order(self, store: LogStore, now: int) -> None:
        """Lines come back by time, and within a millisecond by arrival, whatever the batches they came in."""
        store.append(*PLACE, "g", "s", [(now + 5, "c"), (now + 9, "e")])
        store.append(*PLACE, "g", "s", [(now, "a"), (now, "b"), (now + 5, "d")])
        assert self.lines(store) == ["a", "b", "c", "d", "e"]
        assert self.lines(store, descending=True) == ["e", "d", "c", "b", "a"]

    def test_times_and_ingestion(self, store: LogStore, clock: MovableClock, now: int) -> None:
        """A line keeps its own time and the time at which the store learned of it."""
        store.append(*PLACE, "g", "s", [(now - 7, "early")])
        [line] = store.read(store.group(*PLACE, "g"), "s", Window())
        assert line.time == now - 7
        assert now <= line.ingested <= int(clock.now() * 1000)

    def test_reading_goes_on_after_a_line(self, store: LogStore, now: int) -> None:
        """A reader that goes on after the last line it saw gets what came since, and nothing twice."""
        store.append(*PLACE, "g", "s", [(now, "a"), (now, "b")])
        *_, last = store.read(store.group(*PLACE, "g"), "s", Window())
        after = Window((last.time, last.ordinal))
        assert self.lines(store, window=after) == []
        store.append(*PLACE, "g", "s", [(now, "c"), (now + 1, "d")])
        assert self.lines(store, window=after) == ["c", "d"]

    def test_windows_are_gaps_between_lines(self, store: LogStore, now: int) -> None:
        """The window from (t, 0) to (u, 0) holds what happens at t and not what happens at u."""
        store.append(*PLACE, "g", "s", [(now, "a"), (now + 1, "b"), (now + 2, "c")])
        assert self.lines(store, window=Window((now + 1, 0), (now + 2, 0))) == ["b"]

    def test_accounts_and_regions_are_apart(self, store: LogStore, now: int) -> None:
        """The same name in another account or region is another group."""
        store.append("111111111111", "us-east-1", "g", "s", [(now, "theirs")])
        store.append("123456789012", "eu-west-1", "g", "s", [(now, "there")])
        with refusal("ResourceNotFoundException", "The specified log group does not exist."):
            store.group(*PLACE, "g")

    def test_what_is_missing_is_named(self, store: LogStore, now: int) -> None:
        """A missing group and a missing stream are refused in AWS's words."""
        store.append(*PLACE, "g", "s", [(now, "a")])
        with refusal("ResourceNotFoundException", "The specified log group does not exist."):
            store.group(*PLACE, "h")
        with refusal("ResourceNotFoundException", "The specified log stream does not exist."):
            self.lines(store, "t")
        with refusal("ResourceAlreadyExistsException", "The specified log group already exists"):
            store.create_group(*PLACE, "g")
        with refusal("ResourceAlreadyExistsException", "The specified log stream already exists"):
            store.create_stream(store.group(*PLACE, "g"), "s")

    def test_mark(self, store: LogStore, now: int) -> None:
        """A writer's mark moves together with its lines, and other writers do not move it."""
        assert store.mark(*PLACE, "g", "s") == 0
        store.append(*PLACE, "g", "s", [(now, "a")], mark=40)
        store.append(*PLACE, "g", "s", [(now, "b")])
        assert store.mark(*PLACE, "g", "s") == 40
        store.append(*PLACE, "g", "s", [], mark=41)
        assert store.mark(*PLACE, "g", "s") == 41
        assert self.lines(store) == ["a", "b"]

    def test_retention(self, store: LogStore, clock: MovableClock, now: int) -> None:
        """Lines past the retention are gone at once; without a policy they come no more, for they are deleted."""
        store.append(*PLACE, "g", "s", [(now - 2 * 86_400_000, "old"), (now, "new")])
        whole = store.group(*PLACE, "g").bytes
        group = store.change(store.group(*PLACE, "g"), retention=1)
        assert group.retention == 1
        assert self.lines(store) == ["new"]
        assert store.group(*PLACE, "g").bytes == whole - len("old") - 26
        clock.advance(86_400 + 60)
        assert self.lines(store) == []
        store.append(*PLACE, "h", "s", [(now, "any write sweeps")])
        store.change(store.group(*PLACE, "g"), retention=0)
        assert self.lines(store) == []
        assert store.group(*PLACE, "g").bytes == 0

    def test_deletion(self, store: LogStore, now: int) -> None:
        """A deleted group or stream takes its lines with it: one made again is empty."""
        for name in ("s", "t"):
            store.append(*PLACE, "g", name, [(now, name)], mark=9)
        store.delete_stream(store.group(*PLACE, "g"), "s")
        assert [stream.name for stream in store.streams(store.group(*PLACE, "g"))] == ["t"]
        store.append(*PLACE, "g", "s", [(now, "again")])
        assert self.lines(store) == ["again"]
        assert store.mark(*PLACE, "g", "s") == 0
        store.delete_group(store.group(*PLACE, "g"))
        store.append(*PLACE, "g", "t", [])
        assert self.lines(store, "t") == []

    def test_protection(self, store: LogStore) -> None:
        """A protected group is not deleted until the protection is lifted."""
        store.create_group(*PLACE, "g", protected=True)
        with pytest.raises(AwsError, match="deletion protection"):
            store.delete_group(store.group(*PLACE, "g"))
        store.delete_group(store.change(store.group(*PLACE, "g"), protected=False))
        assert store.groups(*PLACE) == []

    def test_groups_by_name(self, store: LogStore) -> None:
        """Groups are found by prefix and by part of the name, in the order of their names, page by page."""
        for name in ("/aws/b", "/aws/a", "/aws/a/x", "own", "/aws/é"):
            store.create_group(*PLACE, name)
        assert [g.name for g in store.groups(*PLACE, prefix="/aws/a")] == ["/aws/a", "/aws/a/x"]
        assert [g.name for g in store.groups(*PLACE, part="a/")] == ["/aws/a/x"]
        assert [g.name for g in store.groups(*PLACE, after="/aws/a/x", limit=2)] == ["/aws/b", "/aws/é"]

    def test_streams_by_time(self, store: LogStore, now: int) -> None:
        """Streams are listed by name or by their last line; a page goes on after the one before it."""
        for name, time in (("a", 3), ("b", 1), ("c", 2), ("d", 3)):
            store.append(*PLACE, "g", name, [(now + time, "x")])
        group = store.group(*PLACE, "g")
        assert [s.name for s in store.streams(group, by_time=True)] == ["b", "c", "a", "d"]
        newest = store.streams(group, by_time=True, descending=True, limit=1)
        assert [s.name for s in newest] == ["d"]
        after = (newest[0].last or 0, newest[0].id)
        assert [s.name for s in store.streams(group, by_time=True, descending=True, after=after)] == ["a", "c", "b"]

    def test_search(self, store: LogStore, now: int) -> None:
        """A search interleaves streams by time and by arrival, forwards and backwards, from any position."""
        store.append(*PLACE, "g", "a", [(now, "1"), (now + 2, "3")])
        store.append(*PLACE, "g", "b", [(now, "2"), (now + 2, "4")])
        group = store.group(*PLACE, "g")
        streams = store.streams(group)
        found = list(store.search(group, streams, Window()))
        assert [(name, line.message) for name, line in found] == [("a", "1"), ("b", "2"), ("a", "3"), ("b", "4")]
        after = Window((found[1][1].time, found[1][1].ordinal))
        assert [line.message for _, line in store.search(group, streams, after)] == ["3", "4"]
        backwards = store.search(group, streams, Window(), descending=True)
        assert [line.message for _, line in backwards] == ["4", "3", "2", "1"]

    def test_tags(self, store: LogStore) -> None:
        """Tags are set, overwritten and removed; the 51st is refused and changes nothing."""
        store.create_group(*PLACE, "g", tags={"a": "1", "b": "2"})
        group = store.change(store.group(*PLACE, "g"), tags={"b": "3", "c": ""}, untag=["a"])
        assert group.tags == {"b": "3", "c": ""}
        with pytest.raises(AwsError, match="TooManyTags"):
            store.change(group, tags={str(n): "" for n in range(49)})
        assert store.group(*PLACE, "g").tags == {"b": "3", "c": ""}


class MetricStoreConformance:
    """The contract of a MetricStore."""

    @pytest.fixture
    def minute(self, clock: MovableClock) -> int:
        """Return the start of the hour before this one, in epoch seconds."""
        return int(clock.now() // HOUR - 1) * HOUR

    def metric(self, name: str = "m", **dimensions: str) -> Metric:
        """Return a metric of namespace n."""
        return Metric(*PLACE, "n", name, dimensions)

    def test_identity(self, store: MetricStore, minute: int) -> None:
        """A metric is found under exactly its own dimensions, in any order, and under no part of them."""
        store.put(*PLACE, "n", [Datum.of("m", 1, {"a": "1", "b": "2"}, time=minute)])
        span = store.span(minute, minute + 60, 60)
        assert len(store.statistics(self.metric(b="2", a="1"), span)) == 1
        for other in (self.metric(), self.metric(a="1"), self.metric(a="1", b="2", c="3"), self.metric(a="1", b="1")):
            assert store.statistics(other, span) == []

    def test_periods(self, store: MetricStore, minute: int) -> None:
        """A period holds what happens from its start on and not what happens at its end."""
        for second in (0, 59, 60, 119, 120):
            store.put(*PLACE, "n", [Datum("m", (Sample.of(1.0),), time=minute + second, resolution=1)])
        points = store.statistics(self.metric(), store.span(minute, minute + 120, 60))
        assert [(point.time, point.statistic("SampleCount")) for point in points] == [(minute, 2), (minute + 60, 2)]

    def test_every_way_of_putting(self, store: MetricStore, minute: int) -> None:
        """Values, values with counts and statistic sets add up."""
        samples = (Sample.of(2.0), Sample.of(4.0, 3), Sample(1.0, 9.0, 4, 20.0))
        store.put(*PLACE, "n", [Datum("m", samples, time=minute)])
        [point] = store.statistics(self.metric(), store.span(minute, minute + 60, 60), extended=True)
        got = {name: point.statistic(name) for name in ("SampleCount", "Sum", "Average", "Minimum", "Maximum")}
        assert got == {"SampleCount": 8, "Sum": 34, "Average": 4.25, "Minimum": 1, "Maximum": 9}
        assert point.statistic("p50") is None, "a statistic set hides its values"

    def test_percentiles_need_raw_values(self, store: MetricStore, minute: int) -> None:
        """Percentiles come from raw values, and from sets whose values are known; never where one is negative."""
        store.put(*PLACE, "n", [Datum("m", (Sample.of(1.0, 9), Sample(5.0, 5.0, 1, 5.0)), time=minute)])
        store.put(*PLACE, "n", [Datum("low", (Sample.of(-1.0), Sample.of(3.0)), time=minute)])
        span = store.span(minute, minute + 60, 60)
        [point] = store.statistics(self.metric(), span, extended=True)
        assert (point.statistic("p90"), point.statistic("p90.1"), point.statistic("p100")) == (1, 5, 5)
        [point] = store.statistics(self.metric("low"), span, extended=True)
        assert (point.statistic("p90"), point.statistic("Minimum")) == (None, -1)

    def test_units_are_apart(self, store: MetricStore, minute: int) -> None:
        """What came in different units is never mixed."""
        for unit, value in (("Seconds", 1), ("Bytes", 100)):
            store.put(*PLACE, "n", [Datum.of("m", value, time=minute, unit=unit)])
        span = store.span(minute, minute + 60, 60)
        found = {point.unit: point.statistic("Sum") for point in store.statistics(self.metric(), span)}
        assert found == {"Seconds": 1, "Bytes": 100}
        assert [p.unit for p in store.statistics(self.metric(), span, unit="Bytes")] == ["Bytes"]

    def test_fine_data_grows_coarse(self, store: MetricStore, clock: MovableClock, minute: int) -> None:
        """Seconds are shown for 3 hours, minutes for 15 days, five minutes for 63 days, hours for 455."""
        store.put(*PLACE, "n", [Datum("m", (Sample.of(1.0),), time=minute, resolution=1)])

        def shown(period: int) -> bool:
            return bool(store.statistics(self.metric(), store.span(minute, minute + HOUR, period)))

        assert [shown(period) for period in (1, 60, 300, 3600)] == [True] * 4
        for days, expected in (
            (0.3, [False, True, True, True]),
            (16, [False, False, True, True]),
            (50, [False, False, False, True]),
            (390, [False, False, False, False]),
        ):
            clock.advance(days * DAY)
            store.put(*PLACE, "n", [Datum.of("other", 1)])
            assert [shown(period) for period in (1, 60, 300, 3600)] == expected, f"after {days} more days"

    def test_start_is_rounded_down(self, store: MetricStore, minute: int) -> None:
        """The start of a span is rounded down to the minute, or to the period where that is finer."""
        assert store.span(minute + 59.9, minute + 300, 300).start == minute
        assert store.span(minute + 59.9, minute + 300, 10).start == minute + 50
        assert store.span(minute - 20 * DAY + 299, minute, 300).start == minute - 20 * DAY

    def test_list(self, store: MetricStore, clock: MovableClock) -> None:
        """Metrics are listed by namespace, name and any of their dimensions, as long as they report."""
        store.put(*PLACE, "n", [Datum.of("a", 1, {"x": "1"}), Datum.of("a", 1, {"x": "1", "y": "2"}), Datum.of("b", 1)])
        store.put(*PLACE, "o", [Datum.of("a", 1)])

        def names(**how: object) -> list[tuple[str, str, dict[str, str]]]:
            listed = store.list(*PLACE, **how)  # type: ignore[arg-type]
            return [(metric.namespace, metric.name, dict(metric.dimensions)) for metric, _ in listed]

        assert len(names()) == 4
        assert names(namespace="o") == [("o", "a", {})]
        assert names(name="b") == [("n", "b", {})]
        assert names(dimensions=[("x", "1"), ("y", None)]) == [("n", "a", {"x": "1", "y": "2"})]
        assert names(dimensions=[("x", "2")]) == []
        clock.advance(4 * HOUR)
        store.put(*PLACE, "n", [Datum.of("b", 1)])
        assert names(active=3 * HOUR) == [("n", "b", {})]
        clock.advance(14 * DAY)
        assert names() == []

    def test_listing_goes_on(self, store: MetricStore) -> None:
        """Pages of a listing, one by one, are the listing."""
        store.put(*PLACE, "n", [Datum.of(f"m{n % 3}", 1, {"d": str(n)}) for n in range(7)])
        whole = store.list(*PLACE)
        paged: list[object] = []
        after = ("", "", "")
        while page := store.list(*PLACE, after=after, limit=2):
            paged += page
            after = page[-1][1]
        assert paged == list(whole)
        assert len(paged) == 7
