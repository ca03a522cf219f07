"""The drive loop: each unfinished record is moved, step by step, until nothing is left to do."""

import logging
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

from sagebrush.kernel.grammar.call import World
from sagebrush.kernel.grammar.resource import Resource
from sagebrush.kernel.state.record import Record
from sagebrush.kernel.state.records import StaleError

log = logging.getLogger(__name__)

_ATTEMPTS = 5
_LONGEST_WAIT = 30.0
_SWEEP = 3600.0
BROKEN = "InternalServerError: We encountered an internal error. Please try again."


class Kinds(Protocol):
    """Where a record's declaration is found."""

    def resource(self, record: Record) -> Resource:
        """Return the declaration of a record's kind."""
        ...


class DriveLoop:
    """One thread that looks for records that are due or were woken, and a few that drive them.

    Handlers only write intent; this loop carries it out. A step may be cut off at any moment and is then repeated
    after the restart, so that no recovery code is needed. Two steps of one record never run at once.
    """

    def __init__(self, world: World, kinds: Kinds, workers: int = 8) -> None:
        self._world = world
        self._kinds = kinds
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="drive")
        self._changed = threading.Condition()
        self._woken: set[str] = set()
        self._running: set[str] = set()
        self._next_sweep = 0.0
        self._stopped = False
        self._thread = threading.Thread(target=self._watch, name="drive", daemon=True)

    def start(self) -> None:
        """Begin with every record that a former process left unfinished: its task may have ended unseen."""
        self._woken.update(self._world.records.due(math.inf, limit=-1))
        self._thread.start()

    def stop(self) -> None:
        """Finish the steps under way and begin no others."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()
        self._pool.shutdown()

    def wake(self, arn: str = "") -> None:
        """Have the record with this ARN looked at now, whenever it is due; without one, look at the clock again."""
        with self._changed:
            if arn:
                self._woken.add(arn)
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._stopped:
                now = self._world.clock.now()
                if now >= self._next_sweep:
                    self._next_sweep = now + _SWEEP
                    self._pool.submit(self._world.events.expire)
                due = {*self._woken, *self._world.records.due(now)} - self._running
                for arn in due:
                    self._woken.discard(arn)
                    self._running.add(arn)
                    self._pool.submit(self._drive, arn)
                if not due:
                    self._changed.wait(self._wait())

    def _wait(self) -> float:
        """Return for how long nothing is due; a record in work does not count, its end notifies."""
        due = self._world.records.next_due(self._running)
        return _LONGEST_WAIT if due is None else min(max(due - self._world.clock.now(), 0.001), _LONGEST_WAIT)

    def _drive(self, arn: str) -> None:
        try:
            while self._step(arn):
                pass
        except Exception:  # whatever a step raises, the loop lives on and tries the record again
            log.exception("driving %s failed", arn)
            self._failed(arn)
        finally:
            with self._changed:
                self._running.discard(arn)
                self._changed.notify()

    def _step(self, arn: str) -> bool:
        """Take one step; tell whether the next one is due at once."""
        record = self._world.records.by_arn(arn)
        if record is None or record.due is None:
            return False
        resource = self._kinds.resource(record)
        assert resource.drive is not None
        moved = resource.drive(record, self._world)
        try:
            if moved is None:
                self._world.records.delete(record)
                return False
            if _same(moved, record):
                return False
            saved = resource.save(self._world, record, moved.remembering(failures=None))
        except StaleError:
            return True
        return saved.due is not None and saved.due <= self._world.clock.now()

    def _failed(self, arn: str) -> None:
        """Put the record off, longer each time; after the last attempt, have it fail."""

        def later(record: Record) -> Record:
            failures = record.private.get("failures", 0) + 1
            lifecycle = self._kinds.resource(record).lifecycle
            now = self._world.clock.now()
            if failures < _ATTEMPTS or lifecycle is None or lifecycle.final(record.status):
                due = now + 0.1 * 4**failures if failures < _ATTEMPTS or lifecycle is None else None
                return record.remembering(failures=failures).again(due)
            failed = record.having(FailureReason=BROKEN).remembering(failures=None)
            # A final status still has its step, which clears what the work has left.
            due = now if lifecycle.final(lifecycle.failed) else None
            return replace(failed, status=lifecycle.failed, modified=now, due=due)

        while (record := self._world.records.by_arn(arn)) is not None:
            try:
                self._kinds.resource(record).save(self._world, record, later(record))
            except StaleError:
                continue
            return


def _same(new: Record, old: Record) -> bool:
    return new == old
