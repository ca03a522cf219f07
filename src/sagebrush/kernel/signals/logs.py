"""CloudWatch Logs' store: groups, streams and lines, with AWS's own refusals."""

import heapq
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TypeVar

from sagebrush.kernel.base.clock import Clock
from sagebrush.kernel.base.errors import AwsError
from sagebrush.kernel.state import lines
from sagebrush.kernel.state.lines import Group, Line, Position, Stream, Window
from sagebrush.kernel.state.sqlite import Database

T = TypeVar("T")

_SWEEP = 3600.0
_BLOCK = 1000


class LogStore:
    """Log lines by account, region, group and stream. Times are epoch milliseconds.

    Every method is one transaction: when it returns, what it wrote is on disk. Operations on what is not there raise
    ResourceNotFoundException, on what is there already ResourceAlreadyExistsException, worded as AWS words them.
    Lines older than their group's retention are never shown, and deleted within an hour of the platform's time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._db = database
        self._clock = clock
        self._next_sweep = 0.0
        self._sweeping = threading.Lock()

    def append(
        self,
        account: str,
        region: str,
        group: str,
        stream: str,
        events: Sequence[tuple[int, str]],
        *,
        mark: int | None = None,
    ) -> None:
        """Add (time, message) pairs to a stream, which is made, with its group, where it is missing.

        `mark` is the writer's own place after these events (a byte offset of the file they come from, say). It is
        stored in the same transaction, so that a writer that was killed goes on from `mark()` and no line is lost or
        written twice.
        """
        now = self._now()
        with self._db.write() as db:
            found = lines.group(db, account, region, group)
            if found is None:
                lines.add_group(db, Group(account, region, group, now))
                found = _there(lines.group(db, account, region, group), "group")
            lines.add_stream(db, found.id, stream, now)
            target = _there(lines.stream(db, found.id, stream), "stream")
            lines.append(db, found.id, target.id, events, now=now, mark=mark)
        self._sweep()

    def mark(self, account: str, region: str, group: str, stream: str) -> int:
        """Return the place that the stream's writer noted last; 0 where there is none."""
        with self._db.read() as db:
            found = lines.group(db, account, region, group)
            target = lines.stream(db, found.id, stream) if found else None
        return target.mark if target else 0

    def put(self, group: Group, stream: str, events: Sequence[tuple[int, str]]) -> None:
        """Add (time, message) pairs to a stream that exists."""
        with self._db.write() as db:
            target = _there(lines.stream(db, group.id, stream), "stream")
            lines.append(db, group.id, target.id, events, now=self._now())
        self._sweep()

    def read(
        self, group: Group, stream: str, window: Window, *, descending: bool = False, limit: int = 10_000
    ) -> Iterator[Line]:
        """Yield at most `limit` lines of a stream within a window, from its start or (descending) from its end."""
        with self._db.read() as db:
            target = _there(lines.stream(db, group.id, stream), "stream")
            yield from lines.lines(db, target.id, self._kept(group, window), descending=descending, limit=limit)

    def search(
        self, group: Group, streams: Sequence[Stream], window: Window, *, descending: bool = False
    ) -> Iterator[tuple[str, Line]]:
        """Yield (stream name, line) of several streams, interleaved by time and, within a millisecond, by arrival."""
        window = self._kept(group, window)
        earliest, latest = window.after[0], window.before[0]
        overlapping = [s for s in streams if s.first is not None and s.first <= latest and (s.last or 0) >= earliest]
        merged = heapq.merge(
            *(self._blocks(stream, window, descending) for stream in overlapping),
            key=lambda entry: entry[1][:2],
            reverse=descending,
        )
        with closing(merged):
            yield from merged

    def _blocks(self, stream: Stream, window: Window, descending: bool) -> Iterator[tuple[str, Line]]:
        """Yield a stream's lines, read block by block, so that many streams do not hold many cursors open."""
        while True:
            with self._db.read() as db:
                block = list(lines.lines(db, stream.id, window, descending=descending, limit=_BLOCK))
            for line in block:
                yield stream.name, line
            if len(block) < _BLOCK:
                return
            edge: Position = (block[-1].time, block[-1].ordinal)
            window = Window(window.after, edge) if descending else Window(edge, window.before)

    def group(self, account: str, region: str, name: str) -> Group:
        """Return the group of that name."""
        with self._db.read() as db:
            return _there(lines.group(db, account, region, name), "group")

    def groups(
        self, account: str, region: str, *, prefix: str = "", part: str = "", after: str = "", limit: int = 50
    ) -> list[Group]:
        """Return groups by name: those after the name `after`, that start with `prefix` and contain `part`."""
        self._sweep()
        with self._db.read() as db:
            return lines.groups(db, account, region, prefix=prefix, part=part, after=after, limit=limit)

    def stream(self, group: Group, name: str) -> Stream:
        """Return the stream of that name."""
        with self._db.read() as db:
            return _there(lines.stream(db, group.id, name), "stream")

    def streams(
        self,
        group: Group,
        *,
        prefix: str = "",
        by_time: bool = False,
        descending: bool = False,
        after: tuple[str | int, int] | None = None,
        limit: int = -1,
    ) -> list[Stream]:
        """Return streams by name, or by the time of their last line, from the keyset position `after` (value, id) on."""
        with self._db.read() as db:
            return lines.streams(
                db, group.id, prefix=prefix, by_time=by_time, descending=descending, after=after, limit=limit
            )

    def create_group(
        self,
        account: str,
        region: str,
        name: str,
        *,
        tags: Mapping[str, str] | None = None,
        log_class: str = "STANDARD",
        kms_key: str = "",
        protected: bool = False,
    ) -> None:
        """Create a group."""
        new = Group(
            account,
            region,
            name,
            self._now(),
            log_class=log_class,
            kms_key=kms_key,
            protected=protected,
            tags=tags or {},
        )
        with self._db.write() as db:
            if not lines.add_group(db, new):
                raise AwsError("ResourceAlreadyExistsException", "The specified log group already exists")

    def create_stream(self, group: Group, name: str) -> None:
        """Create a stream."""
        with self._db.write() as db:
            if not lines.add_stream(db, group.id, name, self._now()):
                raise AwsError("ResourceAlreadyExistsException", "The specified log stream already exists")

    def change(
        self,
        group: Group,
        *,
        retention: int | None = None,
        protected: bool | None = None,
        tags: Mapping[str, str] | None = None,
        untag: Sequence[str] = (),
    ) -> Group:
        """Change a group and return it: `retention` in days, 0 for ever; tags to set, tags to remove."""
        with self._db.write() as db:
            old = _there(lines.group(db, group.account, group.region, group.name), "group")
            held = {key: value for key, value in {**old.tags, **(tags or {})}.items() if key not in untag}
            if len(held) > 50:
                raise AwsError("TooManyTagsException", "The resource cannot have more than 50 tags.")
            new = replace(
                old,
                retention=old.retention if retention is None else retention or None,
                protected=old.protected if protected is None else protected,
                tags=held,
            )
            lines.change_group(db, new.id, retention=new.retention, protected=new.protected, tags=new.tags)
        if retention:
            self.expire()
        return new

    def delete_group(self, group: Group) -> None:
        """Delete a group with its streams and lines. Raises ValidationException where it is protected."""
        with self._db.write() as db:
            current = _there(lines.group(db, group.account, group.region, group.name), "group")
            if current.protected:
                raise AwsError(
                    "ValidationException", "The log group cannot be deleted: deletion protection is enabled."
                )
            lines.remove_group(db, current.id)

    def delete_stream(self, group: Group, name: str) -> None:
        """Delete a stream and its lines. Raises ValidationException where its group is protected."""
        with self._db.write() as db:
            current = _there(lines.group(db, group.account, group.region, group.name), "group")
            target = _there(lines.stream(db, current.id, name), "stream")
            if current.protected:
                raise AwsError(
                    "ValidationException", "The log stream cannot be deleted: deletion protection is enabled."
                )
            lines.remove_stream(db, target.id)

    def expire(self) -> None:
        """Delete what is older than its group's retention, now."""
        with self._db.write() as db:
            lines.expire(db, self._now())

    def _sweep(self) -> None:
        now = self._clock.now()
        with self._sweeping:
            if now < self._next_sweep:
                return
            self._next_sweep = now + _SWEEP
        self.expire()

    def _kept(self, group: Group, window: Window) -> Window:
        if group.retention is None:
            return window
        return Window(max(window.after, (self._now() - group.retention * lines.DAY, 0)), window.before)

    def _now(self) -> int:
        return int(self._clock.now() * 1000)


def _there(found: T | None, what: str) -> T:
    if found is None:
        raise AwsError("ResourceNotFoundException", f"The specified log {what} does not exist.")
    return found


__all__ = ["Group", "Line", "LogStore", "Position", "Stream", "Window"]
