"""The allowed transitions of a kind, as a table."""

from collections.abc import Mapping
from dataclasses import dataclass


class IllegalMoveError(Exception):
    """A transition that the kind's table does not have: a defect of the platform, not of a request."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Which status may follow which.

    `member` is the status member of Describe, `initial` the status at creation, `moves` the table: a status that is
    not a key of it is final. `failed` is where a record goes whose drive breaks again and again. `event` is the
    detail-type that EventBridge shows for each change.
    """

    member: str
    initial: str
    moves: Mapping[str, frozenset[str]]
    failed: str
    event: str

    def check(self, old: str, new: str) -> None:
        """Raise IllegalMoveError unless `new` may follow `old`."""
        if old != new and new not in self.moves.get(old, frozenset()):
            message = f"{self.member} cannot go from {old} to {new}"
            raise IllegalMoveError(message)

    def final(self, status: str) -> bool:
        """Tell whether nothing follows `status`."""
        return status not in self.moves


def table(text: str) -> dict[str, frozenset[str]]:
    """Read a table of moves, a line each: `InProgress -> Completed Failed Stopping`."""
    lines = (line.split("->") for line in text.strip().splitlines())
    return {old.strip(): frozenset(new.split()) for old, new in lines}
