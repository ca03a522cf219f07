"""A resource's record and the questions that can be asked of many."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """One resource: what every kind has in columns, the rest in `body` under AWS's own member names.

    `private` holds what the platform remembers for itself and never shows. `due` is the clock time (epoch seconds) at
    which the drive loop looks at the record again; None means that nothing is left to do.
    """

    kind: str
    account: str
    region: str
    name: str
    arn: str
    status: str
    created: float
    modified: float
    body: Body
    owner: str = ""
    private: Body = field(default_factory=dict)
    due: float | None = None
    version: int = 0

    def __getitem__(self, member: str) -> Any:
        return self.body[member]

    def __contains__(self, member: object) -> bool:
        return member in self.body

    def get(self, member: str, default: Any = None) -> Any:
        """Return a member of the body, or `default`."""
        return self.body.get(member, default)

    def having(self, **members: Any) -> "Record":
        """Return the record with members of the body set; those given as None are removed."""
        body = {name: value for name, value in {**self.body, **members}.items() if value is not None}
        return replace(self, body=body)

    def remembering(self, **members: Any) -> "Record":
        """Return the record with private notes set; those given as None are removed."""
        notes = {name: value for name, value in {**self.private, **members}.items() if value is not None}
        return replace(self, private=notes)

    def again(self, due: float | None) -> "Record":
        """Return the record, to be driven again at clock time `due`; None: never."""
        return replace(self, due=due)


Test = Literal["=", "<", ">", "contains"]


@dataclass(frozen=True, slots=True)
class Where:
    """One condition: a column of the record, or a path into its body (`$.EndpointConfigName`)."""

    field: str
    test: Test
    value: Any


@dataclass(frozen=True, slots=True)
class Query:
    """Which records of a kind, in which order, from which position on.

    `after` is a keyset position (the sort value and the row number of the last record seen), so that pages neither
    skip nor repeat a record when others come and go.
    """

    kind: str
    account: str
    region: str
    where: tuple[Where, ...] = ()
    sort: str = "created"
    descending: bool = False
    limit: int = 100
    after: tuple[Any, int] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Records in order and the position to go on from; None on the last page."""

    records: list[Record]
    next: tuple[Any, int] | None


@dataclass(frozen=True, slots=True)
class Event:
    """An EventBridge event in the outbox: `detail` is published under `source` and `detail_type`."""

    source: str
    detail_type: str
    detail: Mapping[str, Any]
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """An event as it stands in the outbox: where, and when it was published, in epoch seconds."""

    position: int
    time: float
    account: str
    region: str
    event: Event
